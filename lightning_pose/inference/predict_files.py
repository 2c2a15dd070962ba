"""Predicting what the user named and writing the files, several things at a time."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from itertools import chain
from pathlib import Path
from queue import SimpleQueue

import torch

from lightning_pose.contracts.errors import LitposeError
from lightning_pose.contracts.file_locks import times_left
from lightning_pose.contracts.files import real_path
from lightning_pose.inference.engine import Task, predict_sessions
from lightning_pose.inference.failures import failure_of
from lightning_pose.inference.inputs import Input, by_view
from lightning_pose.inference.model import Model
from lightning_pose.inference.outcome import Outcome
from lightning_pose.inference.outputs import OutputSettings, ResultFiles, unique_stems
from lightning_pose.inference.products import owners_of
from lightning_pose.inference.progress import Progress
from lightning_pose.inference.result_job import ResultJob
from lightning_pose.inference.session import PredictSettings, Session
from lightning_pose.inference.shard import Shard

_CORES_A_WRITER, _MOST_WRITERS = 4, 4  # the others are the decoder's and the network's
_DEADLY = 2  # processes that ended at an input, before it is left for the end
_logger = logging.getLogger(__name__)

OnStart = Callable[[tuple[Input, ...]], None]
OnSessionProgress = Callable[[tuple[Input, ...], Progress], None]


def predict_files(
    model: Model,
    inputs: Sequence[Input],
    *,
    out: Path,
    outputs: OutputSettings | None = None,
    settings: PredictSettings | None = None,
    shard: Shard | None = None,
    on_start: OnStart | None = None,
    on_progress: OnSessionProgress | None = None,
) -> Iterator[Outcome]:
    """Predict every input and write its files into ``out``; yield what became of each.

    They are yielded as they are finished. One that fails, or lacks a view, does not keep the
    others from being predicted; one that another process is at work on is left to it. Files are
    written by threads of their own while the next inputs are predicted. Rows are kept in a hidden
    file until all files are written: a later call goes on where this one was stopped or killed.
    What two processes in a row ended at without a word comes after all others.

    Args:
        model: the model.
        inputs: see :func:`~lightning_pose.inference.inputs.expand_inputs`.
        out: folder of the results.
        outputs: which files are wanted; the predictions as csv if not given.
        settings: how the inputs are read.
        shard: the share of the inputs to predict; None = all. Those that make no session are told
            of in the first.
        on_start: is told of each session as it begins; by any thread. What it raises is what the
            session failed at, if it was to be predicted.
        on_progress: is told how far each session is; by any thread.
    """
    sessions, unusable = by_view(inputs, model.view_names)
    if shard is None or shard.number == 1:
        for items, reason in unusable.items():
            _told(on_start, items)
            yield Outcome(inputs=items, failed=reason)
    stems = iter(unique_stems([item.path for session in sessions for item in session]))
    files = [tuple(ResultFiles(out, next(stems)) for _ in items) for items in sessions]
    chosen = range(len(sessions)) if shard is None else sorted(shard.members(sessions))
    sources = frozenset(real_path(item.path) for item in inputs)
    outputs = outputs or OutputSettings()
    owners = owners_of(zip(chain(*files), chain(*sessions), strict=True), outputs)
    for numbers in _in_turn(chosen, [places[0] for places in files]):
        stop = threading.Event()
        jobs = [
            ResultJob(
                model=model,
                session=Session(sessions[number], settings or PredictSettings()),
                files=files[number],
                outputs=outputs,
                on_progress=partial(on_progress, sessions[number]) if on_progress else None,
                stop=stop,
                sources=sources,
                owners=owners,
            )
            for number in numbers
        ]
        batch = _Batch(model, jobs, stop, on_start=on_start, on_progress=on_progress)
        yield from batch.run()


def _in_turn(numbers: Sequence[int], files: Sequence[ResultFiles]) -> Iterator[list[int]]:
    """Yield sessions to be predicted together: most at once, then each of the others on its own.

    The others are those at which processes ended that could not say why: at a video, perhaps, at
    which a decoder breaks its process down. So it costs no other video.

    Args:
        numbers: of the sessions.
        files: of every session, those of its first view.
    """
    left = {number: times_left(files[number].claim) for number in numbers}
    yield [number for number in numbers if left[number] < _DEADLY]
    alone = [number for number in numbers if left[number] >= _DEADLY]
    # Each time another one comes first.
    for number in sorted(alone, key=lambda number: _taken_at(files[number].claim)):
        _logger.warning(
            "%d processes ended without a word while they were at %s, so it is predicted on its "
            "own, after the others. If this one ends too, leave it out, or predict it by itself "
            "with --reader pyav.",
            left[number],
            files[number].stem,
        )
        yield [number]


def _told(on_start: OnStart | None, items: tuple[Input, ...]) -> LitposeError | None:
    """Tell of a session that begins; return what was met at that."""
    try:
        if on_start is not None:
            on_start(items)
    except Exception as error:  # told of with its outcome
        return failure_of(error)
    return None


def _taken_at(claim: Path) -> float:
    """Return when a claim was taken for the last time; 0 if it is not there any more."""
    try:
        return claim.stat().st_mtime
    except FileNotFoundError:
        return 0.0


class _Batch:
    """Sessions on their way through the engine and the writers.

    Args:
        model: the model.
        jobs: one a session.
        stop: is set when the batch ends, however it does.
        on_start: is told of each session as it begins.
        on_progress: is told how far each is.
    """

    def __init__(
        self,
        model: Model,
        jobs: Sequence[ResultJob],
        stop: threading.Event,
        *,
        on_start: OnStart | None,
        on_progress: OnSessionProgress | None,
    ) -> None:
        self.model = model
        self.jobs = jobs
        self._stop = stop
        self._on_start = on_start
        self._on_progress = on_progress
        # With what became of it, where nothing is to be done.
        self._running: dict[Session, tuple[ResultJob, Outcome | None]] = {}
        self._ended: SimpleQueue[Future[Outcome]] = SimpleQueue()
        writers = max(1, min(_MOST_WRITERS, torch.get_num_threads() // _CORES_A_WRITER))
        self._writers = ThreadPoolExecutor(writers, "litpose-write")
        self._room = threading.Semaphore(2 * writers + 2)

    def run(self) -> Generator[Outcome]:
        """Yield what became of each session as it is finished."""
        engine = predict_sessions(self.model, self._tasks(), on_progress=self._tell)
        told = 0
        try:
            with closing(engine), self._stopping_on_error():
                for task, predicted in engine:
                    job, ended = self._running.pop(task.session)
                    if ended is None:
                        self._write(job, predicted)
                    else:
                        yield ended
                        told += 1
                    while not self._ended.empty():
                        yield self._ended.get().result()
                        told += 1
            while told < len(self.jobs):
                yield self._ended.get().result()
                told += 1
        finally:
            self._stop.set()
            self._writers.shutdown(cancel_futures=True)
            for job in self.jobs:
                job.close()

    def _tasks(self) -> Iterator[Task]:
        """Yield every job, with a store if it is to be predicted; in a thread of the engine."""
        for job in self.jobs:
            if self._stop.is_set():
                return
            ended = job.begin()
            # Now that it is claimed, as a video that is looked at may break the process down.
            error = _told(self._on_start, job.session.inputs)
            if error is not None and ended is None:
                ended = job.finish(Outcome(inputs=job.session.inputs, failed=error))
            self._running[job.session] = (job, ended)
            there = ended is not None or job.rows is not None
            yield Task(session=job.session, store=None if there else job.store)

    @contextmanager
    def _stopping_on_error(self) -> Iterator[None]:
        """Let writers give up before the engine is closed, which may wait for them."""
        try:
            yield
        except BaseException:
            self._stop.set()
            raise

    def _write(self, job: ResultJob, predicted: Outcome | None) -> None:
        """Let a writer finish the session; wait while too many are being finished."""
        self._room.acquire()
        self._writers.submit(job.finish, predicted).add_done_callback(self._take_back)

    def _take_back(self, written: Future[Outcome]) -> None:
        self._room.release()
        self._ended.put(written)

    def _tell(self, session: Session, progress: Progress) -> None:
        if self._on_progress is not None:
            self._on_progress(session.inputs, progress)
