"""Which swept settings made the difference between good and bad trials."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import optuna
from optuna.importance import PedAnovaImportanceEvaluator
from optuna.trial import FrozenTrial, TrialState

FEWEST_TRIALS = 8
FEWEST_BEST = 3
BEST_SHARE = 0.25


def importance_of(trials: Sequence[FrozenTrial]) -> dict[str, float]:
    """Return swept key -> share, 0..1, the largest first; empty if there are too few trials.

    How much the best quarter of the trials differs in a setting from all of them (PED-ANOVA;
    arXiv:2304.10255, and arXiv:2601.20800 for settings that only some trials have). Pruned trials
    count with their last error, or only those that pruning left would be compared.
    """
    judged = [(trial, error) for trial in trials if (error := _error(trial)) is not None]
    if len(judged) < FEWEST_TRIALS or len({error for _, error in judged}) < 2:
        return {}
    study = optuna.create_study()
    for trial, error in judged:
        study.add_trial(
            optuna.trial.create_trial(
                params=trial.params, distributions=trial.distributions, value=error
            )
        )
    quantile = max(BEST_SHARE, FEWEST_BEST / len(judged))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = optuna.importance.get_param_importances(
                study, evaluator=PedAnovaImportanceEvaluator(target_quantile=quantile)
            )
        except (ValueError, RuntimeError, ZeroDivisionError):  # of settings too seldom drawn
            return {}
    return {key: float(share) for key, share in found.items() if math.isfinite(share)}


def _error(trial: FrozenTrial) -> float | None:
    if trial.state == TrialState.COMPLETE:
        return float(trial.values[0])
    if trial.state == TrialState.PRUNED and trial.intermediate_values:
        return trial.intermediate_values[max(trial.intermediate_values)]
    return None
