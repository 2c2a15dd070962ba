"""The study of a sweep: opened or begun, counted, and freed of trials whose process died."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from lightning_pose.contracts.errors import ConfigError
from lightning_pose.contracts.files import write_text
from lightning_pose.contracts.passwords import without_passwords
from lightning_pose.contracts.search_space import Choice, Parameter
from lightning_pose.contracts.sweeps import SAMPLERS, SQLITE, SweepSettings
from lightning_pose.mlops.sweeps.samplers import grid, make_pruner, make_sampler
from lightning_pose.mlops.sweeps.storage import open_storage, patiently

USUAL_TRIALS = 20
FIRST_SEED = 101  # of repeats; far from those that people choose
DONE = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
CARD = "sweep.json"
WORKER, FOLDER, ERROR, SECONDS, DEVICE = "worker", "run_dir", "error", "seconds", "device"
PROGRESS, REPEAT_OF, SEED = "epochs", "repeat_of", "seed"
RETRY_OF, RETRIED_AS, FRUITLESS = "retry_of", "retried_as", "died_without_progress"
SIGNATURE, SETTINGS, PLACE = "signature", "sweeper", "folder"
Signature = Mapping[str, Any]


def begin_study(
    settings: SweepSettings, space: Sequence[Parameter], sweep_dir: Path, signature: Signature
) -> optuna.Study:
    """Return the study of a sweep, made or as it was left. Hold the sweep's lock meanwhile.

    Args:
        settings: of the sweep.
        space: what is searched.
        sweep_dir: gets a card that says where the study is.
        signature: ``space`` and ``settings``, key -> text: a study is carried on with the same
            ones only; ``words`` are overrides that were given.

    Raises:
        ConfigError: it was begun with others or in another folder, or cannot be opened.
    """
    combinations = grid(space) if settings.sampler == SAMPLERS[2] else []
    make_sampler(settings, number=0)
    storage = open_storage(settings.storage)
    study = patiently(
        lambda: optuna.create_study(
            storage=storage,
            study_name=settings.study_name,
            directions=[StudyDirection.MINIMIZE] * len(settings.objective),
            pruner=make_pruner(settings),
            load_if_exists=True,
        )
    )
    _check_folder(study, settings, sweep_dir)
    _check_same(study, settings, signature)
    _check_choices(study, space)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study.set_metric_names(list(settings.objective))  # as other viewers show them
    study.set_user_attr(SIGNATURE, dict(signature))
    number = settings.n_trials or len(combinations) or USUAL_TRIALS
    study.set_user_attr(
        SETTINGS,
        {
            "n_trials": min(number, len(combinations) or number),
            "objective": list(settings.objective),
            "sampler": settings.sampler,
            "pruner": settings.pruner,
            "fixed": list(signature.get("words", ())),
        },
    )
    queued = [trial.system_attrs.get("fixed_params") for trial in study.get_trials(deepcopy=False)]
    for combination in combinations:
        if combination not in queued:
            study.enqueue_trial(combination)
    card = {"study_name": settings.study_name, "storage": settings.storage}
    write_text(sweep_dir / CARD, json.dumps(card, indent=2) + "\n")
    return study


def find_study(sweep_dir: Path) -> optuna.Study:
    """Return the study of a sweep's folder.

    Raises:
        ConfigError: it is no such folder, or its study is gone.
    """
    path = sweep_dir / CARD
    if not path.is_file():
        raise ConfigError(
            f"{sweep_dir} is no folder of a sweep: it has no {CARD}. Name the one that the sweep "
            "printed, multirun/NAME by default."
        )
    card = json.loads(path.read_text(encoding="utf-8"))
    storage = str(card["storage"])
    start = SQLITE if storage.startswith(SQLITE) else ""
    file = Path(storage.removeprefix(start))
    if (start or "://" not in storage) and not file.is_file():
        inside = sweep_dir.absolute() / file.name  # the folder was moved
        if not inside.is_file():
            raise ConfigError(f"The study of {sweep_dir} is gone: there is no {file}.")
        storage = f"{start}{inside}"
    try:
        return optuna.load_study(study_name=card["study_name"], storage=open_storage(storage))
    except KeyError as error:
        sentence = f"{storage} holds no study {card['study_name']}."
        raise ConfigError(without_passwords(sentence)) from error


def wanted_trials(study: optuna.Study) -> int:
    """Return how many trials the sweep is to have, repeats of the best one included."""
    trials = study.get_trials(deepcopy=False)
    repeats = [t for t in trials if REPEAT_OF in t.user_attrs and RETRY_OF not in t.user_attrs]
    return int(study.user_attrs[SETTINGS]["n_trials"]) + len(repeats)


def counted(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Return the trials that are over and count: all but those that were begun again."""
    return [t for t in trials if t.state in DONE and RETRIED_AS not in t.user_attrs]


