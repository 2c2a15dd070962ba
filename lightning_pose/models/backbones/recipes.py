"""A backbone made of a timm network: how it is built, and where its weights lie."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import timm
from jaxtyping import Float
from torch import Tensor, nn

from lightning_pose.contracts.errors import ModelError
from lightning_pose.contracts.registry import BACKBONES
from lightning_pose.models.backbones.weights import WeightSource, load_weights


class TimmBackbone(nn.Module):
    """A timm network without its classifier.

    Args:
        net: the network; channels, stride, mean and std are read from it.
        without: parts at its end that are taken out, so that an earlier map is what it returns.
    """

    def __init__(self, net: nn.Module, *, without: tuple[str, ...] = ()) -> None:
        super().__init__()
        last: dict[str, Any] = net.feature_info[-1]  # pyright: ignore
        for part in without:
            setattr(net, part, nn.Identity())
        self.net = net
        self.channels = int(last["num_chs"] if without else net.num_features)  # pyright: ignore
        self.stride = int(last["reduction"])
        self.mean: tuple[float, float, float] = tuple(net.pretrained_cfg["mean"])  # pyright: ignore
        self.std: tuple[float, float, float] = tuple(net.pretrained_cfg["std"])  # pyright: ignore

    def forward(
        self, images: Float[Tensor, "n 3 height width"]
    ) -> Float[Tensor, "n channels h w"]:
        """Return the last feature map."""
        return self.net.forward_features(images)  # pyright: ignore


class TokenBackbone(TimmBackbone):
    """A timm transformer; its patch tokens are laid out as a map, the others are dropped."""

    def forward(
        self, images: Float[Tensor, "n 3 height width"]
    ) -> Float[Tensor, "n channels h w"]:
        """Return the patch tokens after the last norm, as a map."""
        tokens = super().forward(images)[:, self.net.num_prefix_tokens :]  # pyright: ignore
        height, width = (size // self.stride for size in images.shape[-2:])
        return tokens.mT.unflatten(-1, (height, width))


def keep_names(state: dict[str, Tensor], net: nn.Module) -> dict[str, Tensor]:
    """Return ``state`` as it is: the file uses timm's names."""
    return state


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to make a backbone from a timm network; a callable as the registry wants it.

    Attributes:
        name: registered name.
        net: timm's name of the network; its tag says which weights.
        source: where the weights lie.
        kind: the wrapper.
        options: more arguments for timm.
        without: parts at the end that are taken out.
        convert: turns names and shapes of the source's weights into those of the network.
    """

    name: str
    net: str
    source: WeightSource
    kind: type[TimmBackbone] = TimmBackbone
    options: Mapping[str, Any] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    convert: Callable[[dict[str, Tensor], nn.Module], dict[str, Tensor]] = keep_names

    def __call__(self, *, pretrained: bool, checkpoint: Path | None = None) -> TimmBackbone:
        """Return the backbone (see :func:`build_backbone`)."""
        net = timm.create_model(self.net, pretrained=False, num_classes=0, **self.options)
        backbone = self.kind(net, without=self.without)
        path = checkpoint or (self._weights() if pretrained else None)
        if path is not None:
            heads = (*self.source.heads, *(f"{part}." for part in self.without))
            load_weights(backbone.net, path, convert=self.convert, heads=heads)
        return backbone

    def _weights(self) -> Path:
        try:
            return self.source.download()
        except OSError as error:
            raise ModelError(
                f"The weights of backbone {self.name!r} could not be had ({error}). Weights on "
                f"this machine: {', '.join(backbones_on_this_machine()) or 'none'}; choose one of "
                "these, or give a file as model.backbone_checkpoint, or set "
                "model.backbone_pretrained=false to start from random weights."
            ) from error


def register(recipe: Recipe, summary: str) -> None:
    """File the recipe in the backbone registry."""
    BACKBONES.register(recipe.name, summary=summary)(recipe)


def backbones_on_this_machine() -> tuple[str, ...]:
    """Return the names of the backbones whose weights need no download."""
    recipes = (entry.value for entry in BACKBONES)
    return tuple(r.name for r in recipes if isinstance(r, Recipe) and r.source.find() is not None)
