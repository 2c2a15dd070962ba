"""Checks that every tracker must pass, for our own tests and for authors of plug-ins.

Each builds small trackers by their registered name, from random weights, and raises ModelError in
words if one misbehaves::

    from lightning_pose.losses.factory import build_losses
    from lightning_pose.models.conformance import check_tracker

    check_tracker("my_tracker", losses=lambda name: build_losses([name], {}))
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from lightning_pose.contracts.batches import DataSpec, LabeledBatch, PairedBatch, VideoBatch
from lightning_pose.contracts.errors import ModelError
from lightning_pose.contracts.loss_inputs import (
    LabeledLossInputs,
    LossSum,
    LossTerm,
    UnlabeledLossInputs,
)
from lightning_pose.contracts.model_spec import ModelSpec
from lightning_pose.contracts.predictions import Predictions
from lightning_pose.contracts.registry import TRACKERS
from lightning_pose.models.base import BaseSupervisedTracker
from lightning_pose.models.build import build_tracker, load_tracker, save_weights

LossMaker = Callable[[str], LossSum]

KEYPOINTS = ("nose", "paw", "tail")
CLIP_LENGTHS = (1, 2, 3, 4, 7)
BATCH_LENGTHS = (3, 100)


def check_tracker(name: str, *, losses: LossMaker) -> None:
    """Run every check on the tracker of that name.

    Args:
        name: registered name.
        losses: makes the weighted loss of a given name.

    Raises:
        ModelError: the first check that failed.
    """
    for factor in (1, 2, 3):
        check_loss_falls(name, losses=losses, factor=factor)
    check_loss_falls(name, losses=losses, image_hw=(64, 128))
    check_missing_labels(name, losses=losses)
    check_learns_from_video(name, losses=losses)
    check_frames_once(name)
    check_save_and_load(name)


def check_loss_falls(
    name: str,
    *,
    losses: LossMaker,
    factor: int = 2,
    image_hw: tuple[int, int] = (64, 64),
) -> None:
    """Check that one small step against the gradient lowers the loss, for two views as well."""
    for views in (1, 2):
        tracker = small_tracker(name, losses=losses, factor=factor, image_hw=image_hw).train()
        batch = labeled_batch(tracker.data_spec, views=views)
        optimizer = torch.optim.Adam(tracker.parameters(), lr=1e-4)
        before = tracker.training_step(batch)
        before.backward()
        optimizer.step()
        after = tracker.training_step(batch)
        if not after < before:
            raise ModelError(
                f"{name}: a step against the gradient took the loss from {before:.6f} to "
                f"{after:.6f} ({views} views, factor {factor}, images {image_hw})."
            )


def check_missing_labels(name: str, *, losses: LossMaker) -> None:
    """Check that the loss and its gradient are finite with labels missing, or none at all."""
    for missing in (slice(0, 1), slice(None)):
        tracker = small_tracker(name, losses=losses).train()
        batch = labeled_batch(tracker.data_spec)
        batch.keypoints_net[missing] = torch.nan
        loss = tracker.training_step(batch)
        loss.backward()
        grads = [p.grad for p in tracker.parameters() if p.grad is not None]
        if not all(bool(value.isfinite().all()) for value in (loss, *grads)):
            raise ModelError(f"{name}: missing labels make the loss or its gradient NaN.")


def check_learns_from_video(name: str, *, losses: LossMaker) -> None:
    """Check that steps on labelled and unlabelled frames lower the loss on the latter."""
    for views in (1, 2):
        tracker = small_tracker(name, losses=losses, unsupervised_losses=Movement()).train()
        halo = tracker.data_spec.halo
        frames = clip(tracker.data_spec, num_frames=5 + 2 * halo, views=views)
        video = next(video_batches(frames[halo : -halo or None], halo=halo, batch_length=5))
        pair = PairedBatch(labeled=labeled_batch(tracker.data_spec, views=views), unlabeled=video)
        tracker.unsupervised_importance = 1000.0
        optimizer = torch.optim.Adam(tracker.parameters(), lr=1e-4)
        values: list[float] = []
        for _ in range(3):
            optimizer.zero_grad()
            loss = tracker.training_step(pair)
            loss.backward()
            optimizer.step()
            values.append(loss.item())
        if not values[-1] < values[0]:
            raise ModelError(
                f"{name}: steps against the gradient took the loss on video from {values[0]:.6f} "
                f"to {values[-1]:.6f} ({views} views)."
            )


class Movement:
    """A loss on video for these checks: the mean distance between neighbouring frames."""

    def __call__(self, inputs: LabeledLossInputs | UnlabeledLossInputs) -> list[LossTerm]:
        """Return it as the only term."""
        points = cast("Mapping[str, Tensor]", inputs)["keypoints_pred"]
        moved = (points.diff(dim=0).square().sum(-1) + 1e-6).sqrt().mean()
        return [LossTerm(name="movement", raw=moved, weighted=moved)]


def check_frames_once(name: str) -> None:
    """Check that each frame of a clip is predicted once, alike however the clip is cut."""
    tracker = small_tracker(name).eval()
    for num_frames in CLIP_LENGTHS:
        frames = clip(tracker.data_spec, num_frames=num_frames)
        tables = [_predict(tracker, frames, batch_length=length) for length in BATCH_LENGTHS]
        for table in tables:
            if not np.isfinite(table.xy_img).all():
                raise ModelError(f"{name}: a clip of {num_frames} frames gives NaN coordinates.")
        gap = np.abs(tables[0].xy_img - tables[1].xy_img).max()
        if gap > 0.01:
            raise ModelError(
                f"{name}: the prediction of a frame depends on the batch it is in, by {gap:.3f} "
                f"pixels in a clip of {num_frames} frames."
            )


def check_save_and_load(name: str) -> None:
    """Check that a tracker predicts the same after it was saved and loaded."""
    tracker = small_tracker(name).eval()
    batch = labeled_batch(tracker.data_spec)
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        path = save_weights(tracker, Path(folder) / "best.ckpt")
        same = load_tracker(path).predict_step(batch).xy_img == tracker.predict_step(batch).xy_img
    if not same.all():
        raise ModelError(f"{name}: a saved and loaded tracker predicts something else.")


def small_tracker(
    name: str,
    *,
    losses: LossMaker | None = None,
    unsupervised_losses: LossSum | None = None,
    factor: int = 2,
    image_hw: tuple[int, int] = (64, 64),
    backbone: str = "resnet18",
) -> BaseSupervisedTracker:
    """Return a tracker of three keypoints with random weights, the same in each call."""
    spec = ModelSpec(
        model_type=name,
        backbone=backbone,
        keypoint_names=KEYPOINTS,
        image_height=image_hw[0],
        image_width=image_hw[1],
        downsample_factor=factor,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = losses(TRACKERS.get(name).supervised_loss()) if losses is not None else None
        return build_tracker(spec, losses=made, unsupervised_losses=unsupervised_losses)


def labeled_batch(data_spec: DataSpec, *, rows: int = 4, views: int = 1) -> LabeledBatch:
    """Return made-up labelled frames; a network pixel is two image pixels."""
    size = torch.tensor([data_spec.width - 1.0, data_spec.height - 1.0])
    points = torch.rand(rows, views, len(KEYPOINTS), 2, generator=_generator())
    shape = (rows, views, data_spec.context, 3, data_spec.height, data_spec.width)
    return LabeledBatch(
        images=torch.randn(shape, generator=_generator()),
        keypoints_net=points * size,
        net_to_image=(2 * torch.eye(2, 3)).expand(rows, views, 2, 3),
        row_ids=torch.arange(rows),
    )


def clip(
    data_spec: DataSpec, *, num_frames: int, views: int = 1
) -> Float[Tensor, "t v 3 height width"]:
    """Return made-up frames."""
    shape = (num_frames, views, 3, data_spec.height, data_spec.width)
    return torch.randn(shape, generator=_generator())


def video_batches(
    frames: Float[Tensor, "t v 3 height width"], *, halo: int, batch_length: int
) -> Iterator[VideoBatch]:
    """Yield a clip as a video reader does: in pieces with a halo, edge frames repeated."""
    num_frames = len(frames)
    for first in range(0, num_frames, batch_length):
        ids = torch.arange(first, min(first + batch_length, num_frames))
        seen = torch.arange(int(ids[0]) - halo, int(ids[-1]) + halo + 1).clamp(0, num_frames - 1)
        affine = torch.eye(2, 3).expand(len(ids), frames.shape[1], 2, 3)
        yield VideoBatch(frames=frames[seen], net_to_image=affine, frame_ids=ids, halo=halo)


def _predict(tracker: BaseSupervisedTracker, frames: Tensor, *, batch_length: int) -> Predictions:
    batches = video_batches(frames, halo=tracker.data_spec.halo, batch_length=batch_length)
    with torch.inference_mode():
        parts = [tracker.predict_step(batch) for batch in batches]
    return Predictions.from_batches(parts, keypoint_names=KEYPOINTS, num_frames=len(frames))


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)
