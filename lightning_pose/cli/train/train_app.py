"""The training command, step by step: configuration in, run directory out."""

from __future__ import annotations

import sys
from functools import partial

from lightning_pose.api import fit, fit_losses, get_dataset, get_model, get_unlabeled_video
from lightning_pose.cli.look.reporting import report_of_run
from lightning_pose.cli.terminal import ProgressLine, note, say
from lightning_pose.cli.train.after_training import evaluate_run, keep_labels, predict_run_videos
from lightning_pose.cli.train.carrying_on import check_resumable
from lightning_pose.cli.train.ranks import with_other_ranks
from lightning_pose.cli.train.recorded_run import RecordedRun
from lightning_pose.config.app import RunContext
from lightning_pose.config.cross_checks import keypoint_column_problems
from lightning_pose.config.load import write_run_config
from lightning_pose.config.problems import raise_if_any
from lightning_pose.config.schema import Config
from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.predictions import SETS
from lightning_pose.data.labeled_data import LabeledData, read_tables
from lightning_pose.data.unlabeled import UnlabeledLoader
from lightning_pose.inference.model import Model
from lightning_pose.models.base import BaseSupervisedTracker
from lightning_pose.training.device import use_gpu_of
from lightning_pose.training.progress import TrainingProgress
from lightning_pose.training.pruning import Judge
from lightning_pose.training.result import INTERRUPTED, PRUNED, FitResult
from lightning_pose.training.resuming import starting_point
from lightning_pose.training.run_lock import locked
from lightning_pose.training.unlabeled import UnlabeledVideo
from lightning_pose.training.world import ALONE, World, world_for


def train_task(config: Config, context: RunContext) -> float | None:
    """Train, evaluate, predict the videos; return the validation pixel error.

    Raises:
        TrainingError: another process trains in the run directory; nothing there was touched.
    """
    if context.trial is None:
        with locked(context.run_dir):
            return _train_task(config, context).val_pixel_error
    from lightning_pose.cli.train.sweep_trial import leave_if_orphaned, run_trial  # imports Optuna

    try:
        with locked(context.run_dir):
            return run_trial(config, context, partial(_train_task, config, context))
    finally:
        leave_if_orphaned(context)


def _train_task(config: Config, context: RunContext, judge: Judge | None = None) -> FitResult:
    run_dir, world = context.run_dir, world_for(config.training)
    use_gpu_of(world, config.training)
    if not context.resumed:
        write_run_config(config, run_dir)
    tracker, data = assemble(config)
    video = prepare_video(config, tracker, data, world)
    videos = _loader_of(video)
    learnt_from = data.fingerprint() | (videos.fingerprint() if videos is not None else {})
    if context.resumed:  # a run that cannot be carried on stays as it is
        check_resumable(run_dir, learnt_from)
        starting_point(run_dir, tracker, config.training)
        write_run_config(config, run_dir)
    keep_labels(run_dir, config, data)
    try:
        with RecordedRun(config, context, learnt_from, images=data.images) as run:
            result = train(
                config, context, tracker, data, run, video=video, world=world, judge=judge
            )
            if result.outcome == PRUNED:
                return result
            model = Model.load(run_dir)
            unscored = evaluate_run(model, run_dir, config, data, run)
            failed = predict_run_videos(model, run_dir, config, run)
            run.at_close(partial(report_of_run, run_dir, config))
    except KeyboardInterrupt as stop:
        done = f" {stop}" if str(stop) else ""
        way = (
            f"litpose train model.resume={run_dir}"
            if context.trial is None
            else "the same command"
        )
        raise KeyboardInterrupt(f"Interrupted.{done} To carry on: {way}") from stop
    say(f"run: {run_dir}")
    left = {f"litpose evaluate {run_dir} --csv": unscored, f"litpose predict {run_dir}": failed}
    _tell_left({command: names for command, names in left.items() if names}, context)
    return result


