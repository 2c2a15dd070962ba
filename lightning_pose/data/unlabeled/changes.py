"""How a sequence is changed at random: affine, brightness, contrast and noise for all of it."""

from __future__ import annotations

import math

import torch

from lightning_pose.contracts.batches import DataSpec
from lightning_pose.data.unlabeled.seeds import random_source
from lightning_pose.ops.affine import affine_about
from lightning_pose.video.sequence_input import SequenceChange

_CHANGE = 1
ROTATION_DEG = 10.0
SCALE = (0.8, 1.2)
BRIGHTNESS = (0.75, 1.25)
CONTRAST = (0.75, 1.25)
NOISE_STD_AT_MOST = 0.03  # of the range of grey levels: 8 of 255


def draw_change(
    spec: DataSpec, *, seed: int, epoch: int, step: int, rank: int, view: int
) -> SequenceChange:
    """Return the change of one view of one sequence; a pure function of its arguments.

    Rotation up to 10 degrees either way and scale .8 to 1.2 about the centre of the network's
    input, brightness and contrast .75 to 1.25, noise of a standard deviation up to .03.
    """
    random = random_source(seed, _CHANGE, epoch, step, rank, view)
    angle = math.radians(random.uniform(-ROTATION_DEG, ROTATION_DEG))
    scale = random.uniform(*SCALE)
    cosine, sine = math.cos(angle) / scale, math.sin(angle) / scale
    linear = torch.tensor([[cosine, -sine], [sine, cosine]], dtype=torch.float64)
    center = torch.tensor([(spec.width - 1) / 2, (spec.height - 1) / 2], dtype=torch.float64)
    return SequenceChange(
        out_to_net=affine_about(linear, center).float(),
        brightness=random.uniform(*BRIGHTNESS),
        contrast=random.uniform(*CONTRAST),
        noise_std=random.uniform(0, NOISE_STD_AT_MOST),
        noise_seed=int(random.integers(2**62)),
    )
