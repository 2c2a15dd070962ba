"""Smoothing ensembles for the command line: which models they are of, and how it went."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from lightning_pose.cli.opening import open_model
from lightning_pose.cli.options import formats_of
from lightning_pose.cli.predict.reporting import as_plain
from lightning_pose.cli.predict.show import Show
from lightning_pose.cli.run_metrics import metrics_of
from lightning_pose.cli.terminal import note, say, say_json, say_table
from lightning_pose.config.schema import EvalConfig
from lightning_pose.contracts.durations import duration
from lightning_pose.contracts.errors import ConfigError, ModelError
from lightning_pose.contracts.files import check_is_no_file
from lightning_pose.inference.inputs import expand_inputs
from lightning_pose.inference.members import Members, find_members, noted
from lightning_pose.inference.model import Model
from lightning_pose.inference.outcome import Outcome
from lightning_pose.inference.outputs import OutputSettings
from lightning_pose.inference.smooth_files import SmoothSettings, smooth_files
from lightning_pose.metrics.build import BuiltMetrics, MetricBasis, build_metrics

FEW = 2


def smooth_and_report(args: argparse.Namespace) -> int:
    """Smooth every video and tell what became of each; return 1 if one failed, else 0.

    Args:
        args: the options of ``litpose smooth``.

    Raises:
        LitposeError: there are no predictions, or an option cannot be used at all.
    """
    if args.confidence is not None and not 0 <= args.confidence <= 1:
        raise ConfigError(f"--confidence should be between 0 and 1, got {args.confidence}.")
    check_is_no_file(args.out)
    videos = expand_inputs(args.videos) if args.videos else []
    recordings = find_members(args.predictions, videos)
    if any(len(recording.tables) == FEW for recording in recordings):
        note(
            "Two members say little about how far they are from the truth; three or more, better "
            "five, give variances worth reading."
        )
    model = _model(args.model, recordings)
    built = _metrics(model) if not args.no_metrics else BuiltMetrics(metrics=())
    for failure in built.failures:
        note(failure)
    defaults = EvalConfig()
    settings = SmoothSettings(
        out=args.out,
        engine=args.engine,
        view_names=model.view_names if model else (),
        outputs=OutputSettings(
            formats=formats_of(args.format),
            metrics=built.metrics,
            labeled_video=args.labeled_video,
            snippet=args.snippet,
            confidence_threshold=(
                defaults.confidence_thresh_for_vid if args.confidence is None else args.confidence
            ),
            colormap=defaults.colormap,
            overwrite=args.overwrite,
        ),
    )
    show = Show()
    outcomes = []
    for outcome in smooth_files(
        recordings, settings, on_start=show.start, on_progress=show.progress
    ):
        show.finish(outcome)
        outcomes.append(outcome)
    _report(outcomes, args.out, as_json=args.json)
    return int(any(outcome.failed is not None for outcome in outcomes))


def _model(named: str | None, recordings: Sequence[Members]) -> Model | None:
    """Return the model that tells metrics and views: the one named, or that of the first member.

    None if a note names none, or one that is not there any more.

    Raises:
        ModelError: the one named cannot be opened.
    """
    if named is not None:
        return open_model(named, device="cpu", precision="fp32")
    known = next((noted(table) for r in recordings for table in r.tables), None)
    if known is None or not known.model:
        return None
    try:
        return open_model(known.model, device="cpu", precision="fp32")
    except ModelError as error:
        note(f"{error} So there are no metrics that need it; --model says where it is now.")
        return None


def _metrics(model: Model | None) -> BuiltMetrics:
    if model is None:
        return BuiltMetrics(metrics=build_metrics(MetricBasis()).metrics)
    return metrics_of(model)


def _report(outcomes: Sequence[Outcome], out: Path, *, as_json: bool) -> None:
    if as_json:
        say_json([as_plain(outcome) for outcome in outcomes])
        return
    rows = [
        (
            ", ".join(item.path.name for item in outcome.inputs),
            "failed" if outcome.failed else "there already" if outcome.skipped else "done",
            outcome.num_frames or None,
            duration(outcome.seconds) if outcome.seconds else "-",
        )
        for outcome in outcomes
    ]
    say_table(rows, ("video", "outcome", "frames", "time"))
    say(f"results: {out}")
