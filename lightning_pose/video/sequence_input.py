"""From a sequence of decoded frames to the network's input, changed at random for training.

One change holds for all frames of a sequence, so that motion stays motion: an affine, brightness
and contrast, and noise (which differs from pixel to pixel). Two engines do the same work: torch,
which is the reference and the faster one, and a DALI graph.
"""

from __future__ import annotations

import functools
import importlib
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from lightning_pose.contracts.batches import DataSpec
from lightning_pose.contracts.errors import VideoError
from lightning_pose.ops.affine import compose_affine, crop_resize_affine, invert_affine, warp
from lightning_pose.ops.resize import resize_frames
from lightning_pose.ops.transfer import to_device

_CURE = "Set dali.general.engine to torch, or see what litpose doctor says."


@dataclass(frozen=True, kw_only=True)
class SequenceChange:
    """A change of all frames of a sequence.

    Attributes:
        out_to_net: takes a pixel of the changed frames to the pixel of the frames resized to the
            network that is shown there.
        brightness: factor; 1 = as it is.
        contrast: factor of the distance from mid-grey; 1 = as it is.
        noise_std: standard deviation of the noise, in parts of the range of grey levels.
        noise_seed: of the noise.
    """

    out_to_net: Float[Tensor, "2 3"]
    brightness: float = 1.0
    contrast: float = 1.0
    noise_std: float = 0.0
    noise_seed: int = 0


@runtime_checkable
class SequenceInput(Protocol):
    """Resizes, changes and normalises sequences of frames.

    Attributes:
        takes_device_frames: frames that lie on the network's device are not sent back and forth.
    """

    takes_device_frames: bool

    def __call__(
        self, frames: UInt8[Tensor, "t height width 3"], change: SequenceChange | None = None
    ) -> Float[Tensor, "t 3 net_height net_width"]:
        """Return the network's input, on its device, channels-last in memory."""
        ...


def net_to_image(
    shown_xyhw: Int[Tensor, "*n 4"], spec: DataSpec, change: SequenceChange | None = None
) -> Float[Tensor, "*n 2 3"]:
    """Return the maps from (changed) network pixels to pixels of the frames as decoded.

    Args:
        shown_xyhw: part of the frame that is resized to the network: first column and row, height
            and width. The whole frame is (0, 0, height, width).
        spec: the size it is resized to.
        change: made after that.
    """
    back = invert_affine(crop_resize_affine(shown_xyhw.double(), (spec.height, spec.width)))
    if change is not None:
        back = compose_affine(back, change.out_to_net.double())
    return back.float()


def sequence_input(
    spec: DataSpec, *, device: torch.device | str = "cpu", engine: str = "auto"
) -> SequenceInput:
    """Return what makes network input from sequences.

    Args:
        spec: size and normalisation of the network's input.
        device: where the network is.
        engine: ``"dali"``, ``"torch"``, or ``"auto"``, which is torch: on CPUs it needs two thirds
            of DALI's time for 256 x 256 and 40 % for 128 x 128, on an H200 40 %.

    Raises:
        VideoError: DALI is asked for and does not work here.
    """
    if engine != "dali":
        return TorchSequenceInput(spec, device=device)
    if reason := why_no_dali():
        raise VideoError(f"{reason} {_CURE}")
    module = importlib.import_module("lightning_pose.video.dali_graph")
    try:
        return module.DaliSequenceInput(spec, device=device)
    except RuntimeError as error:  # a driver or GPU this wheel is not made for
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise VideoError(f"NVIDIA DALI cannot run on {device} ({reason}). {_CURE}") from error


@functools.cache
def why_no_dali() -> str | None:
    """Return why DALI cannot be used here, in one sentence; None if it can."""
    try:
        importlib.import_module("nvidia.dali.fn")
    except (ImportError, OSError) as error:
        return f"NVIDIA DALI cannot be imported ({error})."
    return None


class TorchSequenceInput:
    """The reference: resize, affine, brightness and contrast, noise, normalisation in torch.

    Args:
        spec: size and normalisation of the network's input.
        device: where the network is; frames are sent there as bytes.
    """

    takes_device_frames = True

    def __init__(self, spec: DataSpec, *, device: torch.device | str = "cpu") -> None:
        self.spec = spec
        self.device = torch.device(device)
        mean, std = torch.tensor([spec.mean, spec.std], device=self.device)
        self._mean, self._std = mean.view(3, 1, 1), std.view(3, 1, 1)

    def __call__(
        self, frames: UInt8[Tensor, "t height width 3"], change: SequenceChange | None = None
    ) -> Float[Tensor, "t 3 net_height net_width"]:
        """Return the network's input, on its device, channels-last in memory."""
        net_hw = (self.spec.height, self.spec.width)
        resized = resize_frames(frames.to(self.device, non_blocking=True), *net_hw)
        images = resized.float().div_(255.0)
        if change is not None:
            out_to_net = to_device(change.out_to_net, self.device).expand(len(images), 2, 3)
            images = warp(images, out_to_net, net_hw).sub_(0.5).mul_(change.contrast).add_(0.5)
            images = images.mul_(change.brightness).clamp_(0, 1)
        images = images.sub_(self._mean).div_(self._std)
        images = images.contiguous(memory_format=torch.channels_last)
        return images if change is None else add_noise(images, change, self.spec.std)


def add_noise(
    images: Float[Tensor, "t 3 height width"],
    change: SequenceChange,
    std: tuple[float, float, float],
) -> Float[Tensor, "t 3 height width"]:
    """Add the noise of ``change`` to normalised images, in their own memory; return them.

    Both engines draw it here: DALI's own generator goes on from batch to batch, and what a batch
    holds must not hang on what ran before.

    Args:
        images: normalised, channels-last in memory.
        change: says how strong the noise is, and its seed.
        std: by which the images were divided.
    """
    if change.noise_std <= 0:
        return images
    generator = torch.Generator(images.device).manual_seed(change.noise_seed)
    lines = images.permute(0, 2, 3, 1)
    noise = torch.randn(lines.shape, generator=generator, device=images.device)
    lines.addcmul_(noise, to_device(change.noise_std / torch.tensor(std), images.device))
    return images
