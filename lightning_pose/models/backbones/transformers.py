"""Vision transformers; images of any size that is a multiple of 16.

Position embeddings are kept for 256x256 and interpolated for other sizes, so that a checkpoint
does not depend on the size of the images. Patches of 14 pixels are resampled to 16.
"""

from __future__ import annotations

from typing import Any

import torch
from timm.models import eva, vision_transformer, vision_transformer_sam
from torch import Tensor, nn

from lightning_pose.models.backbones.recipes import Recipe, TimmBackbone, TokenBackbone, register
from lightning_pose.models.backbones.weights import CLASSIFIERS, WeightSource


def vit_to_timm(state: dict[str, Tensor], net: nn.Module) -> dict[str, Tensor]:
    """Return the weights under timm's names, patches and positions resampled."""
    return vision_transformer.checkpoint_filter_fn(state, net)  # pyright: ignore


def eva_to_timm(state: dict[str, Tensor], net: nn.Module) -> dict[str, Tensor]:
    """Return the weights of a transformer with rotary embeddings under timm's names."""
    return eva.checkpoint_filter_fn(state, net)


def sam_to_timm(state: dict[str, Tensor], net: nn.Module) -> dict[str, Tensor]:
    """Return the image encoder's weights under timm's names."""
    return vision_transformer_sam.checkpoint_filter_fn(state, net)


class RememberedRope(nn.Module):
    """Rotary position embeddings, made once a shape: timm builds them on the host in each pass.

    Args:
        rope: timm's module.
    """

    def __init__(self, rope: nn.Module) -> None:
        super().__init__()
        self.rope = rope
        self._made: dict[object, Tensor] = {}

    def get_embed(self, shape: tuple[int, int]) -> Tensor:
        """Return the embedding of a map of that height and width."""
        key = (*shape, self.rope.periods.device)  # pyright: ignore
        if key not in self._made:
            with torch.inference_mode(False), torch.no_grad():
                self._made[key] = self.rope.get_embed(list(shape))  # pyright: ignore
        return self._made[key]


class RopeBackbone(TokenBackbone):
    """A timm transformer with rotary position embeddings."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__(net)
        net.rope = RememberedRope(net.rope)  # pyright: ignore


VIT = {"kind": TokenBackbone, "convert": vit_to_timm}
EVA = {"kind": RopeBackbone, "convert": eva_to_timm}

VISION_TRANSFORMERS: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    ("vits_dino", "vit_small_patch16_224.dino", "ViT-S, DINO.", VIT),
    ("vitb_dino", "vit_base_patch16_224.dino", "ViT-B, DINO.", VIT),
    ("vits_dinov2", "vit_small_patch14_dinov2.lvd142m", "ViT-S, DINOv2.", VIT),
    ("vitb_dinov2", "vit_base_patch14_dinov2.lvd142m", "ViT-B, DINOv2.", VIT),
    ("vits_dinov3", "vit_small_patch16_dinov3.lvd1689m", "ViT-S, DINOv3.", EVA),
    ("vitb_dinov3", "vit_base_patch16_dinov3.lvd1689m", "ViT-B, DINOv3.", EVA),
    ("vitb_imagenet", "vit_base_patch16_224.augreg2_in21k_ft_in1k", "ViT-B, ImageNet.", VIT),
)

for _name, _net, _summary, _family in VISION_TRANSFORMERS:
    register(
        Recipe(
            name=_name,
            net=_net,
            source=WeightSource(hub_id=f"timm/{_net}", heads=CLASSIFIERS),
            options={"img_size": 256, "dynamic_img_size": True, "patch_size": 16},
            **_family,
        ),
        _summary,
    )

register(
    Recipe(
        name="vit_b_sam",
        net="samvit_base_patch16.sa1b",
        source=WeightSource(hub_id="timm/samvit_base_patch16.sa1b", heads=CLASSIFIERS),
        kind=TimmBackbone,
        convert=sam_to_timm,
    ),
    "ViT-B, Segment Anything.",
)
