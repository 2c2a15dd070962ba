"""Move pictures, keypoints and ``net_to_image`` together, with one resampling of the pixels."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from lightning_pose.data.augmentation.transfer import array_to_device, draws_to_device
from lightning_pose.data.augmentation.transform import (
    DisplacementTransform,
    Draws,
    GeometricTransform,
    Motion,
    Step,
)
from lightning_pose.ops.affine import (
    apply_affine,
    compose_affine,
    invert_affine,
    sample_images,
    sampling_points,
)


@dataclass(frozen=True, kw_only=True)
class Placed:
    """Pictures of n samples with what says where things are in them."""

    images: Float[Tensor, "n t 3 h w"]
    points: Float[Tensor, "n k 2"]
    to_image: Float[Tensor, "n 2 3"]


@dataclass(frozen=True, kw_only=True)
class MotionPlan:
    """What was drawn for the m samples of a batch that move.

    Attributes:
        rows: which samples those are.
        motion: their affine motion, identity for those that only get displaced.
        order: which keypoint each one becomes.
        fields: displacements with their draws, all zero for those that only get moved.
    """

    rows: Int[np.ndarray, " m"]
    motion: Motion
    order: Int[np.ndarray, "m k"]
    fields: list[tuple[DisplacementTransform, Draws]]


def plan_motion(
    steps: tuple[Step, ...], *, seed: int, n: int, num_keypoints: int, hw: tuple[int, int]
) -> MotionPlan:
    """Return what the geometric steps do to n samples: turns, then frames, then displacements."""
    motion = Motion.none(n)
    order = np.tile(np.arange(num_keypoints), (n, 1))
    fields, moved = [], np.zeros(n, dtype=bool)
    for step in steps:
        transform = step.transform
        if isinstance(transform, GeometricTransform):
            rng, picked = step.start(seed, n)
            drawn = transform.draw(rng, len(picked))
            motion.turn[picked] = drawn.turn @ motion.turn[picked]
            motion.frame[picked] = _join(drawn.frame, motion.frame[picked])
            order[picked] = order[picked][:, transform.keypoint_order(num_keypoints)]
            moved[picked] = True
        elif isinstance(transform, DisplacementTransform):
            rng, picked = step.start(seed, n)
            drawn = transform.draw(rng, len(picked), hw)
            fields.append((transform, {key: _spread(drawn[key], picked, n) for key in drawn}))
            moved[picked] = True
    rows = np.flatnonzero(moved)
    return MotionPlan(
        rows=rows,
        motion=Motion(turn=motion.turn[rows], frame=motion.frame[rows]),
        order=order[rows],
        fields=[(field, {key: drawn[key][rows] for key in drawn}) for field, drawn in fields],
    )


def move(placed: Placed, plan: MotionPlan) -> Placed:
    """Return ``placed`` with the planned samples moved, the images in place.

    The other samples are the same to the bit.
    """
    if not len(plan.rows):
        return placed
    device = placed.images.device
    rows = array_to_device(plan.rows, device)
    moved = _move_all(
        Placed(
            images=placed.images.index_select(0, rows),
            points=placed.points.index_select(0, rows),
            to_image=placed.to_image.index_select(0, rows),
        ),
        replace(
            plan, fields=[(field, draws_to_device(drawn, device)) for field, drawn in plan.fields]
        ),
    )
    if len(plan.rows) == len(placed.images):
        return moved
    return Placed(
        images=placed.images.index_copy_(0, rows, moved.images),
        points=placed.points.index_copy(0, rows, moved.points),
        to_image=placed.to_image.index_copy(0, rows, moved.to_image),
    )


def _move_all(placed: Placed, plan: MotionPlan) -> Placed:
    """Return ``placed`` moved: what was at p shows at the q with q + d(q) = forward(p)."""
    images = placed.images
    hw = images.shape[-2], images.shape[-1]
    forward = _network_motion(plan.motion, placed.to_image, hw)
    backward = invert_affine(forward)

    sources = sampling_points(backward, hw)
    for field, drawn in plan.fields:
        along_x, along_y = field.at_pixels(drawn, hw).split(1, dim=1)
        sources = torch.addcmul(sources, backward[..., :1, None], along_x)
        sources = torch.addcmul(sources, backward[..., 1:2, None], along_y)
    warped = sample_images(images.flatten(1, 2), sources).view_as(images)

    points = _undisplace(apply_affine(forward, placed.points), plan.fields)
    order = array_to_device(plan.order, points.device)[..., None].expand_as(points)
    return Placed(
        images=warped,
        points=points.gather(1, order),
        to_image=compose_affine(placed.to_image, backward),
    )


def _network_motion(
    motion: Motion, to_image: Float[Tensor, "m 2 3"], hw: tuple[int, int]
) -> Float[Tensor, "m 2 3"]:
    """Return the motion in network pixels, turned about the picture's centre.

    With S the linear part of ``to_image``, a turn R of the original image is S^-1 R S in network
    pixels, which need not be square.
    """
    height, width = hw
    center = np.array([[width - 1.0], [height - 1.0]]) / 2.0
    half = np.diag([width, height]) / 2.0
    centered_to_frame = np.hstack([np.linalg.inv(half), np.zeros((2, 1))])
    after_turn = _join(np.hstack([half, center]), _join(motion.frame, centered_to_frame))
    turn = np.concatenate([motion.turn, np.zeros_like(motion.turn[..., :1])], -1)
    to_center = np.broadcast_to(np.hstack([np.eye(2), -center]), turn.shape)
    maps = np.stack([after_turn, turn, to_center])
    after, turned, before = array_to_device(maps, to_image.device)

    stretch = functional.pad(to_image[..., :2], (0, 1))
    turned = compose_affine(invert_affine(stretch), compose_affine(turned, stretch))
    return compose_affine(after, compose_affine(turned, before))


def _undisplace(
    points: Float[Tensor, "m k 2"], fields: list[tuple[DisplacementTransform, Draws]]
) -> Float[Tensor, "m k 2"]:
    """Return the q with q + d(q) = r for each of ``points`` r, by repeating q <- r - d(q)."""
    shown = points
    for _ in range(max((field.inversion_steps for field, _ in fields), default=0)):
        shift = torch.stack([field.at_points(drawn, shown) for field, drawn in fields]).sum(0)
        shown = points - shift
    return shown


def _join(
    outer: Float[np.ndarray, "*#n 2 3"], inner: Float[np.ndarray, "*#n 2 3"]
) -> Float[np.ndarray, "*#n 2 3"]:
    """Return the maps that do ``inner`` first and ``outer`` after it, in float64 on the host."""
    joined = outer[..., :2] @ inner
    joined[..., 2] += outer[..., 2]
    return joined


def _spread(drawn: np.ndarray, picked: Int[np.ndarray, " p"], n: int) -> np.ndarray:
    """Return ``drawn`` as the picked rows of n, the others zero."""
    spread = np.zeros((n, *drawn.shape[1:]), dtype=drawn.dtype)
    spread[picked] = drawn
    return spread
