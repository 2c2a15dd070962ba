"""Apply a chain of transforms to a batch: all that moves in one resampling, then pixel values."""

from __future__ import annotations

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from lightning_pose.data.augmentation.move import Placed, move, plan_motion
from lightning_pose.data.augmentation.transfer import array_to_device, draws_to_device
from lightning_pose.data.augmentation.transform import PhotometricTransform, Step


class Augmenter:
    """Change labelled frames at random, with keypoints and ``net_to_image`` moving along.

    Geometric steps come first, whatever their place in the chain, and are joined: turns, then
    zooms and flips, then elastic displacement; the pixels are read once. The other steps follow in
    the order given. What happens is a function of ``seed`` alone, and nothing waits for the
    device.

    Args:
        steps: the chain; empty for no change.
    """

    def __init__(self, steps: tuple[Step, ...] = ()) -> None:
        self.steps = steps

    def __repr__(self) -> str:
        chain = ", ".join(f"{step.transform!r} with p={step.p:g}" for step in self.steps)
        return f"Augmenter({chain or 'no change'})"

    def __call__(
        self,
        images: Float[Tensor, "b v t 3 h w"] | UInt8[Tensor, "b v t 3 h w"],
        keypoints_net: Float[Tensor, "b v k 2"],
        net_to_image: Float[Tensor, "b v 2 3"],
        *,
        seed: int,
        groups: int = 1,
    ) -> tuple[Float[Tensor, "b v t 3 h w"], Float[Tensor, "b v k 2"], Float[Tensor, "b v 2 3"]]:
        """Return the three changed; each view of each sample draws anew, its frames share a draw.

        Args:
            images: bytes, or floats in 0..1; left as they are.
            keypoints_net: NaN stays NaN; a point moved out of the picture keeps its coordinates.
            net_to_image: where a network pixel lies in the original image.
            seed: a whole number of at least 0 that settles all chance here.
            groups: of equally many samples, one after the other; what else holds for all samples
                of a call, a size of patches for instance, is drawn for each of them.

        Returns:
            images as float32 in 0..1; the keypoints where the changed picture shows them; and the
            map for which ``apply_affine(net_to_image, keypoints_net)`` is what it was before,
            except that flips rename keypoints, and that elastic displacement (0.3 px RMS at its
            default strongest) is in the keypoints but cannot be in an affine map.
        """
        batch, views = images.shape[:2]
        placed = Placed(
            images=_unit_floats(images).flatten(0, 1),
            points=keypoints_net.flatten(0, 1),
            to_image=net_to_image.flatten(0, 1),
        )
        plan = plan_motion(
            self.steps,
            seed=seed,
            n=batch * views,
            num_keypoints=keypoints_net.shape[2],
            hw=(images.shape[-2], images.shape[-1]),
        )
        placed = move(placed, plan)
        changed = placed.images
        for step in self.steps:
            changed = _change_levels(changed, step, seed=seed, groups=groups)
        return (
            changed.unflatten(0, (batch, views)),
            placed.points.unflatten(0, (batch, views)),
            placed.to_image.unflatten(0, (batch, views)),
        )


def _change_levels(
    images: Float[Tensor, "n t 3 h w"], step: Step, *, seed: int, groups: int
) -> Float[Tensor, "n t 3 h w"]:
    """Return ``images`` with those that the step picks changed."""
    transform = step.transform
    if not isinstance(transform, PhotometricTransform):
        return images
    if groups == 1 or not transform.shares_draws:
        return _change_group(images, step, transform, seed=seed)
    parts = enumerate(images.chunk(groups))
    return torch.cat(
        [_change_group(part, step, transform, seed=seed, group=group) for group, part in parts]
    )


def _change_group(
    images: Float[Tensor, "n t 3 h w"],
    step: Step,
    transform: PhotometricTransform,
    *,
    seed: int,
    group: int = 0,
) -> Float[Tensor, "n t 3 h w"]:
    """Return ``images`` with the picked ones changed, in place where not all are picked."""
    rng, picked = step.start(seed, len(images), group=group)
    if not len(picked):
        return images
    drawn = transform.draw(rng, len(picked), (images.shape[-2], images.shape[-1]))
    draws = draws_to_device(drawn, images.device)
    if len(picked) == len(images):
        return transform.apply(images, draws)
    rows = array_to_device(picked, images.device)
    return images.index_copy_(0, rows, transform.apply(images.index_select(0, rows), draws))


def _unit_floats(
    images: Float[Tensor, "b v t 3 h w"] | UInt8[Tensor, "b v t 3 h w"],
) -> Float[Tensor, "b v t 3 h w"]:
    """Return ``images`` as float32 in 0..1, in memory of their own, colour by colour.

    They may come channels-last; filters and resampling are faster on planes.
    """
    planes = torch.empty(images.shape, dtype=torch.float32, device=images.device)
    if images.dtype == torch.uint8:
        return torch.div(images, 255.0, out=planes)
    return planes.copy_(images)
