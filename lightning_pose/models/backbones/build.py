"""Building a backbone by its registered name."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, cast, runtime_checkable

from jaxtyping import Float
from torch import Tensor, nn

from lightning_pose.contracts.batches import DataSpec
from lightning_pose.contracts.errors import ModelError
from lightning_pose.contracts.registry import BACKBONES


@runtime_checkable
class Backbone(Protocol):
    """A module that turns images into feature maps.

    Attributes:
        channels: of the feature map.
        stride: image pixels per feature pixel; a power of two.
        mean, std: how RGB in 0..1 is normalised for it.
    """

    channels: int
    stride: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def __call__(
        self, images: Float[Tensor, "n 3 height width"]
    ) -> Float[Tensor, "n channels h w"]:
        """Return the feature maps, ``stride`` times smaller than the images."""
        ...


def build_backbone(name: str, *, pretrained: bool, checkpoint: Path | None = None) -> nn.Module:
    """Return the backbone registered as ``name``, a module that is a :class:`Backbone`.

    Args:
        name: name in the backbone registry.
        pretrained: load the weights the name stands for, downloading them on first use; if False
            (and no file is given) weights are random and nothing is ever downloaded.
        checkpoint: take the weights from this file instead.

    Raises:
        ConfigError: there is no such backbone.
        ModelError: its weights cannot be had, or what was registered is no backbone.
    """
    net = BACKBONES.get(name)(pretrained=pretrained, checkpoint=checkpoint)
    stride, channels = getattr(net, "stride", None), getattr(net, "channels", None)
    if not isinstance(net, nn.Module) or not isinstance(channels, int) or not _is_stride(stride):
        raise ModelError(
            f"The backbone {name!r} must be a torch module with integers `channels` and `stride` "
            f"(a power of two); it has channels={channels!r}, stride={stride!r}."
        )
    default = DataSpec()
    for attribute in ("mean", "std"):
        if not hasattr(net, attribute):
            setattr(net, attribute, getattr(default, attribute))
    return cast(nn.Module, net)


def _is_stride(value: object) -> bool:
    return isinstance(value, int) and value > 0 and value & (value - 1) == 0
