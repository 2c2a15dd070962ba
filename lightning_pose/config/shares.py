"""Starting the workers of a prediction through one of Hydra's launchers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass

from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from lightning_pose.config.hydra_session import hydra_session
from lightning_pose.contracts.errors import ConfigError, LitposeError

PRIMARY = "shares"
EXTRAS = {  # what a launcher is installed with
    "joblib": "lightning-pose-rebuilt[launchers]",
    "processes": "lightning-pose-rebuilt[launchers]",
    "submitit_local": "lightning-pose-rebuilt[launchers]",
    "submitit_slurm": "lightning-pose-rebuilt[launchers]",
    "slurm_gpu": "lightning-pose-rebuilt[launchers]",
    "ray": "hydra-ray-launcher",
    "ray_gpu": "hydra-ray-launcher",
}


@dataclass(frozen=True)
class _Worker:
    """What Hydra calls in each worker."""

    work: Callable[[int], int]

    def __call__(self, config: DictConfig) -> int:
        return self.work(int(config.number))


def run_shares(
    work: Callable[[int], int], *, number: int, launcher: str, settings: Sequence[str] = ()
) -> list[int]:
    """Call ``work`` with 1, 2, ... up to ``number``, each in a worker; return what they returned.

    Args:
        work: is pickled, so a function or an instance of a class at the top of a module.
        number: how many workers.
        launcher: a choice of the group ``hydra/launcher``: Hydra's own, or one of ours.
        settings: ``KEY=VALUE`` of the launcher.

    Raises:
        ConfigError: there is no such launcher, or it does not know a setting.
        LitposeError: a worker's process has ended without a word.
        Whatever a worker raises.
    """
    overrides = [
        f"hydra/launcher={launcher}",
        *(f"hydra.launcher.{setting}" for setting in settings),
        f"number={','.join(map(str, range(1, number + 1)))}",
        "hydra.mode=MULTIRUN",
    ]
    with hydra_session() as hydra:
        try:
            found = hydra.multirun(PRIMARY, _Worker(work), overrides)
        except (HydraException, OmegaConfBaseException) as error:
            first = str(error).strip().splitlines()[0].rstrip(".")
            raise ConfigError(
                f"The launcher {launcher} cannot be used: {first}. {_way_out(launcher, first)}"
            ) from error
        except BrokenExecutor as error:
            raise LitposeError(
                "The process of a worker ended without a word, for lack of memory perhaps, and "
                "the others were stopped. The same command does what is left."
            ) from error
    return [int(job.return_value) for batch in found for job in batch]


def _way_out(launcher: str, reason: str) -> str:
    if "hydra.launcher." in reason:
        return "Name its settings as the launcher does."
    known = ", ".join(["basic", *EXTRAS])
    if launcher in EXTRAS:
        return f"It comes with: pip install '{EXTRAS[launcher]}'"
    return f"There are {known}."
