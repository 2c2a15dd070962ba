"""Where a training that is carried on starts, and whether it can be carried on at all."""

from __future__ import annotations

import dataclasses
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from lightning_pose.config.schema import TrainingConfig
from lightning_pose.contracts.errors import ModelError, TrainingError
from lightning_pose.contracts.files import write_atomically
from lightning_pose.contracts.model_spec import ModelSpec
from lightning_pose.models.base import BaseSupervisedTracker
from lightning_pose.models.build import loss_names
from lightning_pose.ops.processes import process_rank
from lightning_pose.training.checkpoint_files import BEST, LAST, LOSS_NAMES
from lightning_pose.training.stages import Patience


@dataclass(frozen=True, kw_only=True)
class Start:
    """Where a training starts; without ``last`` it is a new one.

    Attributes:
        last: the state to take up.
        step: its step; 0 where a run was killed before the first state, None in a new run.
        notes: sentences for the user.
    """

    last: Path | None = None
    step: int | None = None
    notes: tuple[str, ...] = ()


def starting_point(
    resume_from: Path | None,
    tracker: BaseSupervisedTracker,
    settings: TrainingConfig,
) -> Start:
    """Return where the training starts; nothing is written.

    Args:
        resume_from: run directory or last.ckpt to carry on; None = a new training.
        tracker: what is to be trained, its losses fitted.
        settings: the section ``training`` of the configuration.

    Raises:
        TrainingError: it cannot be carried on.
    """
    if resume_from is None:
        return Start()
    last = find_last(resume_from)
    if last is None:
        return Start(step=0)
    content = read_for_resuming(last, tracker)
    done, step = int(content["epoch"]) + 1, int(content["global_step"])
    if settings.max_epochs is not None and done > settings.max_epochs:
        raise TrainingError(
            f"{last} has trained {done} epochs, more than training.max_epochs "
            f"{settings.max_epochs}. Raise max_epochs to train on."
        )
    if not last.with_name(BEST).is_file():
        raise TrainingError(
            f"{last.parent} has no {BEST}, the best weights so far. Bring it back, or start a new "
            f"training from the last ones: model.checkpoint={last}"
        )
    is_done = done == settings.max_epochs or (settings.max_steps or step + 1) <= step
    has_stopped = content["callbacks"].get(Patience.__name__, {}).get("has_stopped", False)
    ended = "" if is_done else ", then early stopping ended it"
    note = f"Nothing is left to train: {done} epochs ({step} steps) are done{ended}."
    nothing_left = is_done or (has_stopped and settings.early_stopping)
    return Start(last=last, step=step, notes=(note,) if nothing_left else ())


def bring_best(start: Start, folder: Path) -> None:
    """Copy best.ckpt from another run's checkpoints, so that a training resumed here has it.

    Of several processes the first one does.
    """
    source = folder if start.last is None else start.last.parent
    if process_rank() == 0 and source != folder and not (folder / BEST).exists():
        write_atomically(
            folder / BEST, lambda temporary: shutil.copyfile(source / BEST, temporary)
        )


def find_last(path: Path) -> Path | None:
    """Return the ``last.ckpt`` to resume from, None if the training was killed before the first.

    Args:
        path: a run directory or the checkpoint itself.

    Raises:
        TrainingError: there is no such file or folder.
    """
    path = Path(path)
    if path.is_file():
        return path
    if not path.is_dir():
        raise TrainingError(
            f"{path} cannot be resumed: there is no such run directory. Give the one that the "
            "interrupted training printed."
        )
    last = path / "checkpoints" / LAST
    return last if last.is_file() else None


def read_for_resuming(path: Path, tracker: BaseSupervisedTracker) -> dict[str, Any]:
    """Return the whole state of a training, checked to be one of this very model and its losses.

    Tensors stay in the file until they are used.

    Raises:
        TrainingError: the file is no such state, or of another model.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        saved = ModelSpec.from_json(content["litpose"])
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, TypeError, ModelError) as error:
        raise TrainingError(
            f"{path} cannot be resumed from: it is damaged or not a last.ckpt of this program."
        ) from error
    if "optimizer_states" not in content:
        raise TrainingError(
            f"{path} holds weights only, which cannot be resumed. Give the last.ckpt beside it, "
            "or start a new training from these weights with model.checkpoint."
        )
    spec = ModelSpec.from_json(tracker.spec.to_json())  # with lists where JSON has no tuples
    differing = [
        f"{name} is {getattr(saved, name)!r} there and {getattr(spec, name)!r} here"
        for name in (field.name for field in dataclasses.fields(spec))
        if name != "version" and getattr(saved, name) != getattr(spec, name)
    ]
    there, here = content.get(LOSS_NAMES, []), loss_names(tracker)
    if sorted(there) != sorted(here):
        differing.append(f"its losses are {', '.join(there)} there and {', '.join(here)} here")
    if differing:
        raise TrainingError(
            f"{path} cannot be carried on: {'; '.join(differing)}. Resume with the configuration "
            "of that run, or start a new training."
        )
    return content
