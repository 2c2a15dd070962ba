"""Fused layers say what the layers they stand for say."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lightning_pose.inference.compute import Compute
from lightning_pose.inference.folding import fold_batch_norms
from lightning_pose.inference.fused_layers import _weights_of_squares, fuse_layers
from lightning_pose.models.backbones.build import build_backbone
from lightning_pose.models.heads.heatmap import HeatmapHead
from lightning_pose.models.heads.mhcrnn import ContextHead


def test_weights_of_squares_do_the_same_convolution() -> None:
    torch.manual_seed(0)
    weight, images = torch.randn(5, 3, 7, 7), torch.randn(2, 3, 16, 24)
    squares = images.view(2, 3, 8, 2, 12, 2).permute(0, 3, 5, 1, 2, 4).reshape(2, 12, 8, 12)
    filled = F.pad(squares, (0, 0, 0, 0, 0, 4))
    found = F.conv2d(filled, _weights_of_squares(weight), padding=2)[:, :, :8, :12]
    torch.testing.assert_close(found, F.conv2d(images, weight, stride=2, padding=3))


def test_a_network_on_a_cpu_stays_as_it_is() -> None:
    net = build_backbone("resnet18", pretrained=False).eval()
    kinds = [type(module) for module in net.modules()]
    fuse_layers(net, lambda network: [network(torch.zeros(1, 3, 64, 64))])
    assert [type(module) for module in net.modules()] == kinds


@pytest.mark.gpu
def test_a_context_head_says_the_same() -> None:
    torch.manual_seed(0)
    head = ContextHead(
        in_channels=64, stride=16, num_keypoints=5, factor=2, hidden_channels=32
    ).cuda()
    window = [
        torch.randn(3, 32, 16, 24, device="cuda").to(memory_format=torch.channels_last)
        for _ in range(5)
    ]
    compute = Compute(device=torch.device("cuda"), precision="bf16")
    exact = [head.recur(head.forwards, window), head.recur(head.backwards, window)]
    net = compute.with_weights(copy.deepcopy(head).to(memory_format=torch.channels_last))
    halves = [frames.to(torch.bfloat16) for frames in window]

    def states(network: ContextHead) -> list[torch.Tensor]:
        with torch.inference_mode():
            steps = (network.forwards, network.backwards)
            return [network.recur(step, halves).float() for step in steps]

    before = states(net)
    fused = fuse_layers(net, states)
    assert type(fused) is not ContextHead
    for old, new, expected in zip(before, states(fused), exact, strict=True):
        off_before, off_now = ((maps - expected).abs().max() for maps in (old, new))
        assert off_now < 2 * off_before + 1e-3 * expected.abs().max()


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_a_resnet_and_its_head_say_the_same(name: str) -> None:
    torch.manual_seed(0)
    backbone = build_backbone(name, pretrained=False)
    channels = int(backbone.channels)  # pyright: ignore
    head = HeatmapHead(in_channels=channels, stride=16, num_keypoints=5, factor=2)
    net = nn.Sequential(backbone, head).eval().cuda()
    images = torch.randn(3, 3, 128, 192, device="cuda")
    net = fold_batch_norms(net, lambda network: network(images))[0]
    compute = Compute(device=torch.device("cuda"), precision="bf16")
    net = compute.with_weights(net.to(memory_format=torch.channels_last))  # pyright: ignore
    images = images.to(torch.bfloat16, memory_format=torch.channels_last)

    def scores(network: nn.Sequential) -> torch.Tensor:
        with torch.inference_mode():
            return network(images).clamp(min=1e-30).log()

    fused = fuse_layers(copy.deepcopy(net), lambda network: [scores(network)])
    assert [type(a) for a in fused.modules()] != [type(a) for a in net.modules()]
    exact = copy.deepcopy(net).float()
    with torch.inference_mode():
        expected = exact(images.float()).clamp(min=1e-30).log()
    off_before, off_now = ((scores(n) - expected).abs().max() for n in (net, fused))
    assert off_now < 2 * off_before + 1e-3 * expected.abs().max()
