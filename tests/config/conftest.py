"""Small stand-ins for the rooms that register things, so that these tests need no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lightning_pose.config.app import PreparedApp
from lightning_pose.config.build import Hooks
from lightning_pose.config.compose import prepare
from lightning_pose.contracts import registry
from lightning_pose.contracts.errors import ConfigError
from lightning_pose.contracts.registry import Entry
from lightning_pose.contracts.settings import Follows, setting

Prepare = Callable[..., PreparedApp]
Message = Callable[..., str]
FILES = Path(__file__).parent / "files"


@dataclass(frozen=True, kw_only=True)
class AdamParams:
    learning_rate: float = setting(1e-3, "Step size.", above=0)


@dataclass(frozen=True, kw_only=True)
class MultiStepParams:
    milestones: list[int] | None = setting(
        None, "Epochs at which the rate falls.", follows=Follows((150, 200, 250), "share")
    )
    milestone_steps: list[int] | None = setting(
        None, "The same in steps.", follows=Follows((150, 200, 250), "share", "steps")
    )
    gamma: float = setting(0.5, "Factor of each fall.", above=0, maximum=1)


@dataclass(frozen=True, kw_only=True)
class CosineParams:
    final_factor: float = 0.01


@dataclass(frozen=True, kw_only=True)
class HeatmapParams:
    """Settings of the tracker.

    Attributes:
        sigma: width of the target.
    """

    sigma: float = 1.25

    def __post_init__(self) -> None:
        if self.sigma <= 0:
            raise ConfigError(f"sigma must be above 0, got {self.sigma}.")


@dataclass(frozen=True, kw_only=True)
class TemporalParams:
    log_weight: float = 11.0
    epsilon: float = 20.0
    prob_threshold: float = setting(0.05, "Below it nothing is said.", minimum=0, maximum=1)


STAND_INS: dict[str, dict[str, type | None]] = {
    "TRACKERS": {"heatmap": HeatmapParams, "regression": None, "heatmap_mhcrnn": HeatmapParams},
    "BACKBONES": dict.fromkeys(
        [
            "efficientnet_lite0",
            "efficientnet_lite1",
            "efficientnet_lite2",
            "resnet50_animal_ap10k",
            "vits_dino",
        ]
    ),
    "LOSSES": {
        "heatmap_mse": None,
        "heatmap_kl": None,
        "heatmap_js": None,
        "temporal": TemporalParams,
    },
    "AUGMENTATIONS": dict.fromkeys(["default", "dlc", "dlc-top-down"]),
    "OPTIMIZERS": {"Adam": AdamParams, "AdamW": AdamParams},
    "SCHEDULERS": {"multisteplr": MultiStepParams, "cosine": CosineParams},
}


def make_network(*, pretrained: bool) -> SimpleNamespace:
    """Return a backbone that tells its stride only once it is built, as the real ones do."""
    return SimpleNamespace(stride=16)


@pytest.fixture
def real_rooms() -> None:
    """Ask for what is really registered instead of the stand-ins."""


@pytest.fixture(autouse=True)
def _stand_in_rooms(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "real_rooms" in request.fixturenames:
        return
    for name, params in STAND_INS.items():
        entries = {key: Entry(name=key, value=make_network, params=p) for key, p in params.items()}
        monkeypatch.setattr(getattr(registry, name), "_entries", entries)
        monkeypatch.setattr(getattr(registry, name), "_loaded", True)


@pytest.fixture
def data_set(tmp_path: Path) -> Path:
    """Return a folder that looks like a data set."""
    return make_data_set(tmp_path / "my_data")


def make_data_set(folder: Path) -> Path:
    """Make a folder with what the configuration looks for in a data set."""
    (folder / "videos").mkdir(parents=True)
    for view in ("", "_side", "_below"):
        (folder / f"CollectedData{view}.csv").touch()
    return folder


@pytest.fixture
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that data=toy stands for in these tests."""
    return make_data_set(tmp_path_factory.mktemp("cache") / "toy")


@pytest.fixture
def prepared(toy: Path) -> Prepare:
    """Return a function that prepares a command line given as arguments."""

    def prepare_arguments(*argv: str, **options: Any) -> PreparedApp:
        return prepare(
            argv,
            hooks=Hooks(generators={name: lambda: toy for name in ("toy", "toy_cameras")}),
            **options,
        )

    return prepare_arguments


@pytest.fixture
def complaint(prepared: Prepare) -> Message:
    """Return a function that gives the message a wrong command line is refused with."""

    def message(*argv: str) -> str:
        with pytest.raises(ConfigError) as caught:
            prepared(*argv)
        return str(caught.value)

    return message


@pytest.fixture
def built(prepared: Prepare) -> Callable[..., Any]:
    """Return a function that gives the checked configuration of a command line."""

    def build(*argv: str) -> Any:
        from lightning_pose.config.run import run_hydra

        return run_hydra(lambda config, _: config, prepared(*argv))

    return build
