"""Apply a chain of transforms to a batch: all that moves in one resampling, then pixel values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from lightning_pose.data.augmentation.move import MotionPlan, Placed, move, plan_motion
from lightning_pose.data.augmentation.transfer import array_to_device, draws_to_device
from lightning_pose.data.augmentation.transform import Draws, PhotometricTransform, Step

Picked = tuple[Int[np.ndarray, " _"], Draws]


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """What was drawn for a batch, on the host.

    Attributes:
        motion: what moves, and how.
        levels: changes of pixel values, in their order; for each group of samples: which of them
            are picked, and what was drawn for them.
    """

    motion: MotionPlan
    levels: list[tuple[PhotometricTransform, list[Picked]]]


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
    ) -> tuple[Float[Tensor, "b v t 3 h w"], Float[Tensor, "b v k 2"], Float[Tensor, "b v 2 3"]]:
        """Return the three changed: :meth:`draw`, then :meth:`apply`."""
        batch, views, num_keypoints = keypoints_net.shape[:3]
        hw = (images.shape[-2], images.shape[-1])
        drawn = self.draw(batch * views, num_keypoints, hw, seed=seed)
        return self.apply(images, keypoints_net, net_to_image, drawn)

    def draw(
        self, n: int, num_keypoints: int, hw: tuple[int, int], *, seed: int, groups: int = 1
    ) -> Drawn:
        """Settle all chance for n samples; may be done in any thread, ahead of time.

        Args:
            n: each view of each sample draws anew, its frames share a draw: samples times views.
            num_keypoints: of each view.
            hw: height and width of the pictures.
            seed: a whole number of at least 0.
            groups: of equally many samples, one after the other; what else holds for all samples
                of a call, a size of patches for instance, is drawn for each of them.
        """
        motion = plan_motion(self.steps, seed=seed, n=n, num_keypoints=num_keypoints, hw=hw)
        levels: list[tuple[PhotometricTransform, list[Picked]]] = []
        for step in self.steps:
            transform = step.transform
            if isinstance(transform, PhotometricTransform):
                found: list[Picked] = []
                parts = groups if transform.shares_draws else 1
                for group in range(parts):
                    rng, picked = step.start(seed, n // parts, group=group)
                    drawn = transform.draw(rng, len(picked), hw) if len(picked) else {}
                    found.append((picked, drawn))
                levels.append((transform, found))
        return Drawn(motion=motion, levels=levels)

    def apply(
        self,
        images: Float[Tensor, "b v t 3 h w"] | UInt8[Tensor, "b v t 3 h w"],
        keypoints_net: Float[Tensor, "b v k 2"],
        net_to_image: Float[Tensor, "b v 2 3"],
        drawn: Drawn,
    ) -> tuple[Float[Tensor, "b v t 3 h w"], Float[Tensor, "b v k 2"], Float[Tensor, "b v 2 3"]]:
        """Return the three changed as drawn.

        Args:
            images: bytes, or floats in 0..1; left as they are.
            keypoints_net: NaN stays NaN; a point moved out of the picture keeps its coordinates.
            net_to_image: where a network pixel lies in the original image.
            drawn: for as many samples and keypoints, and pictures of this size.

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
        placed = move(placed, drawn.motion)
        changed = placed.images
        for transform, groups in drawn.levels:
            parts = zip(changed.chunk(len(groups)), groups, strict=True)
            done = [_change(part, transform, *picked) for part, picked in parts]
            changed = done[0] if len(done) == 1 else torch.cat(done)
        return (
            changed.unflatten(0, (batch, views)),
            placed.points.unflatten(0, (batch, views)),
            placed.to_image.unflatten(0, (batch, views)),
        )


def _change(
    images: Float[Tensor, "n t 3 h w"],
    transform: PhotometricTransform,
    picked: Int[np.ndarray, " m"],
    drawn: Draws,
) -> Float[Tensor, "n t 3 h w"]:
    """Return ``images`` with the picked ones changed, in place where not all are picked."""
    if not len(picked):
        return images
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
