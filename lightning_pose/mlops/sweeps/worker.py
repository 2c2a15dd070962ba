"""One process that searches: it draws trials, hands them out, and picks up what died."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from optuna.trial import FrozenTrial

from lightning_pose.contracts.errors import TrainingError
from lightning_pose.contracts.search_space import Parameter
from lightning_pose.contracts.sweeps import SEED_KEY, SweepSettings
from lightning_pose.mlops.sweeps.locks import Presence, alone, anyone_else, is_present
from lightning_pose.mlops.sweeps.samplers import draw, make_sampler
from lightning_pose.mlops.sweeps.storage import patiently
from lightning_pose.mlops.sweeps.study import (
    FOLDER,
    SEED,
    WORKER,
    Signature,
    begin_study,
    counted,
    fail,
    queue_again,
    queue_repeats,
    running,
    wanted_trials,
)
from lightning_pose.mlops.sweeps.sweep_run import SweepRun
from lightning_pose.training.run_lock import is_locked, locked

POLL_S = 2.0
LOCK = ".sweep.lock"
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """A trial that is to be run now.

    Attributes:
        number: of the trial.
        folder: its run directory, in the folder of the sweep.
        overrides: its values.
    """

    number: int
    folder: str
    overrides: tuple[str, ...]


class Worker:
    """Draws trials of a sweep until there are enough; several processes may do so at once.

    Args:
        settings: of the sweep.
        space: what is searched.
        sweep_dir: the folder of the sweep, which all workers see.
        signature: ``space`` and ``settings``, key -> text, which must stay the same.
        claim: makes a folder that did not exist, of that name or one like it, and returns it.
        record: the sweep's run in the tracking store; None = it is not tracked.

    Raises:
        ConfigError: the study cannot be opened, or was begun with other settings.
        WriteError: the folder cannot be written.
    """

    def __init__(
        self,
        settings: SweepSettings,
        space: Sequence[Parameter],
        sweep_dir: Path,
        signature: Signature,
        *,
        claim: Callable[[Path], Path],
        record: SweepRun | None = None,
    ) -> None:
        self.settings = settings
        self.space = space
        self.sweep_dir = sweep_dir
        self._claim = claim
        self._record = record
        with self._alone():  # others, who ask who is there, do so alone too
            self._presence = Presence(sweep_dir)
        try:
            with self._alone():
                self.study = begin_study(settings, space, sweep_dir, signature)
                if record is not None:
                    record.begin(self.study, sweep_dir)
        except BaseException:
            self._presence.leave()
            raise

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            with (
                self._alone()
            ):  # left before another one asks who is there: the last closes the run
                if self._record is not None:
                    self._record.end(self.study, self.sweep_dir, status=self._status())
                self._presence.leave()
        finally:
            self._presence.leave()

    @property
    def name(self) -> str:
        """Return the name by which others can tell whether this process lives."""
        return self._presence.name

    @property
    def record_id(self) -> str:
        """Return the id of the sweep's run in the tracking store, empty if it has none."""
        return self._record.run_id if self._record is not None else ""

    def next_attempts(self) -> tuple[Attempt, ...]:
        """Return up to ``n_jobs`` trials to run, none if there are enough.

        Trials whose process died are queued again first. A trial that runs on though the process
        that drew it died is waited for, so that it is picked up if it dies too.
        """
        said = False
        while True:
            with self._alone():
                self._pick_up_dead()
                if self._left() <= 0 and self.settings.repeat_best:
                    queue_repeats(self.study, number=self.settings.repeat_best)
                left = self._left()
                if left > 0:
                    return tuple(self._ask() for _ in range(min(left, self.settings.n_jobs)))
                orphans = [t.number for t in self._running() if not self._is_cared_for(t)]
            if not orphans:
                return ()
            if not said:
                _logger.warning("Trial %s runs on without its sweep; waiting for it.", orphans[0])
                said = True
            time.sleep(POLL_S)

    @contextmanager
    def running(self, attempts: Sequence[Attempt]) -> Iterator[None]:
        """Queue trials again that the launcher left without an end, also when it is interrupted.

        What a launcher raises because a job died is said, and the sweep goes on.
        """
        try:
            yield
        except Exception as error:  # whatever a launcher raises about a dead job
            _logger.warning("A trial was lost: %s: %s", type(error).__name__, error)
        finally:
            mine = {attempt.number for attempt in attempts}
            with self._alone():
                self._queue_dead([trial for trial in self._running() if trial.number in mine])
                self._note()

    def failed(self, number: int, reason: str) -> None:
        """Record that a trial could not even begin: its configuration is wrong, for instance."""
        if any(trial.number == number for trial in self._running()):
            _logger.warning("Trial %s failed: %s", number, reason)
            fail(self.study, number, reason=reason)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with alone(self.sweep_dir / LOCK):
            yield

    def _running(self) -> list[FrozenTrial]:
        return running(self.study.get_trials(deepcopy=False))

    def _left(self) -> int:
        """Return how many trials are neither over nor at work."""
        trials = self.study.get_trials(deepcopy=False)
        return wanted_trials(self.study) - len(counted(trials)) - len(running(trials))

    def _status(self) -> str | None:
        """Return what the sweep's run has come to; None while others work on it."""
        if anyone_else(self.sweep_dir, self._presence.name):
            return None
        over = self._left() <= 0 and not self._running()
        return "FINISHED" if over else "KILLED"

    def _note(self) -> None:
        if self._record is not None:
            self._record.update(self.study, self.sweep_dir)

    def _pick_up_dead(self) -> None:
        if self._queue_dead([t for t in self._running() if not self._is_cared_for(t)]):
            self._note()

    def _queue_dead(self, trials: Sequence[FrozenTrial]) -> bool:
        """Queue those again that nobody trains; tell whether there was one.

        Each run directory is held meanwhile: a job that comes late finds it taken and leaves.
        """
        found = False
        for trial in trials:
            folder = self._folder(trial)
            if folder is not None and is_locked(folder):
                continue
            try:
                with nullcontext() if folder is None else locked(folder):
                    self._queue_again(trial)
                    found = True
            except TrainingError:  # it began this very moment
                continue
        return found

    def _queue_again(self, trial: FrozenTrial) -> None:
        number = queue_again(self.study, trial, max_retries=self.settings.max_retries)
        what = "is given up" if number is None else f"goes on as trial {number}"
        _logger.warning("Trial %s ended without a result and %s.", trial.number, what)

    def _is_cared_for(self, trial: FrozenTrial) -> bool:
        """Tell whether the process that drew a trial lives; ours has none when it asks."""
        name = str(trial.user_attrs.get(WORKER, ""))
        return name != self._presence.name and is_present(self.sweep_dir, name)

    def _folder(self, trial: FrozenTrial) -> Path | None:
        """Return the run directory of a trial; None if its process died before it made one."""
        name = trial.user_attrs.get(FOLDER)
        return None if name is None else self.sweep_dir / str(name)

    def _ask(self) -> Attempt:
        number = len(self.study.get_trials(deepcopy=False))
        self.study.sampler = make_sampler(self.settings, number=number)
        trial = patiently(self.study.ask)
        trial.set_user_attr(WORKER, self._presence.name)
        values = draw(trial, self.space)
        folder = trial.user_attrs.get(FOLDER)
        if folder is None:
            folder = self._claim(self.sweep_dir / str(trial.number)).name
            trial.set_user_attr(FOLDER, folder)
        overrides = [f"{key}={value}" for key, value in values.items()]
        if SEED in trial.user_attrs:
            overrides.append(f"{SEED_KEY}={trial.user_attrs[SEED]}")
        return Attempt(number=trial.number, folder=str(folder), overrides=tuple(overrides))
