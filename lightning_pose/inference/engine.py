"""Predicting sessions, several at a time where that keeps the machine busy."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from lightning_pose.contracts.errors import LitposeError
from lightning_pose.inference.inputs import Kind
from lightning_pose.inference.model import Model
from lightning_pose.inference.pipeline import progress_of
from lightning_pose.inference.progress import Progress
from lightning_pose.inference.row_store import RowStore
from lightning_pose.inference.session import Session
from lightning_pose.inference.work import Work


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
        seconds: from its first frame to its last.
        waited_s: of these, spent waiting for the decoder.
        failed: why not all rows are there.
    """

    task: Task
    num_frames: int = 0
    problems: tuple[str, ...] = ()
    seconds: float = 0.0
    waited_s: float = 0.0
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
        tasks: are pulled as they are needed, from a thread that decodes.
        on_progress: is told how far each session is.
    """
    queue = _Opening(model, tasks)

    def tell(work: Work, progress: Progress) -> None:
        if on_progress is not None:
            on_progress(queue.task_of[work].session, progress)

    for work in model.pipeline().run(queue.works(), tell):
        yield from queue.aside()
        task = queue.task_of.pop(work)
        if work.failed is not None:
            yield Done(task=task, failed=work.failed)
            continue
        progress = progress_of(work)
        yield Done(
            task=task,
            num_frames=work.store.num_rows,
            problems=work.problems(),
            seconds=progress.seconds,
            waited_s=progress.waited_s,
        )
    yield from queue.aside()


class _Opening:
    """Opens the videos of tasks as they are asked for; what needs no decoder is put aside."""

    def __init__(self, model: Model, tasks: Iterable[Task]) -> None:
        self.task_of: dict[Work, Task] = {}
        self._model = model
        self._tasks = tasks
        self._labels: deque[Task] = deque()
        self._failed: deque[Done] = deque()

    def works(self) -> Iterator[Work]:
        """Yield the work of each video that can be opened."""
        for task in self._tasks:
            if task.session.kind is Kind.LABELS:
                self._labels.append(task)
                continue
            try:
                work = self._model.work(task.session.open(self._model), task.store)
            except LitposeError as error:
                self._failed.append(Done(task=task, failed=error))
                continue
            self.task_of[work] = task
            yield work

    def aside(self) -> Generator[Done]:
        """Yield what was put aside: videos that cannot be opened, and label files, predicted."""
        while self._failed:
            yield self._failed.popleft()
        while self._labels:
            yield _labels_predicted(self._model, self._labels.popleft())


def _labels_predicted(model: Model, task: Task) -> Done:
    before = time.perf_counter()
    try:
        found = task.session.predict_labels(model)
        task.store.clear()
        task.store.add(
            np.arange(len(found[0]), dtype=np.int64),
            np.concatenate([view.xy_img for view in found], axis=1).astype(np.float32),
            np.concatenate([view.confidence for view in found], axis=1).astype(np.float32),
        )
    except LitposeError as error:
        return Done(task=task, failed=error)
    return Done(task=task, num_frames=len(found[0]), seconds=time.perf_counter() - before)
