"""Transposed convolutions as one convolution say what they say one by one."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lightning_pose.inference.fused_heads import PhaseUpsampler, bias_map, phase_weights
from lightning_pose.models.heads.heatmap import Upsampler

SHAPES = [(1, (5, 4)), (2, (4, 6)), (3, (2, 3))]  # doublings; height and width of the input


def upsampler(doublings: int, *, channels: int = 8, maps: int = 3) -> Upsampler:
    torch.manual_seed(doublings)
    found = Upsampler(in_channels=channels, num_maps=maps, num_doublings=doublings)
    for layer in found.layers:
        nn.init.normal_(layer.bias)  # pyright: ignore
    return found


def shuffled(phases: Tensor, bias: Tensor) -> Tensor:
    """Return the maps that squares of pixels stand for."""
    side = round((phases.shape[1] / len(bias)) ** 0.5)
    first = side - 1
    whole = F.pixel_shuffle(phases, side)[..., first:, first:]
    return whole[..., : bias.shape[1], : bias.shape[2]] + bias


@pytest.mark.parametrize(("doublings", "size"), SHAPES)
def test_one_convolution_does_what_several_do(doublings: int, size: tuple[int, int]) -> None:
    layers = upsampler(doublings)
    maps = torch.randn(2, 8, *size)
    weights, bias = phase_weights(layers.layers).float(), bias_map(layers.layers, *size).float()
    found = shuffled(F.conv2d(maps, weights, padding=1), bias)
    torch.testing.assert_close(found, layers(maps), atol=1e-5, rtol=1e-5)


def test_a_head_without_doublings_is_none_of_these() -> None:
    assert PhaseUpsampler.suits(upsampler(2))
    assert not PhaseUpsampler.suits(upsampler(0))


@pytest.mark.gpu
@pytest.mark.parametrize(("doublings", "size"), [*SHAPES, (2, (16, 16)), (2, (40, 40))])
def test_an_exchanged_one_gives_the_same_heatmaps(doublings: int, size: tuple[int, int]) -> None:
    exact, there = upsampler(doublings).double(), upsampler(doublings).cuda()
    maps = torch.randn(2, 8, *size).to(torch.bfloat16)
    assert PhaseUpsampler.suits(there)
    there.__class__ = PhaseUpsampler
    there.fold()  # pyright: ignore
    with torch.inference_mode():
        found = there.heatmaps(maps.cuda().to(memory_format=torch.channels_last))
    expected = exact.heatmaps(maps.double())
    assert (found.cpu() - expected).abs().max() < 2e-3 * expected.max()
