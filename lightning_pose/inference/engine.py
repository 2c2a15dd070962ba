"""Predicting sessions, several at a time where that keeps the machine busy."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from lightning_pose.data.wording import listed
from lightning_pose.inference.failures import failure_of
from lightning_pose.inference.inputs import Kind
from lightning_pose.inference.model import Model
from lightning_pose.inference.outcome import Outcome
from lightning_pose.inference.pipeline import progress_of
from lightning_pose.inference.progress import Progress
from lightning_pose.inference.row_store import RowStore
from lightning_pose.inference.session import Session
from lightning_pose.inference.work import Work

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Task:
    """A session on its way through the engine.

    Attributes:
        session: what to predict.
        store: where its rows go; None = nothing is to be predicted, it only comes in its turn.
    """

    session: Session
    store: RowStore | None


Predicted = tuple[Task, Outcome | None]


def predict_sessions(
    model: Model,
    tasks: Iterable[Task],
    *,
    on_progress: Callable[[Session, Progress], None] | None = None,
) -> Generator[Predicted]:
    """Predict the sessions; yield each when its rows are in its store, with what became of it.

    Those without a store come with None. Only a few tasks are at work, or have ended and are not
    yet yielded, at a time.

    Args:
        model: the model.
        tasks: are pulled as they are needed, from a thread that decodes.
        on_progress: is told how far each session is.
    """
    task_of: dict[Work, Task] = {}

    def tell(work: Work, progress: Progress) -> None:
        if on_progress is not None:
            on_progress(task_of[work].session, progress)

    for found in model.pipeline().run(_opened(model, tasks, task_of), tell):
        if isinstance(found, Work):
            task = task_of.pop(found)
            yield task, _outcome_of(found, task.session)
            continue
        task, outcome = found
        if task.store is not None and task.session.kind is Kind.LABELS:
            outcome = _labels_predicted(model, task.session, task.store)
        yield task, outcome


def _opened(
    model: Model, tasks: Iterable[Task], task_of: dict[Work, Task]
) -> Iterator[Work | Predicted]:
    """Yield the work of each video that can be opened, and the tasks that need no decoder."""
    for task in tasks:
        if task.store is None or task.session.kind is Kind.LABELS:
            yield task, None
            continue
        try:
            work = model.work(task.session.open(model), task.store)
        except Exception as error:  # told of with its outcome
            yield task, Outcome(inputs=task.session.inputs, failed=failure_of(error))
            continue
        task_of[work] = task
        yield work


def _outcome_of(work: Work, session: Session) -> Outcome:
    if work.failed is not None:
        return Outcome(inputs=session.inputs, failed=work.failed)
    progress, problems = progress_of(work), work.problems()
    if work.setback is not None:
        _logger.warning(
            "%s was read a second time, from beginning to end, which takes longer: %s",
            listed([item.path.name for item in session.inputs]),
            work.setback,
        )
    return Outcome(
        inputs=session.inputs,
        num_frames=work.store.num_rows,
        num_predicted=work.store.num_rows - work.kept,
        problems=problems,
        seconds=progress.seconds,
        waited_s=progress.waited_s,
    )


def _labels_predicted(model: Model, session: Session, store: RowStore) -> Outcome:
    before = time.perf_counter()
    try:
        found = session.predict_labels(model)
        store.clear()
        store.add(
            np.arange(len(found[0]), dtype=np.int64),
            np.concatenate([view.xy_img for view in found], axis=1).astype(np.float32),
            np.concatenate([view.confidence for view in found], axis=1).astype(np.float32),
        )
    except Exception as error:  # told of with its outcome
        return Outcome(inputs=session.inputs, failed=failure_of(error))
    return Outcome(
        inputs=session.inputs,
        num_frames=store.num_rows,
        num_predicted=store.num_rows,
        seconds=time.perf_counter() - before,
    )
