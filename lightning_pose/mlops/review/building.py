"""A review from runs: which pictures, what the models say of them, and the data set of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from lightning_pose.contracts.errors import ConfigError, DataError
from lightning_pose.contracts.files import alone_in
from lightning_pose.data.image_files import image_size
from lightning_pose.metrics.frame_choice import ChosenFrame
from lightning_pose.mlops.results import RunResults
from lightning_pose.mlops.review.carrying import (
    restore_dataset,
    tagged_clips,
    tagged_frames,
)
from lightning_pose.mlops.review.clips import build_clips, cut_clip
from lightning_pose.mlops.review.database import fiftyone_of
from lightning_pose.mlops.review.dataset import Built, build_dataset, find_ours
from lightning_pose.mlops.review.fields import model_fields
from lightning_pose.mlops.review.manifest import describe, review_folder, write_manifest
from lightning_pose.mlops.review.table import (
    ReviewTable,
    check_pictures_are_there,
    joined,
    labelled_tables,
    same_keypoints,
)
from lightning_pose.mlops.review.video_frames import (
    PredictedVideo,
    choose,
    frames_table,
    predicted_videos,
    write_pictures,
)
from lightning_pose.mlops.skeleton import Edges, edges_of

NAME = re.compile(r"[A-Za-z0-9][\w.-]*")
Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class ReviewRequest:
    """What is to be built.

    Attributes:
        name: of the data set.
        runs: to compare.
        project: folder of ``.fiftyone/`` and ``review/``.
        videos: to choose frames from; None = all that every model predicted.
        frames: number of frames a session; 0 = labelled images alone.
        clips: number of clips a session, in a data set ``<name>-clips``.
        command: as typed, for the record.
        edges: pairs of keypoints to draw a line between; none = neighbours by the labels.
    """

    name: str
    runs: Sequence[RunResults]
    project: Path
    videos: Sequence[Path] | None = None
    frames: int = 20
    clips: int = 0
    command: str = ""
    edges: Sequence[Sequence[str]] = ()


def build_review(request: ReviewRequest, *, progress: Progress | None = None) -> Built:
    """Build a data set of labelled images and chosen frames.

    Args:
        request: of what.
        progress: is told how many frames of how many are on disk.

    Raises:
        ConfigError: the name cannot be used, or an edge is to no keypoint.
        DataError: the runs cannot be compared, pictures are missing, there is no FiftyOne or no
            database, or the name is somebody else's.
    """
    if not NAME.fullmatch(request.name):
        raise ConfigError(
            f"{request.name!r} cannot be the name of a review: use letters, digits, dots, dashes "
            "and underscores, as in --name mouse-week2."
        )
    model_fields([run.name for run in request.runs])
    edges = edges_of(request.runs, request.edges)
    tables = labelled_tables(request.runs)
    for table in tables:
        check_pictures_are_there(table)
    any_of_videos = request.frames or request.clips
    videos = predicted_videos(request.runs, request.videos) if any_of_videos else []
    fo = fiftyone_of(request.project)
    with alone_in(request.project):  # of two builds of one name, the second waits
        return _build(fo, request, edges, tables, videos, progress)


def _build(
    fo: Any,
    request: ReviewRequest,
    edges: Edges,
    tables: list[ReviewTable],
    videos: Sequence[PredictedVideo],
    progress: Progress | None,
) -> Built:
    """Choose frames, write them, and make the data set."""
    name, clips_name = request.name, f"{request.name}-clips"
    for one in (name, clips_name):
        restore_dataset(fo, one)
    old = find_ours(fo, name)
    cut = find_ours(fo, clips_name, clips=True) if request.clips else None
    folder = review_folder(request.project, name).resolve()
    in_frames = {} if old is None else tagged_frames(old)
    in_clips = {} if cut is None else tagged_clips(cut)
    chosen = _choose(request, videos, request.frames, in_frames)
    around = _choose(request, videos, request.clips, in_clips) if request.clips else []
    total, done = sum(len(frames) for _, frames in chosen), 0
    for video, frames in chosen:
        write_pictures(video.path, [one.frame for one in frames], folder)
        done += len(frames)
        if progress is not None:
            progress(done, total)
        tables.append(frames_table(video, frames, folder))
    table = _checked(tables)
    shown = dict.fromkeys(video.path for video, _ in [*chosen, *around])
    about = {"name": name, **describe(request.runs, request.command, list(shown))}
    built = build_dataset(fo, name, table, picture_sizes(table), about, edges=edges)
    if around:
        clips = [cut_clip(video, one, folder) for video, frames in around for one in frames]
        lost = build_clips(fo, clips_name, clips, about, edges=edges)
        built = replace(built, lost_clips=lost)
    write_manifest(folder, about)
    return built


def _choose(
    request: ReviewRequest,
    videos: Sequence[PredictedVideo],
    count: int,
    tagged: Mapping[str, Sequence[int]],
) -> list[tuple[PredictedVideo, tuple[ChosenFrame, ...]]]:
    """Return the frames to show: ``count`` of each video, and all that people tagged.

    Those may be of videos that are not asked for now; all models must have predicted them.
    """
    chosen = choose(videos, count, asked_for=tagged) if count else []
    there = {video.path.stem for video, _ in chosen}
    others = predicted_videos(request.runs, sessions=tagged)
    others = [video for video in others if video.path.stem not in there]
    return chosen + choose(others, 0, asked_for=tagged)


def picture_sizes(table: ReviewTable) -> Int[np.ndarray, "n 2"]:
    """Return height and width of each picture; frames of one video have one size."""
    known: dict[str, tuple[int, int]] = {}
    sizes = []
    for file, video in zip(table.files, table.videos, strict=True):
        key = video or str(file)
        if key not in known:
            known[key] = image_size(file)
        sizes.append(known[key])
    return np.array(sizes, dtype=np.int64).reshape(-1, 2)


def _checked(tables: Sequence[ReviewTable]) -> ReviewTable:
    if not sum(len(table) for table in tables):
        raise DataError("There is nothing to show: no labelled images and no predicted videos.")
    same_keypoints(
        {f"{table.views[0] or table.images[0]}": table.keypoint_names for table in tables if table}
    )
    return joined(tables)
