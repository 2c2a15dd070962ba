"""Which frames are worth looking at: the worst of each model, and those where models differ."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from itertools import combinations
from pathlib import Path

import numpy as np
from jaxtyping import Float

from lightning_pose.contracts.predictions import SETS
from lightning_pose.mlops.figures.tables import set_names
from lightning_pose.mlops.results import Result, RunResults

TRAIN = SETS[0]
APART = 30  # frames between two that are shown of a video
Pose = Mapping[str, Float[np.ndarray, " 2"]]


@dataclass(frozen=True, kw_only=True)
class Frame:
    """An image or a frame of a video, and where each model sees the keypoints.

    Attributes:
        name: path of the image, or video and frame number.
        file: the image, or the video.
        number: of the frame; None for an image.
        label: pixels by keypoint name; NaN = not labelled. Empty for a frame of a video.
        predictions: the same for each model.
        seen_by: models that learnt from it.
    """

    name: str
    file: Path
    number: int | None = None
    label: Pose = field(default_factory=dict[str, Float[np.ndarray, " 2"]])
    predictions: Mapping[str, Pose] = field(default_factory=dict[str, Pose])
    seen_by: tuple[str, ...] = ()

    def error_px(self, model: str) -> float:
        """Return the mean distance of a model's keypoints from the labels; NaN without any."""
        return _distance(self.predictions.get(model, {}), self.label)

    def disagreement_px(self) -> float:
        """Return the largest mean distance between two models; NaN with fewer than two."""
        poses = list(self.predictions.values())
        pairs = combinations(poses, 2)
        return max((_distance(*pair) for pair in pairs), default=float("nan"))


def labelled_frames(runs: Sequence[RunResults]) -> list[Frame]:
    """Return every labelled image that is used, with the predictions of all runs that have it."""
    frames: dict[tuple[str, str], Frame] = {}
    for run in runs:
        for result in run.labeled:
            _add_images(frames, run.name, result)
    return list(frames.values())


def video_frame(runs: Sequence[RunResults], video: str, number: int) -> Frame:
    """Return one frame of a video, with the predictions of all runs that have it."""
    found = [(run.name, one) for run in runs for one in run.videos if one.stem == video]
    source = next((one.source for _, one in found if one.source is not None), Path(video))
    rows = [(*pair, np.flatnonzero(pair[1].predictions.frame_ids == number)) for pair in found]
    return Frame(
        name=f"{video}, frame {number}",
        file=source,
        number=number,
        predictions={name: _pose(one, int(at[0])) for name, one, at in rows if len(at)},
    )


def most_different_in_video(runs: Sequence[RunResults], video: str, most: int) -> list[Frame]:
    """Return the frames of a video in which models differ most, some way apart.

    A frame's difference is the largest of two models' mean distances over shared keypoints.
    """
    tables = [o.predictions for run in runs for o in run.videos if o.stem == video]
    if len(tables) < 2:
        return []
    shared = [n for n in tables[0].keypoint_names if all(n in t.keypoint_names for t in tables)]
    ids = reduce(np.intersect1d, [table.frame_ids for table in tables])
    if not shared or not len(ids):
        return []
    xy = [
        table.xy_img[np.isin(table.frame_ids, ids)][
            :, [table.keypoint_names.index(n) for n in shared]
        ]
        for table in tables
    ]
    gaps = [np.linalg.norm(one - other, axis=-1) for one, other in combinations(xy, 2)]
    means = np.max([np.ma.masked_invalid(gap).mean(axis=1).filled(-1.0) for gap in gaps], axis=0)
    chosen: list[int] = []
    for place in np.argsort(-means, kind="stable"):
        if len(chosen) == most or means[place] < 0:
            break
        if all(abs(ids[place] - other) >= APART for other in chosen):
            chosen.append(int(ids[place]))
    return [video_frame(runs, video, number) for number in chosen]


def worst(frames: Iterable[Frame], model: str, most: int) -> list[Frame]:
    """Return the images of a model's largest errors, of those it did not learn from if any."""
    known = [frame for frame in frames if np.isfinite(frame.error_px(model))]
    unseen = [frame for frame in known if model not in frame.seen_by]
    return _largest(unseen or known, lambda frame: frame.error_px(model), most)


def most_different(frames: Iterable[Frame], most: int) -> list[Frame]:
    """Return the frames in which models differ most."""
    return _largest(frames, lambda frame: frame.disagreement_px(), most)


def _largest(frames: Iterable[Frame], key: Callable[[Frame], float], most: int) -> list[Frame]:
    keyed = [(key(frame), frame) for frame in frames]
    keyed = [pair for pair in keyed if np.isfinite(pair[0])]
    return [frame for _, frame in sorted(keyed, key=lambda pair: -pair[0])[:most]]


def _add_images(frames: dict[tuple[str, str], Frame], model: str, result: Result) -> None:
    labels, sets = result.labels, set_names(result)
    if labels is None:
        return
    for row, image in enumerate(labels.images):
        if sets[row] == SETS[3]:
            continue
        before = frames.get((image, result.view))
        names = labels.keypoint_names
        label = before.label if before else dict(zip(names, labels.xy_img[row], strict=True))
        predictions = {**(before.predictions if before else {}), model: _pose(result, row)}
        seen = (*(before.seen_by if before else ()), *([model] if sets[row] == TRAIN else []))
        frames[image, result.view] = Frame(
            name=image,
            file=labels.path(row),
            label=label,
            predictions=predictions,
            seen_by=seen,
        )


def _pose(result: Result, row: int) -> Pose:
    predictions = result.predictions
    return dict(zip(predictions.keypoint_names, predictions.xy_img[row], strict=True))


def _distance(one: Pose, other: Pose) -> float:
    """Return the mean distance over the keypoints that both have."""
    shared = [name for name in one if name in other]
    if not shared:
        return float("nan")
    gaps = np.stack([one[name] for name in shared]) - np.stack([other[name] for name in shared])
    lengths = np.linalg.norm(gaps, axis=-1)
    known = np.isfinite(lengths)
    return float(lengths[known].mean()) if known.any() else float("nan")
