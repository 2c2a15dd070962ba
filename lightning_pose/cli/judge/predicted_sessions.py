"""Sessions of videos that several models predicted, and what is labelled of them already."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from lightning_pose.cli.look.reading_runs import read_runs, run_folder
from lightning_pose.cli.opening import open_together
from lightning_pose.cli.predict.predicting import PredictRequest, predict_inputs
from lightning_pose.cli.run_metrics import metrics_of
from lightning_pose.contracts.errors import VideoError
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.data.labels import read_labels
from lightning_pose.data.views import moment
from lightning_pose.inference.inputs import Input, Kind, by_view
from lightning_pose.metrics.frame_choice import largest
from lightning_pose.mlops.results import Result, RunResults, distinct_names
from lightning_pose.mlops.review.video_frames import (
    PredictedVideo,
    picture_name,
    predicted_videos,
    scores_of_video,
)
from lightning_pose.video.files import refuse_one_stem


@dataclass(frozen=True, kw_only=True)
class Session:
    """The videos of one session, one a camera, and what is said of its frames.

    Attributes:
        videos: in the order of the views.
        scores: by criterion; of several cameras the largest.
        poses_xy: of the first model, cameras side by side.
    """

    videos: tuple[PredictedVideo, ...]
    scores: dict[str, Float[np.ndarray, " n"]]
    poses_xy: Float[np.ndarray, "n k 2"]


@dataclass(frozen=True, kw_only=True)
class LabelledView:
    """What is labelled of one camera.

    Attributes:
        name: of the view; empty for a single one.
        file: csv that further labels go to; None = unknown.
        now: the labels in it, if it is where it was.
        learnt: labels that the run was trained on; None = unknown.
        images: of all label files, those of new sessions too.
    """

    name: str
    file: Path | None
    now: LabelTable | None
    learnt: LabelTable | None
    images: frozenset[str]


def predict_sessions(
    models: Sequence[str], videos: Sequence[Path], args: argparse.Namespace, *, out: Path
) -> tuple[list[RunResults], list[Session]]:
    """Predict videos with each model; return what they say.

    Args:
        models: run directories.
        videos: in any order, of one camera or several.
        args: device, precision, tracking_uri.
        out: folder of the predictions.

    Raises:
        ConfigError: a model is named twice.
        ModelError: models have other keypoints or views.
        VideoError: a session lacks a view, two videos have one name, or one could not be
            predicted; why has been said.
    """
    folders = [run_folder(name, args.tracking_uri) for name in models]
    opened = open_together(folders, args)
    groups = grouped(videos, opened[0].view_names)
    places = []
    for folder, name, model in zip(folders, distinct_names(folders), opened, strict=True):
        place = out / name
        outcomes = predict_inputs(
            model,
            _inputs(videos),
            request=PredictRequest(model=str(folder), inputs=tuple(videos), out=place),
            metrics=metrics_of(model).metrics,
            out=place,
        )
        if any(outcome.failed is not None for outcome in outcomes):
            raise VideoError("A video could not be predicted; leave it out, or mend it.")
        places.append(place)
    runs = read_runs(folders, places)
    return runs, sessions_of(runs, groups)


def grouped(videos: Sequence[Path], view_names: Sequence[str]) -> list[tuple[Path, ...]]:
    """Return the videos of each session, in the order of the views.

    Raises:
        VideoError: a session lacks a view, a name says none, or two videos have one.
    """
    refuse_one_stem(videos)
    sessions, unusable = by_view(_inputs(videos), view_names)
    for reason in unusable.values():
        raise reason
    return [tuple(item.path for item in items) for items in sessions]


def sessions_of(runs: Sequence[RunResults], groups: Sequence[tuple[Path, ...]]) -> list[Session]:
    """Return what the runs say of videos, as :func:`grouped` has them.

    Raises:
        DataError: a video was not predicted with each run.
    """
    videos = predicted_videos(runs, [path for group in groups for path in group])
    by_path = {video.path: video for video in videos}
    return [_session([by_path[path] for path in group]) for group in groups]


def labelled_views(run: RunResults) -> list[LabelledView]:
    """Return what is labelled of each camera, in the order of the views.

    Raises:
        DataError: a label file cannot be read.
    """
    return [_labelled(name, run) for name in run.config.data.view_names or [""]]


def is_labelled(session: Session, views: Sequence[LabelledView]) -> Bool[np.ndarray, " n"]:
    """Return which frames of a session are labelled in one of the views or more.

    An image is a frame of a video if its folder has the video's name and its own name ends in the
    frame's number.
    """
    found = np.zeros(len(session.poses_xy), dtype=np.bool_)
    for video, view in zip(session.videos, views, strict=True):
        (*_, own), _ = moment(picture_name(video.path, 0), view.name)
        for image in view.images:
            folders, number = moment(image, view.name)
            if folders[-1:] == (own,) and isinstance(number, int) and number < len(found):
                found[number] = True
    return found


def first_result(video: PredictedVideo) -> Result:
    """Return what the first model says of a video."""
    return next(iter(video.results.values()))


def _inputs(videos: Sequence[Path]) -> list[Input]:
    return [Input(kind=Kind.VIDEO, path=video) for video in videos]


def _session(videos: Sequence[PredictedVideo]) -> Session:
    frames = min(video.num_frames for video in videos)
    scores = [scores_of_video(video) for video in videos]
    names = dict.fromkeys(name for one in scores for name in one)
    return Session(
        videos=tuple(videos),
        scores={
            name: largest(np.stack([one[name][:frames] for one in scores if name in one]), 0)
            for name in names
        },
        poses_xy=np.concatenate(
            [first_result(video).predictions.xy_img[:frames] for video in videos], axis=1
        ),
    )


def _labelled(name: str, run: RunResults) -> LabelledView:
    results = [result for result in run.labeled if result.view == name]
    files = [result.source for result in results if result.source is not None]
    now = [read_labels(file, data_dir=file.parent) for file in files if file.is_file()]
    learnt = results[0].labels if results else None
    known = [*now, *(result.labels for result in results if result.labels is not None)]
    return LabelledView(
        name=name,
        file=files[0] if files else None,
        now=next((table for table in now if table.source == files[0]), None),
        learnt=learnt,
        images=frozenset(image for table in known for image in table.images),
    )
