"""Runs that were never trained: their labels, images, video and predictions are made up."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from lightning_pose.config.schema import Config
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.contracts.metric_table import MetricTable
from lightning_pose.contracts.predictions import Predictions
from lightning_pose.contracts.run_record import RunRecord
from lightning_pose.data.labels import write_labels
from lightning_pose.inference.outputs import Note
from lightning_pose.metrics.pixel_error import PixelError
from lightning_pose.metrics.temporal_norm import TemporalNorm
from lightning_pose.mlops.results import Result, RunResults, read_result
from lightning_pose.video.writer import VideoWriter

NAMES = ("nose", "ear", "tail")
HEIGHT, WIDTH = 48, 80  # not square
LABELLED, FRAMES = 12, 50
STEP = 5  # of grey, from frame to frame: a picture tells its number


def make_project(folder: Path, *, views: Sequence[str] = ("",)) -> Path:
    """Write images, labels and a video (one a view) into a folder; return it."""
    rng = np.random.default_rng(3)
    for view in views:
        end = f"_{view}" if view else ""
        session = f"labeled-data/day1{end}"
        (folder / session).mkdir(parents=True)
        images = [f"{session}/img{row:04d}.png" for row in range(LABELLED)]
        for image in images:
            grey = rng.integers(0, 255, (HEIGHT, WIDTH), dtype=np.uint8)
            Image.fromarray(grey).save(folder / image)
        xy = rng.uniform((5, 5), (WIDTH - 5, HEIGHT - 5), (LABELLED, len(NAMES), 2))
        xy[2, 1] = np.nan
        write_labels(
            LabelTable(images=tuple(images), xy_img=xy, keypoint_names=NAMES, root=folder),
            folder / f"CollectedData{end}.csv",
        )
        (folder / "videos").mkdir(exist_ok=True)
        video = folder / "videos" / f"day2{end}.mp4"
        with VideoWriter(video, fps=25, width=WIDTH, height=HEIGHT) as writer:
            for frame in range(FRAMES):
                writer.write(np.full((HEIGHT, WIDTH, 3), frame * STEP, dtype=np.uint8))
    return folder


def make_run(
    project: Path,
    folder: Path,
    *,
    noise_px: float,
    views: Sequence[str] = ("",),
    names: Sequence[str] = NAMES,
) -> RunResults:
    """Write what a run leaves: predictions off the labels by about ``noise_px``; return it."""
    from lightning_pose.data.labels import read_labels

    rng = np.random.default_rng(round(noise_px * 10))
    record = RunRecord(run_id=f"{round(noise_px * 10):032x}")
    record.write(folder / "run.json")
    labeled, videos = [], []
    for view in views:
        end = f"_{view}" if view else ""
        csv = project / f"CollectedData{end}.csv"
        labels = read_labels(csv, data_dir=project)
        sets = ["train"] * 6 + ["validation"] * 3 + ["test"] * 3
        xy = np.where(np.isnan(labels.xy_img), 9.0, labels.xy_img)
        predictions = _predictions(rng, xy, noise_px, names).with_images(labels.images, sets)
        path = predictions.to_csv(folder / f"predictions{end}.csv")
        PixelError()(predictions, labels).to_csv(path.with_name(f"{path.stem}_pixel_error.csv"))
        result = read_result(path, view=view, source=csv)
        labeled.append(_with(result, labels))
        walk = 20 + rng.normal(0, 1, (FRAMES, len(names), 2)).cumsum(0)
        predictions = _predictions(rng, walk, noise_px, names)
        path = predictions.to_csv(folder / "video_preds" / f"day2{end}.csv")
        norm = TemporalNorm()(predictions)
        norm.to_csv(path.with_name(f"{path.stem}_temporal_norm.csv"))
        video = project / "videos" / f"day2{end}.mp4"
        note = Note(key="", source=str(video), made_from={"run": record.run_id})
        note.with_file(path).write(path.with_name(f"{path.stem}.litpose.json"))
        videos.append(read_result(path, view=view))
    config = Config()
    config.data.data_dir = str(project)
    config.data.view_names = [view for view in views if view]
    return RunResults(
        name=folder.name,
        folder=folder,
        record=record,
        config=config,
        labeled=tuple(labeled),
        videos=tuple(videos),
    )


def metric_in_csv(path: Path, name: str) -> MetricTable:
    """Return a metric table as its file has it."""
    return MetricTable.from_csv(path.with_name(f"{path.stem}_{name}.csv"), name=name)


def _predictions(
    rng: np.random.Generator, xy: np.ndarray, noise_px: float, names: Sequence[str]
) -> Predictions:
    n = len(xy)
    return Predictions(
        xy_img=(xy + rng.normal(0, noise_px, xy.shape))[:, : len(names)].round(5),
        confidence=rng.random((n, len(names))).round(5),
        keypoint_names=tuple(names),
        frame_ids=np.arange(n),
    )


def _with(result: Result, labels: LabelTable) -> Result:
    import dataclasses

    return dataclasses.replace(result, labels=labels)
