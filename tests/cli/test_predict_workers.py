"""Workers started by Hydra's launchers predict everything, once."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest
import yaml

from lightning_pose.cli.main import main
from lightning_pose.cli.predict import workers
from lightning_pose.cli.predict.predicting import PredictRequest
from lightning_pose.cli.predict.workers import device_of_worker
from lightning_pose.config.assets import conf_dir
from lightning_pose.config.shares import EXTRAS
from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.model_spec import ModelSpec
from lightning_pose.models.build import build_tracker, save_weights
from tests.video.conftest import corpus
from tests.video.corpus import NUM_FRAMES

__all__ = ["corpus"]
Corpus = Callable[[str], Path]


@pytest.fixture
def here(corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a model and three videos, and go there."""
    monkeypatch.chdir(tmp_path)
    spec = ModelSpec(
        model_type="heatmap",
        backbone="resnet18",
        keypoint_names=("nose", "tail"),
        image_height=64,
        image_width=64,
    )
    save_weights(build_tracker(spec), tmp_path / "m.ckpt")
    (tmp_path / "videos").mkdir()
    for name in "abc":
        (tmp_path / "videos" / f"{name}.mp4").write_bytes(corpus("plain.mp4").read_bytes())
    return tmp_path


def predicted(folder: Path) -> dict[str, int]:
    return {path.stem: len(path.read_text().splitlines()) - 3 for path in folder.glob("?.csv")}


def predict(*options: str) -> int:
    return main(["predict", "m.ckpt", "videos", "--out", "out", "--device", "cpu", *options])


def test_each_share_is_predicted_by_one_worker(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert predict("--workers", "2", "--launcher", "basic") == 0
    assert predicted(here / "out") == dict.fromkeys("abc", NUM_FRAMES)
    told = capsys.readouterr().out
    assert told.count("done") == 5  # three videos, two shares


@pytest.mark.parametrize(
    ("wished", "gpus", "devices"),
    [
        ("auto", 2, ["cuda:0", "cuda:1", "cuda:0"]),
        ("cuda", 3, ["cuda:0", "cuda:1", "cuda:2"]),
        ("auto", 1, ["auto"] * 3),
        ("auto", 0, ["auto"] * 3),
        ("cpu", 2, ["cpu"] * 3),
        ("cuda:1", 2, ["cuda:1"] * 3),
    ],
)
def test_workers_take_the_gpus_in_turns(
    wished: str, gpus: int, devices: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: gpus)
    assert [device_of_worker(number, wished) for number in (1, 2, 3)] == devices


@pytest.mark.long
@pytest.mark.parametrize(
    ("launcher", "plugin"),
    [("processes", "hydra_joblib_launcher"), ("submitit_local", "hydra_submitit_launcher")],
)
def test_workers_may_be_processes(here: Path, launcher: str, plugin: str) -> None:
    pytest.importorskip(f"hydra_plugins.{plugin}", reason="comes with the extra launchers")
    assert predict("--workers", "2", "--launcher", launcher) == 0
    assert predicted(here / "out") == dict.fromkeys("abc", NUM_FRAMES)


def test_a_share_that_fails_is_told(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "videos" / "b.mp4").write_text("no video")
    assert predict("--workers", "3", "--launcher", "basic") == 1
    assert set(predicted(here / "out")) == {"a", "c"}
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["2/3", "failed"] in rows
    assert ["3/3", "done"] in rows


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--workers", "0"), "1 or more"),
        (("--workers", "2", "--shard", "1/2"), "leave --shard out"),
        (("--workers", "2", "--launcher", "magic"), "There are basic, joblib"),
        (("--workers", "2", "--launcher", "ray_gpu"), "pip install 'hydra-ray-launcher'"),
        (("--workers", "2", "--launcher", "basic", "--launch", "speed=9"), "as the launcher does"),
        (("--workers", "2", "--json"), "leave it out"),
        (("--workers", "2", "--launcher", "basic", "--reader", "magic"), "'magic'"),
    ],
)
def test_what_cannot_be_started_is_one_sentence(
    here: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], reason: str
) -> None:
    assert predict(*options) == 2
    assert reason in " ".join(capsys.readouterr().err.split())
    assert not (here / "out").exists()


@pytest.mark.parametrize(
    ("debug", "shown"), [(False, ["a warning"]), (True, ["a warning", "more"])]
)
def test_a_worker_shows_its_log_wherever_it_runs(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    debug: bool,
    shown: list[str],
) -> None:
    def broken(request: PredictRequest) -> int:
        log = logging.getLogger("lightning_pose.inference")
        log.warning("a warning")
        log.debug("more")
        raise DataError(f"nothing works in share {request.shard}")

    monkeypatch.setattr(workers, "predict_and_report", broken)
    request = PredictRequest(model="m.ckpt", inputs=("v.mp4",), device="cpu")
    assert workers._Share(request, 2, debug)(1) == 1
    told = capsys.readouterr().err.splitlines()
    assert told[: len(shown)] == shown
    assert told[-1].startswith("litpose: nothing works in share ")
    assert any(line.startswith("Traceback") for line in told) == debug


def test_a_worker_whose_process_ends_without_a_word_is_one_sentence(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise BrokenProcessPool("A process in the executor was terminated abruptly")

    monkeypatch.setattr("hydra._internal.hydra.Hydra.multirun", broken)
    assert predict("--workers", "2", "--launcher", "basic") == 1
    told = " ".join(capsys.readouterr().err.split())
    assert told.endswith("were stopped. The same command does what is left.")


def test_every_launcher_of_ours_says_what_it_is_installed_with() -> None:
    ours = list((conf_dir() / "hydra" / "launcher").glob("*.yaml"))
    assert ours
    for path in ours:
        assert path.stem in EXTRAS
        assert yaml.safe_load(path.read_text())["defaults"][0] in EXTRAS
