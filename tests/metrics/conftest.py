"""Small labelled sets and the predictions of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from lightning_pose.contracts.labels import LabelTable
from lightning_pose.contracts.predictions import Predictions

NAN = float("nan")
MakeLabels = Callable[..., LabelTable]
MakePredictions = Callable[..., Predictions]


def names(count: int) -> tuple[str, ...]:
    return tuple(f"point{i}" for i in range(count))


@pytest.fixture
def make_labels(tmp_path: Path) -> MakeLabels:
    """Return a function that makes labels of points ``xy``, with images img0.png and so on."""

    def make(xy: object, *, visible: object = None, images: Sequence[str] = ()) -> LabelTable:
        points = np.asarray(xy, dtype=np.float64)
        return LabelTable(
            images=tuple(images) or tuple(f"img{i}.png" for i in range(len(points))),
            xy_img=points,
            keypoint_names=names(points.shape[1]),
            root=tmp_path,
            visible=None if visible is None else np.asarray(visible),
        )

    return make


@pytest.fixture
def make_predictions() -> MakePredictions:
    """Return a function that makes predictions ``xy``; of a video if ``images`` is False."""

    def make(
        xy: object,
        *,
        confidence: object = 0.5,
        images: Sequence[str] | bool = True,
        sets: Sequence[str] = (),
    ) -> Predictions:
        points = np.asarray(xy, dtype=np.float64)
        count = len(points)
        files = tuple(f"img{i}.png" for i in range(count)) if images is True else images
        return Predictions(
            xy_img=points,
            confidence=np.broadcast_to(np.asarray(confidence, float), points.shape[:2]).copy(),
            keypoint_names=names(points.shape[1]),
            frame_ids=np.arange(count),
            images=tuple(files or ()),
            sets=tuple(sets),
        )

    return make
