"""Finding the files of a trained model."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from lightning_pose.contracts.errors import DataError, ModelError
from lightning_pose.contracts.files import file_sha256
from lightning_pose.contracts.run_record import RUN_FILE, RunRecord

BEST = Path("checkpoints") / "best.ckpt"
LAST = Path("checkpoints") / "last.ckpt"
_REQUIRED = ("config.yaml", RUN_FILE)

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class ModelFiles:
    """Where a model's weights are, and which run made them.

    Attributes:
        checkpoint: the weights.
        run_dir: the run directory; None if only a checkpoint was given.
        run_id: of the run; empty if unknown.
    """

    checkpoint: Path
    run_dir: Path | None = None
    run_id: str = ""

    @classmethod
    def find(cls, model: Path | str) -> ModelFiles:
        """Return the files of MODEL: a run directory or a checkpoint file.

        Raises:
            ModelError: there is no such model, or its run directory lacks a file; says which.
        """
        if str(model).startswith("models:"):
            raise ModelError(
                f"{model} names a model in the registry. Fetch it first: "
                f"lightning_pose.api.local_model({str(model)!r})"
            )
        path = Path(model)
        if path.is_dir():
            return _of_run_dir(path)
        if not path.exists():
            raise ModelError(
                f"There is no model {path}; expected a run directory or a checkpoint file (.ckpt)."
            )
        run_dir = path.parent.parent if path.parent.name == "checkpoints" else None
        if run_dir is None or not (run_dir / RUN_FILE).exists():
            return cls(checkpoint=path)
        return cls(checkpoint=path, run_dir=run_dir, run_id=_run_id(run_dir))

    @cached_property
    def checkpoint_sha256(self) -> str:
        """Return the hash of the weights' file, of those loaded if they were."""
        return file_sha256(self.checkpoint)

    def load(self, read: Callable[[Path], T]) -> T:
        """Return what ``read`` makes of the weights' file; the hash is of the same content.

        Raises:
            ModelError: the file was replaced meanwhile; whatever ``read`` raises.
        """
        before = _state(self.checkpoint)
        found = read(self.checkpoint)
        with contextlib.suppress(FileNotFoundError):
            if self.checkpoint_sha256 and _state(self.checkpoint) == before:
                return found
        raise ModelError(
            f"{self.checkpoint} was replaced while it was read, perhaps by its training. Try "
            "again when that has ended, or take a copy of the file."
        )


def _state(path: Path) -> tuple[int, ...]:
    found = path.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _of_run_dir(run_dir: Path) -> ModelFiles:
    missing = [name for name in _REQUIRED if not (run_dir / name).is_file()]
    if len(missing) == len(_REQUIRED) and not (run_dir / BEST).exists():
        raise ModelError(f"{run_dir} is not a run directory: it has no {missing[0]}.")
    if missing:
        raise ModelError(
            f"The run directory {run_dir} lacks {' and '.join(missing)}. To predict with the "
            f"weights alone, give {run_dir / BEST}."
        )
    if not (run_dir / BEST).is_file():
        hint = f" {run_dir / LAST} is there: give it to use it." if _has_last(run_dir) else ""
        raise ModelError(
            f"The run directory {run_dir} lacks {BEST}; did its training finish a validation?"
            f"{hint}"
        )
    return ModelFiles(checkpoint=run_dir / BEST, run_dir=run_dir, run_id=_run_id(run_dir))


def _has_last(run_dir: Path) -> bool:
    return (run_dir / LAST).is_file()


def _run_id(run_dir: Path) -> str:
    try:
        return RunRecord.read(run_dir / RUN_FILE).run_id
    except DataError as error:
        raise ModelError(str(error)) from error
