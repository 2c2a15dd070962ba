"""Predicting for the command line: a request becomes files, and the user sees how it goes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning_pose.cli.opening import open_model
from lightning_pose.cli.predict.boxes import label_bbox_files, share_out
from lightning_pose.cli.predict.preflighting import Foreseen
from lightning_pose.cli.run_metrics import metrics_of
from lightning_pose.cli.terminal import (
    ProgressLine,
    note,
    print_error,
    say,
    say_json,
    say_table,
)
from lightning_pose.config.load import load_run_config
from lightning_pose.config.schema import Config
from lightning_pose.contracts.durations import duration
from lightning_pose.contracts.errors import ConfigError
from lightning_pose.contracts.files import check_is_no_file
from lightning_pose.contracts.metric_table import Metric
from lightning_pose.data.wording import listed
from lightning_pose.inference.inputs import Input, Kind, expand_inputs
from lightning_pose.inference.model import Model
from lightning_pose.inference.outputs import OutputSettings
from lightning_pose.inference.predict_files import Outcome, predict_files
from lightning_pose.inference.progress import Progress
from lightning_pose.inference.session import PredictSettings, bbox_file_of
from lightning_pose.mlops.registry import is_registered

FOLDER = "video_preds"


@dataclass(frozen=True, kw_only=True)
class PredictRequest:
    """What the user asked for; the attributes are the options of ``litpose predict``."""

    model: str
    inputs: tuple[str | Path, ...]
    out: Path | None = None
    formats: tuple[str, ...] = ("csv",)
    labeled_video: bool = False
    snippet: bool = False
    confidence: float | None = None
    metrics: bool = True
    raw_confidence: bool = False
    overwrite: bool = False
    reader: str = "auto"
    device: str = "auto"
    precision: str = "auto"
    batch_size: int | None = None
    data_dir: Path | None = None
    bbox_files: tuple[Path, ...] = ()
    overrides: tuple[str, ...] = ()
    tracking_uri: str | None = None


def predict_and_report(request: PredictRequest, *, as_json: bool = False) -> int:
    """Predict every input and tell what became of each; return 1 if one failed, else 0.

    Raises:
        LitposeError: the model, an input or an override cannot be used at all.
    """
    for override in request.overrides:
        if not override.lstrip("+~").startswith(("eval.", "dali.")):
            raise ConfigError(
                f"{override}: only keys of eval and dali change how a trained model predicts; the "
                "others were settled when it was trained."
            )
    if request.out is not None:
        check_is_no_file(request.out)
    inputs = expand_inputs(request.inputs)
    model = open_model(
        request.model,
        device=request.device,
        precision=request.precision,
        tracking_uri=request.tracking_uri,
        raw_confidence=request.raw_confidence,
    )
    if model.calibration is not None:
        note(
            "The likelihood is the probability of lying within "
            f"{model.calibration.within_px:.1f} px of the truth (litpose calibrate); "
            "--raw-confidence writes the network's own."
        )
    out = request.out or _default_folder(model, request)
    metrics: tuple[Metric, ...] = ()
    if request.metrics:
        built = metrics_of(model)
        metrics = tuple(built.metrics)
        for failure in built.failures:
            note(failure)
    outcomes = predict_inputs(model, inputs, request=request, metrics=metrics, out=out)
    if as_json:
        say_json([as_plain(outcome) for outcome in outcomes])
    else:
        _report(outcomes, out)
    return int(any(outcome.failed is not None for outcome in outcomes))


def predict_inputs(
    model: Model,
    inputs: list[Input],
    *,
    request: PredictRequest,
    metrics: Sequence[Metric],
    out: Path,
) -> list[Outcome]:
    """Predict the inputs with a loaded model, with a progress line; return what became of each."""
    config = run_config(model, request.overrides)
    wishes = config.eval
    outputs = OutputSettings(
        formats=request.formats,
        metrics=tuple(metrics),
        labeled_video=request.labeled_video,
        snippet=request.snippet,
        confidence_threshold=(
            wishes.confidence_thresh_for_vid if request.confidence is None else request.confidence
        ),
        colormap=wishes.colormap,
        overwrite=request.overwrite,
    )
    of_images, of_videos = share_out(inputs, request.bbox_files)
    with_labels = any(item.kind is Kind.LABELS for item in inputs)
    settings = PredictSettings(
        reader=request.reader,
        batch_size=request.batch_size or _batch_size(model, config),
        data_dir=request.data_dir,
        bbox_files=label_bbox_files(model, of_images) if with_labels else (),
        video_bbox_files=of_videos,
    )
    if config.data.bbox_file:
        _note_whole_videos(inputs, settings)
    show = Show()
    outcomes = []
    for outcome in predict_files(
        model,
        inputs,
        out=out,
        outputs=outputs,
        settings=settings,
        on_start=show.start,
        on_progress=show.progress,
    ):
        outcomes.append(show.finish(outcome))
    return outcomes


def run_config(model: Model, overrides: tuple[str, ...] = ()) -> Config:
    """Return the configuration of the model's run, with overrides; defaults without a run."""
    run_dir = model.files.run_dir if model.files else None
    return Config() if run_dir is None else load_run_config(run_dir, overrides=overrides)


