"""Frames of predicted videos for a comparison: which, and as pictures on disk."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from lightning_pose.contracts.errors import DataError, VideoError
from lightning_pose.contracts.files import is_other_file, write_atomically
from lightning_pose.data.context import CONTEXT
from lightning_pose.data.wording import listed
from lightning_pose.metrics.frame_choice import ChosenFrame, choose_frames, frame_scores, largest
from lightning_pose.mlops.results import Result, RunResults
from lightning_pose.mlops.review.table import (
    PIXEL_ERROR,
    VIDEO,
    ReviewTable,
    label_file,
    metric_values,
    same_keypoints,
)
from lightning_pose.mlops.versions.tree import relocated
from lightning_pose.video.files import refuse_one_stem
from lightning_pose.video.random_access import SequenceReader

PICTURES = "labeled-data"
TEMPORAL_NORM = "temporal_norm"  # frame_scores has it from the predictions


@dataclass(frozen=True, kw_only=True)
class PredictedVideo:
    """A video, and what each model says of it.

    Attributes:
        path: of the video.
        session: its name without the view.
        view: of a camera; empty for a single view.
        label_file: csv that labels of its frames would go to; empty if unknown.
        results: by the name of the model, all with the same frames.
    """

    path: Path
    session: str
    view: str
    label_file: str
    results: Mapping[str, Result]

    @property
    def num_frames(self) -> int:
        """Return how many frames were predicted."""
        return len(next(iter(self.results.values())).predictions)


def predicted_videos(
    runs: Sequence[RunResults],
    named: Sequence[Path] | None = None,
    *,
    sessions: Collection[str] | None = None,
) -> list[PredictedVideo]:
    """Return the videos that every model has predicted.

    Args:
        runs: the models.
        named: the videos to take; None = all that every model has predicted and that are here.
        sessions: of these alone; None = of all.

    Raises:
        VideoError: two named videos have one name.
        DataError: a named video was not predicted by a model, is not there, or the models have
            predicted another one or different numbers of frames of it.
    """
    refuse_one_stem(named or ())
    stems = [{result.stem: result for result in run.videos} for run in runs]
    common = [stem for stem in stems[0] if all(stem in known for known in stems)]
    places = {path.stem: path for path in named or ()}
    for stem, path in places.items():
        lacking = [run for run, known in zip(runs, stems, strict=True) if stem not in known]
        if lacking:
            raise DataError(
                f"{path} was not predicted with {listed(run.name for run in lacking)}. First: "
                f"litpose predict {lacking[0].folder} {path}"
            )
        if not path.is_file():
            raise DataError(f"{path}: there is no such video.")
    found = []
    for stem in common if named is None else places:
        results = {run.name: known[stem] for run, known in zip(runs, stems, strict=True)}
        if sessions is not None and _session(stems[0][stem]) not in sessions:
            continue
        place = places.get(stem) or _place(results.values())
        if place is not None:
            found.append(_video(place, results, runs[0]))
    return found


def choose(
    videos: Sequence[PredictedVideo],
    count: int,
    *,
    asked_for: Mapping[str, Sequence[int]] | None = None,
) -> list[tuple[PredictedVideo, tuple[ChosenFrame, ...]]]:
    """Return the frames to look at of each video; cameras of one session get the same ones.

    Args:
        videos: predicted by the same models.
        count: frames of a session.
        asked_for: frames of a session to take in any case.
    """
    sessions: dict[str, list[PredictedVideo]] = {}
    for video in videos:
        sessions.setdefault(video.session, []).append(video)
    chosen = []
    for session, members in sessions.items():
        frames = min(video.num_frames for video in members)
        scores = [
            {name: values[:frames] for name, values in scores_of_video(video).items()}
            for video in members
        ]
        names = dict.fromkeys(name for one in scores for name in one)
        of_all = {n: largest(np.stack([one[n] for one in scores if n in one]), 0) for n in names}
        wished = (asked_for or {}).get(session, ())
        found = choose_frames(of_all, count, num_frames=frames, asked_for=wished)
        chosen += [(video, found) for video in members]
    return chosen


def frames_table(
    video: PredictedVideo, chosen: Sequence[ChosenFrame], folder: Path
) -> ReviewTable:
    """Return the rows of chosen frames; their pictures are :func:`write_pictures`'.

    Args:
        video: the video.
        chosen: its frames.
        folder: the pictures lie in ``labeled-data/<video>/`` in it.
    """
    results = list(video.results.values())
    keypoints = same_keypoints({n: r.predictions.keypoint_names for n, r in video.results.items()})
    rows = [one.frame for one in chosen]
    n, k = len(rows), len(keypoints)
    metrics: dict[str, np.ndarray] = {}
    for model, result in enumerate(results):
        for name, values in metric_values(result, rows, keypoints).items():
            metrics.setdefault(name, np.full((len(results), n, k), np.nan))[model] = values
    images = tuple(picture_name(video.path, frame) for frame in rows)
    return ReviewTable(
        models=tuple(video.results),
        keypoint_names=keypoints,
        files=tuple(folder / image for image in images),
        images=images,
        groups=tuple(f"{video.session} {frame}" for frame in rows),
        views=(video.view,) * n,
        sessions=(video.session,) * n,
        splits=(VIDEO,) * n,
        distributions=(VIDEO,) * n,
        videos=(str(video.path.resolve()),) * n,
        frames=np.array(rows, dtype=np.int64),
        reasons=tuple(one.reason for one in chosen),
        label_files=(video.label_file,) * n,
        label_xy=np.full((n, k, 2), np.nan),
        xy=np.stack([result.predictions.xy_img[rows] for result in results]),
        confidence=np.stack([result.predictions.confidence[rows] for result in results]),
        metrics=metrics,
    )


def picture_name(video: Path, frame: int) -> str:
    """Return what a frame of a video is called, as images of labels are."""
    return f"{PICTURES}/{video.stem}/img{frame:08d}.png"


def write_pictures(
    video: Path, frames: Sequence[int], folder: Path, *, progress: Callable[[], None] | None = None
) -> list[Path]:
    """Write frames of a video as png files; return their paths.

    Args:
        video: the video.
        frames: 0-based numbers, those of the predictions' rows.
        folder: see :func:`frames_table`.
        progress: is called after each frame.

    Raises:
        VideoError: a frame cannot be decoded.
        WriteError: a file cannot be written.
    """
    reader = SequenceReader(video)
    paths = []
    for frame in frames:
        picture = reader.read(frame, 1)[0]
        if reader.num_replaced:
            raise VideoError(f"{video}: frame {frame} cannot be decoded; mend the video first.")
        paths.append(_write_picture(picture, folder / picture_name(video, frame)))
        if progress is not None:
            progress()
    reader.close()
    return paths


def write_neighbours(video: Path, frames: Sequence[int], folder: Path) -> list[Path]:
    """Write the frames around some frames, which context models look at; return their paths.

    What is there already is left alone, and what cannot be decoded is left out: the frame itself
    stands in for it, as at the ends of a video.

    Args:
        video: the video.
        frames: 0-based numbers, whose pictures are :func:`write_pictures`'.
        folder: see :func:`frames_table`.

    Raises:
        VideoError: the video cannot be read.
        WriteError: a file cannot be written.
    """
    reader = SequenceReader(video)
    halo, given = (CONTEXT - 1) // 2, set(frames)
    around = {near for frame in given for near in range(frame - halo, frame + halo + 1)}
    paths = []
    for frame in sorted(around - given):
        path = folder / picture_name(video, frame)
        if 0 <= frame < reader.num_frames and not path.exists():
            replaced = reader.num_replaced
            picture = reader.read(frame, 1)[0]
            if reader.num_replaced == replaced:
                paths.append(_write_picture(picture, path))
    reader.close()
    return paths


def scores_of_video(video: PredictedVideo) -> dict[str, np.ndarray]:
    """Return what the criteria of :func:`frame_scores` say of each frame, PCA errors included."""
    results = list(video.results.values())
    keypoints = same_keypoints({n: r.predictions.keypoint_names for n, r in video.results.items()})
    every = range(video.num_frames)
    of_models = [metric_values(result, every, keypoints) for result in results]
    names = [n for n in of_models[0] if all(n in one for one in of_models)]
    return frame_scores(
        np.stack([result.predictions.xy_img for result in results]),
        np.stack([result.predictions.confidence for result in results]),
        {
            name: np.stack([one[name] for one in of_models])
            for name in names
            if name not in (TEMPORAL_NORM, PIXEL_ERROR)
        },
    )


def _write_picture(picture: UInt8[np.ndarray, "h w 3"], path: Path) -> Path:
    image = Image.fromarray(picture)
    return write_atomically(path, lambda temporary: image.save(temporary, "png"))


def _session(result: Result) -> str:
    """Return the name of a predicted video without its view."""
    return result.stem.removesuffix(f"_{result.view}") if result.view else result.stem


def _place(results: Iterable[Result]) -> Path | None:
    """Return where a predicted video is now; None if it is not found."""
    for result in results:
        if result.source is not None:
            place = relocated(result.source, beside=result.path)
            if place.is_file():
                return place
    return None


def _video(path: Path, results: Mapping[str, Result], run: RunResults) -> PredictedVideo:
    for name, result in results.items():
        if result.source is not None and is_other_file(result.source, path):
            raise DataError(
                f"{result.path} is of another video of that name ({result.source}) than {path}. "
                f"Rename one, and predict it with {name}: litpose predict MODEL VIDEO"
            )
    frames = {name: len(result.predictions) for name, result in results.items()}
    if len(set(frames.values())) > 1:
        told = ", ".join(f"{number} with {name}" for name, number in frames.items())
        raise DataError(
            f"Different numbers of frames of {path} were predicted ({told}); predict it again "
            "with each model (--overwrite)."
        )
    first = next(iter(results.values()))
    view, session = first.view, _session(first)
    labelled = next((label_file(one) for one in run.labeled if one.view == view), "")
    return PredictedVideo(
        path=path, session=session, view=view, label_file=labelled, results=results
    )
