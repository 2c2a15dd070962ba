"""What every registered backbone must do; a new one is tested here by being registered.

Networks are built and run on torch's meta device, where only shapes are computed: the largest
takes a second.
"""

from __future__ import annotations

import pytest
import timm
import torch
from torch import nn

from lightning_pose.contracts.registry import BACKBONES
from lightning_pose.models.backbones import Backbone, build_backbone
from lightning_pose.models.backbones.recipes import Recipe

NAMES = BACKBONES.names()
SEED_NAMES = (
    *(f"resnet{depth}" for depth in (18, 34, 50, 101, 152)),
    *(f"resnet50_animal_{data}" for data in ("apose", "ap10k")),
    *(f"resnet50_human_{data}" for data in ("jhmdb", "res_rle", "top_res", "hand")),
    "resnet50_contrastive",
    *(f"efficientnet_b{size}" for size in range(3)),
    *(f"efficientnet_lite{size}" for size in range(3)),
    "vit_b_sam",
    *(f"vit{size}_dino{version}" for size in "sb" for version in ("", "v2", "v3")),
    "vitb_imagenet",
)


def meta(name: str) -> nn.Module:
    with torch.device("meta"):
        return build_backbone(name, pretrained=False)


def test_every_name_the_predecessor_knew_is_there() -> None:
    assert set(SEED_NAMES) <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_stated_channels_and_stride_are_true(name: str) -> None:
    backbone = meta(name)
    assert isinstance(backbone, Backbone)
    for height, width in ((256, 256), (128, 64), (48, 80)):
        maps = backbone(torch.zeros(2, 3, height, width, device="meta"))
        expected = (2, backbone.channels, height // backbone.stride, width // backbone.stride)
        assert maps.shape == expected


@pytest.mark.parametrize("name", NAMES)
def test_normalisation_is_that_of_its_weights(name: str) -> None:
    recipe = BACKBONES.get(name)
    if not isinstance(recipe, Recipe):
        pytest.skip("not a network of timm")
    stated = timm.get_pretrained_cfg(recipe.net)
    assert stated is not None
    backbone = meta(name)
    assert (backbone.mean, backbone.std) == (stated.mean, stated.std)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_of_it_is_left_unused(name: str) -> None:
    backbone = meta(name)
    maps = backbone(torch.zeros(1, 3, 64, 64, device="meta"))
    maps.sum().backward()
    idle = [key for key, p in backbone.named_parameters() if p.requires_grad and p.grad is None]
    assert idle == []


@pytest.mark.parametrize("name", NAMES)
def test_it_says_in_one_line_what_it_is(name: str) -> None:
    assert BACKBONES.entry(name).summary.endswith(".")


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_lite0", "vits_dino", "vits_dinov3"])
def test_images_far_apart_have_different_maps_and_numbers_are_sane(name: str) -> None:
    torch.manual_seed(0)
    backbone = build_backbone(name, pretrained=False).eval()
    with torch.inference_mode():
        maps = backbone(torch.stack([torch.zeros(3, 64, 64), torch.randn(3, 64, 64)]))
    assert maps.isfinite().all()
    assert not torch.allclose(maps[0], maps[1])
