"""What is read off a batch besides its loss: coordinates in image pixels, and their errors."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lightning_pose.contracts.batches import LabeledBatch
from lightning_pose.ops.affine import apply_affine


def to_image(
    keypoints_net: Float[Tensor, "n k 2"], net_to_image: Float[Tensor, "n v 2 3"]
) -> Float[Tensor, "n k 2"]:
    """Return keypoints of all views, laid side by side, in original image pixels."""
    by_view = keypoints_net.unflatten(1, (net_to_image.shape[1], -1))
    return apply_affine(net_to_image, by_view).flatten(1, 2)


def pixel_errors(
    batch: LabeledBatch, keypoints_img: Float[Tensor, "b k 2"], net_size: Float[Tensor, " 2"]
) -> tuple[Float[Tensor, ""], Int[Tensor, ""]]:
    """Return the sum of the distances from the labels, in image pixels, and the number of labels.

    Labels outside the network's input do not count, nor do missing ones.
    """
    places = batch.keypoints_net.flatten(1, 2)
    targets = to_image(places, batch.net_to_image)
    inside = (places >= -0.5) & (places <= net_size - 0.5)
    labelled = targets.isfinite().all(-1) & inside.all(-1)
    distance = (keypoints_img - targets).norm(dim=-1)
    return torch.where(labelled, distance, 0.0).sum(), labelled.sum()
