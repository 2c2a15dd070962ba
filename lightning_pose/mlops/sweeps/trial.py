"""A trial, from the side of its training: what it reports, whether it goes on, how it ended."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import optuna
from optuna.samplers import RandomSampler
from optuna.trial import FrozenTrial, TrialState

from lightning_pose.contracts.errors import TrainingError
from lightning_pose.contracts.sweeps import TrialPlace
from lightning_pose.mlops.sweeps.samplers import make_pruner
from lightning_pose.mlops.sweeps.storage import open_storage, patiently
from lightning_pose.mlops.sweeps.study import (
    DEVICE,
    PROGRESS,
    REPEAT_OF,
    RETRY_OF,
    SECONDS,
    fail,
    set_attr,
)

_logger = logging.getLogger(__name__)


class RunningTrial:
    """A trial that is being trained in this process.

    Args:
        place: which one.
        max_epochs: of the training; the pruner hyperband shares them out.
        first_judged_epoch: epochs that must be done before it may be pruned.
        can_be_pruned: its process may end the training by itself.

    Raises:
        TrainingError: the sweep has given it up meanwhile.
    """

    def __init__(
        self,
        place: TrialPlace,
        *,
        max_epochs: int | None = None,
        first_judged_epoch: int = 0,
        can_be_pruned: bool = True,
    ) -> None:
        settings = replace(place.settings, max_epochs=place.settings.max_epochs or max_epochs)
        self.number = place.number
        self.study = optuna.load_study(
            study_name=settings.study_name,
            storage=open_storage(settings.storage),
            sampler=RandomSampler(),
            pruner=make_pruner(settings),
        )
        frozen = self._frozen()
        if frozen.state != TrialState.RUNNING:
            raise TrainingError(
                f"Trial {self.number} is not to be run: the sweep has it as {frozen.state.name}."
            )
        self.first_judged_epoch = first_judged_epoch
        self._has_one_objective = len(settings.objective) == 1
        self.can_be_pruned = can_be_pruned and REPEAT_OF not in frozen.user_attrs
        self._trial = optuna.Trial(self.study, frozen._trial_id)
        self._started = time.monotonic()

    @property
    def params(self) -> dict[str, Any]:
        """Return the swept keys with the values drawn for them."""
        return dict(self._frozen().params)

    def note_device(self, name: str, *, number: int) -> None:
        """Note what the trial runs on, and on how many of it."""
        set_attr(self.study, self.number, DEVICE, {"name": name, "number": number})

    def report(self, epochs_done: int, error_px: float) -> bool:
        """Take down the error of a validation; return whether the training is to end.

        A store that fails costs the report, never the training.
        """
        try:
            return patiently(lambda: self._report(epochs_done, error_px))
        except Exception as error:  # whatever a store or its drivers raise
            _logger.warning("The store of the sweep does not answer (%s).", error)
            return False

    def complete(self, values: Sequence[float]) -> None:
        """Tell what the trial came to."""
        self._note_seconds()
        if all(map(math.isfinite, values)):
            patiently(self._catch_up)
            patiently(lambda: self.study.tell(self.number, list(values), skip_if_finished=True))
        else:
            self.failed("its validation error is not a number")

    def pruned(self) -> None:
        """Tell that the trial was ended early, having no prospect."""
        self._note_seconds()
        state = TrialState.PRUNED
        patiently(lambda: self.study.tell(self.number, state=state, skip_if_finished=True))

    def failed(self, reason: str) -> None:
        """Tell that the trial failed, and why."""
        self._note_seconds()
        fail(self.study, self.number, reason=reason)

    def _report(self, epochs_done: int, error_px: float) -> bool:
        set_attr(self.study, self.number, PROGRESS, epochs_done)
        self._note_seconds()
        if not self._has_one_objective:  # Optuna takes no curves of several
            return False
        known = self._frozen().intermediate_values
        if not known:
            known = self._take_over(epochs_done)
        if epochs_done not in known and math.isfinite(error_px):
            self._trial.report(error_px, epochs_done)
        may_be_judged = self.can_be_pruned and epochs_done > self.first_judged_epoch
        return may_be_judged and bool(self._trial.should_prune())

    def _catch_up(self) -> None:
        """Take over the whole curve, and the epochs, if there was nothing left to train."""
        if PROGRESS in self._frozen().user_attrs:
            return
        for earlier in self._attempts_before():
            if PROGRESS in earlier.user_attrs:
                epochs = int(earlier.user_attrs[PROGRESS])
                self._take_over(epochs + 1)
                set_attr(self.study, self.number, PROGRESS, epochs)
                return

    def _take_over(self, epochs_done: int) -> dict[int, float]:
        """Bring the reports of the attempt that this one carries on, up to where it does."""
        curves = (trial.intermediate_values for trial in self._attempts_before())
        earlier = next((curve for curve in curves if curve), {})
        taken = {epoch: value for epoch, value in earlier.items() if epoch < epochs_done}
        for epoch, value in taken.items():
            self._trial.report(value, epoch)
        return taken

    def _attempts_before(self) -> Iterator[FrozenTrial]:
        """Yield the attempts that this one carries on, the last one first."""
        trials = self.study.get_trials(deepcopy=False)
        before = trials[self.number].user_attrs.get(RETRY_OF)
        while before is not None:
            yield trials[before]
            before = trials[before].user_attrs.get(RETRY_OF)

    def _note_seconds(self) -> None:
        seconds = round(time.monotonic() - self._started, 2)
        set_attr(self.study, self.number, SECONDS, seconds)

    def _frozen(self) -> FrozenTrial:
        return self.study.get_trials(deepcopy=False)[self.number]
