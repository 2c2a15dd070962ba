"""Short clips of videos around telling frames, as a FiftyOne data set of videos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lightning_pose.metrics.frame_choice import ChosenFrame, ensemble_spread, largest
from lightning_pose.mlops.review.carrying import Lost, label_of, marks_of_clips, take_over
from lightning_pose.mlops.review.dataset import (
    ABOUT,
    FORMAT,
    MARK,
    colour_scheme,
    find_ours,
    skeleton,
)
from lightning_pose.mlops.review.documents import Marks, normalised
from lightning_pose.mlops.review.fields import model_fields
from lightning_pose.mlops.review.video_frames import PredictedVideo
from lightning_pose.mlops.skeleton import Edges
from lightning_pose.video.random_access import SequenceReader
from lightning_pose.video.writer import VideoWriter

CLIPS = "clips"
SECONDS, MOST_FRAMES = 2.0, 150


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A piece of a video as a file of its own.

    Attributes:
        video: it was cut from.
        path: of the clip.
        first: 0-based number in the video of its first frame.
        size: height and width in pixels: even, as video files need it.
        frames: how many.
        reason: why it was cut there.
    """

    video: PredictedVideo
    path: Path
    first: int
    size: tuple[int, int]
    frames: int
    reason: str


def cut_clip(video: PredictedVideo, around: ChosenFrame, folder: Path) -> Clip:
    """Write the two seconds around a frame, 150 frames at most, as mp4.

    Raises:
        VideoError: the frames cannot be decoded.
        WriteError: the file cannot be written.
    """
    reader = SequenceReader(video.path)
    fps = float(reader.info.fps)
    count = max(1, min(MOST_FRAMES, round(SECONDS * fps), video.num_frames))
    first = min(max(0, around.frame - count // 2), video.num_frames - count)
    path = folder / CLIPS / f"{video.path.stem}_{first:08d}.mp4"
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = reader.info.height, reader.info.width
    with VideoWriter(path, fps=reader.info.fps, width=width, height=height) as writer:
        for start in range(first, first + count):
            writer.write(reader.read(start, 1)[0])
    reader.close()
    return Clip(
        video=video,
        path=path,
        first=first,
        size=(height + height % 2, width + width % 2),
        frames=count,
        reason=around.reason,
    )


def build_clips(
    fo: Any, name: str, clips: Sequence[Clip], about: dict[str, Any], *, edges: Edges
) -> Lost:
    """Make the data set of clips, or make it anew with the tags and views it had.

    Returns:
        what of people's work could not be carried over.

    Frames of FiftyOne are counted from 1; the field ``frame`` of each has its 0-based number in
    the whole video.

    Raises:
        DataError: the name is in use by a data set of somebody else.
    """
    old = find_ours(fo, name, clips=True)
    marks = {} if old is None else marks_of_clips(old)
    dataset = fo.Dataset(f"{name} (being built)", persistent=False, overwrite=True)
    samples = []
    for clip in clips:
        marked = marks.get((clip.path.name, ""), Marks())
        sample = fo.Sample(filepath=str(clip.path.resolve()), tags=list(marked.tags))
        sample["video"] = str(clip.video.path.resolve())
        sample["session"], sample["first_frame"] = clip.video.session, clip.first
        sample["chosen_for"] = clip.reason
        if clip.video.view:
            sample["view"] = clip.video.view
        for number, frame in enumerate(_frames(fo, clip, marked), start=1):
            sample.frames[number] = frame
        samples.append(sample)
    dataset.add_samples(samples, dynamic=True, progress=False)
    result = next(iter(clips[0].video.results.values()))
    dataset.default_skeleton = skeleton(fo, result.predictions.keypoint_names, edges)
    fields = [f"frames.{field}" for field in model_fields(list(clips[0].video.results))]
    dataset.app_config.color_scheme = colour_scheme(fo, fields)
    dataset.info = {ABOUT: {**about, MARK: FORMAT}}
    dataset.save()
    return take_over(fo, old, dataset, name, marks=(marks, marks_of_clips(dataset)))


def _frames(fo: Any, clip: Clip, marked: Marks) -> list[Any]:
    """Return the labels of each frame of a clip."""
    rows = slice(clip.first, clip.first + clip.frames)
    sizes = np.tile(np.array(clip.size), (clip.frames, 1))
    models = list(clip.video.results)
    xy = np.stack([r.predictions.xy_img[rows] for r in clip.video.results.values()])
    spread = ensemble_spread(xy)
    points = [normalised(one, sizes) for one in xy]
    confidence = [r.predictions.confidence[rows] for r in clip.video.results.values()]
    disagreement = largest(spread, -1)
    frames = []
    for row in range(clip.frames):
        labels = {
            field: fo.Keypoints(
                keypoints=[
                    fo.Keypoint(
                        label=field,
                        points=points[m][row].tolist(),
                        confidence=confidence[m][row].tolist(),
                        spread=spread[row].tolist(),
                        tags=list(marked.label_tags.get(label_of(field, row + 1), ())),
                    )
                ]
            )
            for m, field in enumerate(model_fields(models))
        }
        known = {} if np.isnan(disagreement[row]) else {"disagreement": float(disagreement[row])}
        frames.append(fo.Frame(frame=clip.first + row, **labels, **known))
    return frames
