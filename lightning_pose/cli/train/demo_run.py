"""The demo: the same steps a user takes, on data whose truth is known."""

from __future__ import annotations

import contextlib
import shlex
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from lightning_pose.cli.terminal import note, say, say_json, say_table
from lightning_pose.cli.train.hooks import HOOKS
from lightning_pose.cli.train.train_app import train_task
from lightning_pose.config.app import RunContext
from lightning_pose.config.compose import prepare
from lightning_pose.config.overrides import quoted
from lightning_pose.config.run import run_hydra
from lightning_pose.config.schema import Config
from lightning_pose.contracts.durations import duration
from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.files import check_is_no_file
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.contracts.predictions import Predictions
from lightning_pose.contracts.run_record import RUN_FILE, RunRecord
from lightning_pose.data.labels import read_labels
from lightning_pose.data.toy import IMAGE_WIDTH, make_toy_dataset, read_truth
from lightning_pose.inference.outputs import FOLDER

MODELS = ("heatmap", "regression")
VIDEO, NEW_VIDEO = "walk6", "new1"
HIDDEN = 1


@dataclass(frozen=True, kw_only=True)
class Score:
    """How good one model is; medians over points, in pixels of the original images."""

    model: str
    test_px: float
    video_px: float
    video_visible_px: float
    video_occluded_px: float
    new_session_px: float
    training_s: float
    run: str

    @property
    def of_width(self) -> float:
        """Return the larger of the errors on held-out frames and on the video, as % of width."""
        return 100 * max(self.test_px, self.video_px) / IMAGE_WIDTH


def run_demo(out: Path, *, epochs: int, as_json: bool = False) -> list[Score]:
    """Make the data, train and score both models, print a table; return the scores, best first.

    Raises:
        DataError: ``out`` holds something that the demo did not make.
        WriteError: ``out`` is a file.
    """
    check_is_no_file(out)
    started = time.monotonic()
    data = _make_data(out)
    scores = []
    for model in MODELS:
        note(f"\nTraining {model} for {epochs} epochs ...")
        # With --json nothing but the scores may be on stdout.
        with contextlib.redirect_stdout(sys.stderr if as_json else sys.stdout):
            run_dir = _train(model, data, out, epochs=epochs)
        scores.append(score(run_dir, data, model=model))
    scores.sort(key=lambda found: found.video_px)
    if as_json:
        say_json([asdict(found) for found in scores])
    else:
        _report(scores, out, seconds=time.monotonic() - started)
    return scores


def training_words(model: str, data: Path, out: Path, *, epochs: int) -> list[str]:
    """Return the words behind ``litpose train`` that train one of the models."""
    return [
        "data=toy",
        f"model={model}",
        f"data.data_dir={quoted(str(data))}",
        f"model.model_name={model}",
        f"training.max_epochs={epochs}",
        "eval.save_vids_after_training=true",
        "tracking.experiment=demo",
        f"tracking.uri={quoted(f'sqlite:///{out}/mlflow.db')}",
        f"tracking.artifact_dir={quoted(f'{out}/mlruns')}",
        f"hydra.run.dir={quoted(f'{out}/runs/{model}')}",
    ]


def score(run_dir: Path, data: Path, *, model: str) -> Score:
    """Return how good the model of a run is on held-out frames and over every video frame."""
    video = _points(run_dir, data / "videos" / f"{VIDEO}.mp4")
    new = _points(run_dir, data / "videos" / f"{NEW_VIDEO}.mp4")
    record = RunRecord.read(run_dir / RUN_FILE)
    return Score(
        model=model,
        test_px=_test_error(run_dir, data),
        video_px=float(np.nanmedian(video.error)),
        video_visible_px=float(np.nanmedian(video.error[~video.hidden])),
        video_occluded_px=float(np.nanmedian(video.error[video.hidden])),
        new_session_px=float(np.nanmedian(new.error)),
        training_s=float(record.metrics["training_s"]),
        run=str(run_dir),
    )


@dataclass(frozen=True)
class _Points:
    error: np.ndarray
    hidden: np.ndarray


def _make_data(out: Path) -> Path:
    data = out / "data"
    if (data / "CollectedData.csv").exists():
        note(f"The data set is there already: {data}")
        return data
    if out.exists() and any(out.iterdir()):
        raise DataError(f"{out} is not empty and no demo folder; choose another with --out.")
    note(f"Drawing the toy data set into {data} ...")
    return make_toy_dataset(data)


def _train(model: str, data: Path, out: Path, *, epochs: int) -> Path:
    """Train as ``litpose train`` does, into ``out/runs``; return the run directory."""
    app = prepare(training_words(model, data, out, epochs=epochs), hooks=HOOKS)
    found: list[Path] = []

    def task(config: Config, context: RunContext) -> float | None:
        found.append(context.run_dir)
        return train_task(config, context)

    run_hydra(task, app)
    return found[0]


def _points(run_dir: Path, video: Path) -> _Points:
    predictions = Predictions.read(run_dir / FOLDER / f"{video.stem}.csv")
    truth = read_truth(video)
    return _Points(_distance(predictions, truth), np.asarray(truth.visible == HIDDEN))


def _test_error(run_dir: Path, data: Path) -> float:
    predictions = Predictions.read(run_dir / "predictions.csv")
    labels = read_labels(data / "CollectedData.csv", data_dir=data)
    test = np.array(predictions.sets) == "test"
    return float(np.nanmedian(_distance(predictions, labels)[test]))


def _distance(predictions: Predictions, labels: LabelTable) -> np.ndarray:
    return np.linalg.norm(predictions.xy_img - labels.xy_img, axis=-1)


def _report(scores: list[Score], out: Path, *, seconds: float) -> None:
    say()
    say(f"Median pixel error (images are {IMAGE_WIDTH} px wide):")
    say_table(
        [
            (
                found.model,
                found.test_px,
                found.video_px,
                found.video_visible_px,
                found.video_occluded_px,
                found.new_session_px,
                f"{found.of_width:.2f} %",
                duration(found.training_s),
            )
            for found in scores
        ],
        (
            "model",
            "held-out frames",
            "video",
            "visible",
            "occluded",
            "new session",
            "of width",
            "training",
        ),
    )
    best, other = scores
    say()
    say(
        f"{best.model} is better: {best.video_px:.2f} px against {other.video_px:.2f} px over "
        f"every frame of the held-out video. Done in {duration(seconds)}."
    )
    for found in scores:
        say(f"  {found.model}: {found.run}")
    say(f"  labelled video: {Path(best.run) / FOLDER / f'{VIDEO}_labeled.mp4'}")
    store = shlex.quote(f"sqlite:///{out}/mlflow.db")
    say(f"  compare runs:   mlflow ui --backend-store-uri {store}")
