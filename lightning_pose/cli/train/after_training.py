"""What follows a training: the labelled sets are evaluated and the videos predicted."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from lightning_pose.cli.judge.evaluation import (
    by_view,
    evaluate_labels,
    say_summary,
    write_summary,
)
from lightning_pose.cli.predict.predicting import FOLDER, PredictRequest, predict_inputs
from lightning_pose.cli.run_metrics import metrics_of
from lightning_pose.cli.terminal import note, say
from lightning_pose.cli.train.recorded_run import RecordedRun
from lightning_pose.config.schema import Config
from lightning_pose.contracts.errors import LitposeError, VideoError
from lightning_pose.contracts.metric_table import Metric
from lightning_pose.contracts.predictions import SETS, Predictions
from lightning_pose.contracts.run_record import SPLIT, labels_file
from lightning_pose.data.labeled_data import LabeledData, read_configured_bboxes
from lightning_pose.data.labels import write_labels
from lightning_pose.inference.inputs import Kind, expand_inputs
from lightning_pose.inference.model import Model
from lightning_pose.inference.outcome import Outcome
from lightning_pose.metrics.summary import Summary, summarise_video
from lightning_pose.metrics.views import ALL_VIEWS, computed_by_view
from lightning_pose.mlops.learning_curves import FILE as CURVES
from lightning_pose.mlops.learning_curves import write_learning_curves

METRICS = "metrics.json"
_, _, TEST, _ = SETS


def keep_labels(run_dir: Path, config: Config, data: LabeledData) -> None:
    """Write split and labels into the run directory: metrics need them where the data is not."""
    data.split.write(run_dir / SPLIT)
    views: list[str | None] = list(config.data.view_names) or [None]
    for view, table in zip(views, data.tables, strict=True):
        write_labels(table, run_dir / labels_file(view))


def evaluate_run(
    model: Model, run_dir: Path, config: Config, data: LabeledData, run: RecordedRun
) -> tuple[str, ...]:
    """Predict all labelled frames, new sessions too; write, show and record the numbers.

    Return the label files of new sessions that failed. Why one did has been said then.
    """
    evaluate = partial(
        evaluate_labels,
        model,
        out=run_dir,
        bboxes=read_configured_bboxes(config.data),
        batch_size=min(model.default_batch_size, config.training.test_batch_size),
    )
    found = evaluate(data.tables, data.split.sets)
    summary = dict(found.summary)
    views = by_view(summary, model.view_names)
    metrics = write_summary(run_dir / METRICS, {"labels": summary})
    failures, failed = list(found.failures), []
    for suffix, tables in data.ood_tables.items():
        try:
            other = evaluate(tables, [TEST] * len(tables[0]), name=f"predictions_{suffix}")
        except LitposeError as error:
            failures.append(str(error))
            failed += [table.source.name for table in tables if table.source is not None]
            continue
        failures += other.failures
        for view, numbers in by_view(other.summary, model.view_names).items():
            views[view][f"ood_{suffix}"] = numbers[TEST]
        write_summary(metrics, {"labels": summary})
        run.keep(*other.files)
    for failure in dict.fromkeys(failures):
        note(failure)
    say_summary(summary, model.view_names)
    run.keep(*found.files, metrics)
    run.keep(write_learning_curves(run_dir / CURVES, run.history))
    for view, numbers in views.items():
        run.log_summary(numbers, prefix=f"{view}_" if view not in ("", ALL_VIEWS) else "")
    return tuple(failed)


def predict_run_videos(
    model: Model, run_dir: Path, config: Config, run: RecordedRun
) -> tuple[str, ...]:
    """Predict the videos of the configuration, if it wants that; return the names of the failed.

    Why one failed has been said then.
    """
    wishes = config.eval
    folder = wishes.test_videos_directory or config.data.video_dir
    if not wishes.predict_vids_after_training or folder is None:
        return ()
    request = PredictRequest(
        model=str(run_dir),
        inputs=(folder,),
        labeled_video=wishes.save_vids_after_training,
        overwrite=True,
    )
    metrics = metrics_of(model).metrics  # which cannot be computed was said at the evaluation
    try:
        inputs = [item for item in expand_inputs([folder]) if item.kind is Kind.VIDEO]
    except VideoError as error:
        note(f"No video was predicted: {error}")
        return ()
    outcomes = predict_inputs(
        model, inputs, request=request, metrics=metrics, out=run_dir / FOLDER
    )
    for outcome in outcomes:
        run.keep(*(path for path in outcome.files if path.suffix == ".csv"))
        if outcome.failed is None:
            _record_video(outcome, metrics, model, run)
    return tuple(
        item.path.name
        for outcome in outcomes
        if outcome.failed is not None
        for item in outcome.inputs
    )


def _record_video(
    outcome: Outcome, metrics: Sequence[Metric], model: Model, run: RecordedRun
) -> None:
    """Record and say the numbers of a predicted session, view by view."""
    predictions = [Predictions.read(path) for path in outcome.predictions]
    by_metric = [
        computed_by_view(metric, predictions, view_names=model.view_names)
        for metric in metrics
        if not metric.needs_labels
    ]
    fps = outcome.num_frames / max(outcome.seconds, 1e-9)
    for view, path in enumerate(outcome.predictions):
        tables = [of_metric[view] for of_metric in by_metric]
        summary = summarise_video(predictions[view], tables)
        run.log_video(path.stem, summary)  # two videos of one stem have files of different ones
        say(_video_line(path.stem, summary, fps))


def _video_line(name: str, summary: Summary, fps: float) -> str:
    jumps = summary.get("temporal_norm", {}).get("mean")
    likelihood = summary["mean_likelihood"]
    sure = f"mean likelihood {likelihood:.2f}" if likelihood is not None else "likelihood unknown"
    return f"{name}: {summary['frames']} frames at {fps:.1f} frames/s, {sure}, " + (
        f"mean temporal norm {jumps:.2f} px" if jumps is not None else "one frame only"
    )
