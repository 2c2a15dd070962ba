"""Predicting for the command line: a request becomes files, and the user sees how it goes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from lightning_pose.cli.opening import open_model
from lightning_pose.cli.predict.boxes import label_bbox_files, share_out
from lightning_pose.cli.predict.reporting import as_plain, report
from lightning_pose.cli.predict.show import Show
from lightning_pose.cli.run_metrics import metrics_of
from lightning_pose.cli.terminal import note, say_json
from lightning_pose.config.load import default_config, load_run_config
from lightning_pose.config.schema import Config
from lightning_pose.contracts.errors import ConfigError
from lightning_pose.contracts.files import check_is_no_file
from lightning_pose.contracts.metric_table import Metric
from lightning_pose.contracts.registry import READERS
from lightning_pose.data.wording import listed
from lightning_pose.inference.inputs import Input, Kind, expand_inputs
from lightning_pose.inference.model import Model
from lightning_pose.inference.outcome import Outcome
from lightning_pose.inference.outputs import FOLDER, OutputSettings
from lightning_pose.inference.pipeline import num_decoders
from lightning_pose.inference.predict_files import predict_files
from lightning_pose.inference.session import PredictSettings, bbox_file_of
from lightning_pose.inference.shard import Shard
from lightning_pose.mlops.registry import is_registered
from lightning_pose.video.nvdec_start import decoders_prepared
from lightning_pose.video.overlay import keypoint_colors


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
    shard: Shard | None = None
    reader: str = "auto"
    device: str = "auto"
    precision: str = "auto"
    batch_size: int | None = None
    compiled: bool = False
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
    with _decoders_prepared(inputs, request):
        return _predict_and_report(request, inputs, as_json=as_json)


def _predict_and_report(request: PredictRequest, inputs: list[Input], *, as_json: bool) -> int:
    model = open_model(
        request.model,
        device=request.device,
        precision=request.precision,
        tracking_uri=request.tracking_uri,
        raw_confidence=request.raw_confidence,
        compiled=request.compiled,
    )
    if request.reader != "auto":  # now: rows of an earlier call are kept for the right name
        READERS.get(request.reader)
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
    began = time.monotonic()
    outcomes = predict_inputs(model, inputs, request=request, metrics=metrics, out=out)
    if as_json:
        say_json([as_plain(outcome) for outcome in outcomes])
    else:
        report(outcomes, out, wall_s=time.monotonic() - began, shard=request.shard)
    return int(any(outcome.failed is not None for outcome in outcomes))


def _decoders_prepared(
    inputs: Sequence[Input], request: PredictRequest
) -> AbstractContextManager[None]:
    first = next((item.path for item in inputs if item.kind is Kind.VIDEO), None)
    device = "cuda" if request.device == "auto" else request.device
    if first is None or request.reader not in ("auto", "pynvvc") or device[:4] != "cuda":
        return nullcontext()
    return decoders_prepared(
        first, device=device, number=num_decoders("cuda"), batch_size=request.batch_size or 1
    )


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
    if outputs.labeled_video or outputs.snippet:
        keypoint_colors(1, outputs.colormap)  # so a wrong name is told of at once
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
        shard=request.shard,
        on_start=show.start,
        on_progress=show.progress,
    ):
        outcomes.append(show.finish(outcome))
    place = {item: number for number, item in enumerate(inputs)}
    return sorted(outcomes, key=lambda outcome: place[outcome.inputs[0]])


def run_config(model: Model, overrides: tuple[str, ...] = ()) -> Config:
    """Return the configuration of the model's run, with overrides; defaults without a run."""
    run_dir = model.files.run_dir if model.files else None
    if run_dir is None:
        return default_config(overrides=overrides)
    return load_run_config(run_dir, overrides=overrides)


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


def _default_folder(model: Model, request: PredictRequest) -> Path:
    """Return a folder in the run directory, or in the current one if there is no run directory."""
    run_dir = model.files.run_dir if model.files else None
    if is_registered(request.model):  # it lies in a cache
        run_dir = None
    return run_dir / FOLDER if run_dir else Path.cwd() / "predictions"
