"""Predicting sessions, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from functools import partial

import numpy as np

from lightning_pose.contracts.errors import LitposeError
from lightning_pose.inference.model import Model
from lightning_pose.inference.progress import Progress
from lightning_pose.inference.row_store import RowStore
from lightning_pose.inference.session import Session

_SEGMENT = 1000


@dataclass(frozen=True, kw_only=True)
class Task:
    """A session to predict, and where its rows go."""

    session: Session
    store: RowStore


@dataclass(frozen=True, kw_only=True)
class Done:
    """What became of a task.

    Attributes:
        task: the task.
        num_frames: of the session.
        problems: what was wrong with the source, one sentence each.
        seconds: predicting took.
        waited_s: of these, spent waiting for the decoder.
        failed: why not all rows are there.
    """

    task: Task
    num_frames: int
    problems: tuple[str, ...]
    seconds: float
    waited_s: float
    failed: LitposeError | None = None


def predict_sessions(
    model: Model,
    tasks: Iterable[Task],
    *,
    on_progress: Callable[[Session, Progress], None] | None = None,
) -> Generator[Done]:
    """Predict the sessions; yield each when its rows are in its store.

    Args:
        model: the model.
        tasks: are pulled as they are needed.
        on_progress: is told how far each session is.
    """
    for task in tasks:
        try:
            yield _predicted(model, task, on_progress)
        except LitposeError as error:
            yield Done(
                task=task, num_frames=0, problems=(), seconds=0.0, waited_s=0.0, failed=error
            )


def _predicted(
    model: Model, task: Task, on_progress: Callable[[Session, Progress], None] | None
) -> Done:
    listener = partial(on_progress, task.session) if on_progress else None
    found = task.session.predict(model, on_progress=listener)
    frame_ids = found.predictions[0].frame_ids
    xy_img = np.concatenate([view.xy_img for view in found.predictions], axis=1)
    confidence = np.concatenate([view.confidence for view in found.predictions], axis=1)
    for start in range(0, len(frame_ids), _SEGMENT):
        rows = slice(start, start + _SEGMENT)
        if not task.store.has(start, min(start + _SEGMENT, len(frame_ids))):
            task.store.add(frame_ids[rows], xy_img[rows], confidence[rows])
    return Done(
        task=task,
        num_frames=len(frame_ids),
        problems=found.problems,
        seconds=found.seconds,
        waited_s=found.waited_s,
    )
