"""One process that searches: it draws trials, hands them out, and picks up what died."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from optuna.trial import FrozenTrial

from lightning_pose.contracts.search_space import Parameter
from lightning_pose.contracts.sweeps import SweepSettings
from lightning_pose.mlops.sweeps.locks import Presence, alone, is_present
from lightning_pose.mlops.sweeps.samplers import draw, make_sampler
from lightning_pose.mlops.sweeps.storage import patiently
from lightning_pose.mlops.sweeps.study import (
    FOLDER,
    WORKER,
    Signature,
    begin_study,
    counted,
    queue_again,
    running,
    wanted_trials,
)
from lightning_pose.training.run_lock import is_locked

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
        signature: ``space`` and ``settings`` as texts, which must stay the same.
        claim: makes a folder that did not exist, of that name or one like it, and returns it.

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
    ) -> None:
        self.settings = settings
        self.space = space
        self.sweep_dir = sweep_dir
        self._claim = claim
        with self._alone():
            self.study = begin_study(settings, space, sweep_dir, signature)
        self._presence = Presence(sweep_dir)

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._presence.leave()

    def next_attempts(self) -> tuple[Attempt, ...]:
        """Return up to ``n_jobs`` trials to run, none if there are enough.

        Trials whose process died are queued again first. A trial that runs on though the process
        that drew it died is waited for, so that it is picked up if it dies too.
        """
        said = False
        while True:
            with self._alone():
                self._pick_up_dead()
                trials = self.study.get_trials(deepcopy=False)
                left = wanted_trials(self.study) - len(counted(trials)) - len(running(trials))
                if left > 0:
                    return tuple(self._ask() for _ in range(min(left, self.settings.n_jobs)))
                orphans = [t.number for t in running(trials) if not self._is_cared_for(t)]
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
                for trial in running(self.study.get_trials(deepcopy=False)):
                    if trial.number in mine and not is_locked(self._folder(trial)):
                        self._queue_again(trial)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with alone(self.sweep_dir / LOCK):
            yield

    def _pick_up_dead(self) -> None:
        for trial in running(self.study.get_trials(deepcopy=False)):
            if not self._is_cared_for(trial) and not is_locked(self._folder(trial)):
                self._queue_again(trial)

    def _queue_again(self, trial: FrozenTrial) -> None:
        number = queue_again(self.study, trial, max_retries=self.settings.max_retries)
        what = "is given up" if number is None else f"goes on as trial {number}"
        _logger.warning("Trial %s ended without a result and %s.", trial.number, what)

    def _is_cared_for(self, trial: FrozenTrial) -> bool:
        """Tell whether the process that drew a trial lives; ours has none when it asks."""
        name = str(trial.user_attrs.get(WORKER, ""))
        return name != self._presence.name and is_present(self.sweep_dir, name)

    def _folder(self, trial: FrozenTrial) -> Path:
        return self.sweep_dir / str(trial.user_attrs.get(FOLDER, f".none-{trial.number}"))

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
        overrides = tuple(f"{key}={value}" for key, value in values.items())
        return Attempt(number=trial.number, folder=str(folder), overrides=overrides)