def _tell_left(left: dict[str, tuple[str, ...]], context: RunContext) -> None:
    """Say what could not be predicted; an error, unless other jobs of a multirun should go on.

    Args:
        left: the names of the files, by the command that makes good for them.
        context: of the run.

    Raises:
        DataError: the command trained one model, and is to end with exit code 1.
    """
    if not left:
        return
    names = [name for files in left.values() for name in files]
    sentence = (
        f"The model is trained, but {', '.join(names)} could not be predicted. When the reason "
        f"above is mended: {' and '.join(f'{command} FILE' for command in left)}"
    )
    if context.job is None:
        raise DataError(sentence)
    note(sentence)


def assemble(config: Config) -> tuple[BaseSupervisedTracker, LabeledData]:
    """Return the untrained tracker and its data; what the data should make one think is noted."""
    names = read_tables(config.data)[0].keypoint_names
    raise_if_any(list(keypoint_column_problems(config, len(names))))
    tracker = get_model(config, keypoint_names=names)
    with ProgressLine("decoding", unit="images") as line:
        data = get_dataset(config, spec=tracker.data_spec, on_progress=line.update)
    for warning in data.warnings:
        note(warning)
    counts = {part: data.split.sets.count(part) for part in SETS}
    parts = ", ".join(f"{number} {part}" for part, number in counts.items() if number)
    note(
        f"{len(data.tables[0])} labelled frames ({parts}), {len(names)} keypoints; "
        f"{config.model.model_type} on {config.model.backbone}."
    )
    return tracker, data


def prepare_video(
    config: Config, tracker: BaseSupervisedTracker, data: LabeledData, world: World
) -> UnlabeledVideo | None:
    """Return the unlabelled video, if the tracker is to learn from it; its losses are fitted."""
    fit_losses(tracker, data)
    video = get_unlabeled_video(config, data, rank=world.rank, world_size=world.size)
    if video is not None:
        for problem in _problems(video):
            note(problem)
        losses = ", ".join(config.model.losses_to_use)
        number = len(video.train) * world.size
        note(f"{number} sequences of unlabelled video an epoch, for {losses}.")
    return video


def train(
    config: Config,
    context: RunContext,
    tracker: BaseSupervisedTracker,
    data: LabeledData,
    run: RecordedRun,
    *,
    video: UnlabeledVideo | None = None,
    world: World = ALONE,
    judge: Judge | None = None,
) -> FitResult:
    """Fit the tracker, with progress on the terminal and curves in the tracking store.

    Of several processes this is the first; the others are started, or told, here.

    Raises:
        TrainingError: it failed; what was kept is said.
        KeyboardInterrupt: it was asked to stop (Ctrl-C, SIGTERM) and did so at once; what came
            after the last checkpoint is trained again. Hydra lets this end a multirun too, where
            an error would not.
    """
    images, known = data.tables[0].images, _problems(video)
    with with_other_ranks(world, config, context) as world:
        result = fit(
            tracker,
            data.train_loader(rank=world.rank, world_size=world.size),
            data.val_loader(rank=world.rank, world_size=world.size),
            settings=config.training,
            run_dir=context.run_dir,
            unlabeled=video,
            loggers=run.loggers,
            callbacks=[TrainingProgress(sys.stderr)],
            resume_from=context.run_dir if context.resumed else None,
            name_rows=lambda rows: [images[row] for row in rows],
            judge=judge,
            world=world,
        )
    run.trained(result)
    found = [problem for problem in _problems(video) if problem not in known]
    for sentence in [*found, *result.notes]:
        note(sentence)
    if result.outcome == INTERRUPTED:
        raise KeyboardInterrupt(f"Training had done {result.epochs} epochs.")
    return result


def _problems(video: UnlabeledVideo | None) -> tuple[str, ...]:
    """Return what is wrong with the unlabelled videos as far as is known by now."""
    loader = _loader_of(video)
    return loader.problems if loader is not None else ()


def _loader_of(video: UnlabeledVideo | None) -> UnlabeledLoader | None:
    return video.train if video is not None and isinstance(video.train, UnlabeledLoader) else None