def running(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Return the trials that are not known to be over."""
    return [trial for trial in trials if trial.state == TrialState.RUNNING]


def queue_again(study: optuna.Study, trial: FrozenTrial, *, max_retries: int) -> int | None:
    """Mark a trial whose process died FAIL and queue its parameters; return the new number.

    The new trial carries the folder on. One that has died too often in a row without a new
    validation is given up: None. Hold the sweep's lock meanwhile.
    """
    trials = study.get_trials(deepcopy=False)
    successor = next((t for t in trials if t.user_attrs.get(RETRY_OF) == trial.number), None)
    fruitless = 0 if PROGRESS in trial.user_attrs else trial.user_attrs.get(FRUITLESS, 0) + 1
    if successor is None and fruitless > max_retries:
        reason = f"its process died {fruitless} times without a new validation"
        fail(study, trial.number, reason=reason)
        return None
    if successor is None:
        kept = {k: trial.user_attrs[k] for k in (FOLDER, REPEAT_OF, SEED) if k in trial.user_attrs}
        study.enqueue_trial(
            trial.params, user_attrs={**kept, RETRY_OF: trial.number, FRUITLESS: fruitless}
        )
        trials = study.get_trials(deepcopy=False)
        successor = next(t for t in trials if t.user_attrs.get(RETRY_OF) == trial.number)
    set_attr(study, trial.number, RETRIED_AS, successor.number)
    study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
    return successor.number


def fail(study: optuna.Study, number: int, *, reason: str) -> None:
    """Record a trial that failed, and why."""
    set_attr(study, number, ERROR, reason[:2000])
    patiently(lambda: study.tell(number, state=TrialState.FAIL, skip_if_finished=True))


def set_attr(study: optuna.Study, number: int, key: str, value: Any) -> None:
    """Note something on a trial that is not over."""
    frozen = study.get_trials(deepcopy=False)[number]
    if frozen.state in (TrialState.RUNNING, TrialState.WAITING):
        patiently(
            lambda: study._storage.set_trial_user_attr(  # Optuna has no public way by number
                frozen._trial_id, key, value
            )
        )


def queue_repeats(study: optuna.Study, *, number: int) -> None:
    """Queue the best trial again with other seeds, once; nothing while a trial is not over.

    Args:
        study: with one objective.
        number: of repeats.
    """
    trials = study.get_trials(deepcopy=False)
    first = [t for t in trials if REPEAT_OF not in t.user_attrs]
    complete = [t for t in first if t.state == TrialState.COMPLETE]
    if not complete or any(not t.state.is_finished() for t in trials):
        return
    best = min(complete, key=lambda trial: trial.values[0])
    there = [t.user_attrs[SEED] for t in trials if t.user_attrs.get(REPEAT_OF) == best.number]
    for seed in range(FIRST_SEED, FIRST_SEED + number):
        if seed not in there:
            study.enqueue_trial(best.params, user_attrs={REPEAT_OF: best.number, SEED: seed})


def _check_folder(study: optuna.Study, settings: SweepSettings, sweep_dir: Path) -> None:
    """Refuse a study of another folder: who is alive is told by locks in the folder."""
    before = Path(study.user_attrs.get(PLACE, sweep_dir))
    if before.resolve() != sweep_dir.resolve() and (before / CARD).is_file():
        raise ConfigError(
            f"The study {settings.study_name} in {without_passwords(settings.storage)} is the one "
            f"of the sweep in {before}. Name another hydra.sweeper.study_name, or share that "
            f"sweep with hydra.sweep.dir={before}"
        )
    study.set_user_attr(PLACE, str(sweep_dir))


def _check_same(study: optuna.Study, settings: SweepSettings, signature: Signature) -> None:
    before = study.user_attrs.get(SIGNATURE)
    if before is None and study.get_trials(deepcopy=False):
        raise ConfigError(
            f"The study {settings.study_name} was not begun by litpose, so that its trials say "
            "nothing here; name another hydra.sweeper.study_name."
        )
    if before is None:
        return
    objective = study.user_attrs.get(SETTINGS, {}).get("objective", list(settings.objective))
    if list(objective) != list(settings.objective):
        raise ConfigError(
            f"The study {settings.study_name} was begun to minimise {' and '.join(objective)}; "
            "search for something else under another hydra.sweeper.study_name."
        )
    changes = [
        *_changes(before["space"], signature["space"], none="not swept"),
        *_changes(before["settings"], signature["settings"], none="not set"),
    ]
    if changes and not settings.accept_changes:
        raise ConfigError(
            f"The study {settings.study_name} was begun with other settings ({'; '.join(changes)})"
            "; name another hydra.sweeper.study_name, or go on in the same one all the same with "
            "hydra.sweeper.accept_changes=true."
        )


def _changes(old: Mapping[str, str], new: Mapping[str, str], *, none: str) -> list[str]:
    keys = [key for key in dict.fromkeys([*old, *new]) if old.get(key) != new.get(key)]
    return [f"{key} was {old.get(key, none)}" for key in keys]


def _check_choices(study: optuna.Study, space: Sequence[Parameter]) -> None:
    """Refuse other choices than before, which a study of Optuna cannot take."""
    for parameter in space:
        spaces = (
            trial.distributions.get(parameter.key) for trial in study.get_trials(deepcopy=False)
        )
        known = next((one for one in spaces if one is not None), None)
        if known is None:
            continue
        old = known.choices if isinstance(known, CategoricalDistribution) else None
        new = parameter.values.values if isinstance(parameter.values, Choice) else None
        if old != new:
            raise ConfigError(
                f"{parameter.key} = {parameter.text} cannot be searched in the study "
                f"{study.study_name}, which draws it from other choices (ranges may change, "
                "choices may not). Name another hydra.sweeper.study_name."
            )