def _batch_size(model: Model, config: Config) -> int:
    """Return how many frames are predicted at a time: what is fast, or fewer if so configured."""
    kind = config.dali.context if model.data_spec.context > 1 else config.dali.base
    return min(model.default_batch_size, kind.predict.sequence_length)


def _note_whole_videos(inputs: Sequence[Input], settings: PredictSettings) -> None:
    """Say which videos are shown whole to a model that was trained on crops."""
    videos = [item for item in inputs if item.kind is not Kind.LABELS]
    whole = [item.path.name for item in videos if bbox_file_of(item, settings) is None]
    if whole:
        note(
            "The model was trained on images cropped to boxes (data.bbox_file), but is shown "
            f"whole frames of {listed(whole)}: there is no <video>_bbox.csv beside it."
        )


class Show:
    """Draws the progress of one input after the other, and tells what was wrong with it."""

    def __init__(self) -> None:
        self._lines: dict[str, ProgressLine] = {}
        self._name = ""
        self._foreseen = Foreseen(())

    def start(self, inputs: tuple[Input, ...]) -> None:
        """Begin with an input, or with the views of a session."""
        self._name = ", ".join(item.path.name for item in inputs)
        self._lines = {}
        self._foreseen = Foreseen(inputs)
        for remark in self._foreseen.remarks:
            note(remark)

    def progress(self, progress: Progress) -> None:
        """Draw how far it is."""
        line = self._lines.setdefault(
            progress.stage, ProgressLine(f"{progress.stage} {self._name}")
        )
        line.update(progress.done, progress.total)

    def finish(self, outcome: Outcome) -> Outcome:
        """Say how it ended; return the outcome with what was said of the source beforehand."""
        for line in self._lines.values():
            line.clear()
        found = self._foreseen.not_among(outcome.problems)
        for problem in found:
            note(f"{self._name}: {problem}")
        if outcome.failed is not None:
            print_error(str(outcome.failed))
        return dataclasses.replace(outcome, problems=(*self._foreseen.remarks, *found))


def _default_folder(model: Model, request: PredictRequest) -> Path:
    """Return a folder in the run directory, or in the current one if there is no run directory."""
    run_dir = model.files.run_dir if model.files else None
    if is_registered(request.model):  # it lies in a cache
        run_dir = None
    return run_dir / FOLDER if run_dir else Path.cwd() / "predictions"


def _report(outcomes: list[Outcome], out: Path) -> None:
    rows = []
    for outcome in outcomes:
        names = ", ".join(item.path.name for item in outcome.inputs)
        state = "failed" if outcome.failed else "there already" if outcome.skipped else "done"
        rate = outcome.num_frames / outcome.seconds if outcome.seconds else None
        waited = outcome.waited_s / outcome.seconds if outcome.seconds else None
        rows.append(
            (
                names,
                state,
                outcome.num_frames or None,
                duration(outcome.seconds) if outcome.seconds else "-",
                rate,
                None if waited is None else f"{waited:.0%}",
            )
        )
    say_table(rows, ("input", "outcome", "frames", "time", "frames/s", "waiting for decode"))
    say(f"results: {out}")


def as_plain(outcome: Outcome) -> dict[str, Any]:
    """Return an outcome as JSON has it."""
    plain = {
        field.name: getattr(outcome, field.name)
        for field in dataclasses.fields(outcome)
        if field.name not in ("inputs", "files", "predictions", "failed")
    }
    return plain | {
        "inputs": [str(item.path) for item in outcome.inputs],
        "files": [str(path) for path in outcome.files],
        "failed": str(outcome.failed) if outcome.failed else None,
    }
