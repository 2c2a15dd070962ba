"""Fused layers say what the layers they stand for say."""

from __future__ import annotations

import copy
import logging
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lightning_pose.inference import fused_layers
from lightning_pose.inference.compute import Compute
from lightning_pose.inference.folding import fold_batch_norms
from lightning_pose.inference.fused_heads import PhaseUpsampler
from lightning_pose.inference.fused_layers import (
    _exchange_if_same,
    _weights_of_squares,
    fuse_layers,
)
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


def resnet_and_head(name: str) -> nn.Sequential:
    torch.manual_seed(0)
    backbone = build_backbone(name, pretrained=False)
    channels = int(backbone.channels)  # pyright: ignore
    head = HeatmapHead(in_channels=channels, stride=16, num_keypoints=5, factor=2)
    net = nn.Sequential(backbone, head).eval()
    images = torch.randn(2, 3, 128, 192)
    return fold_batch_norms(net, lambda network: network(images))[0]


def test_a_network_on_a_cpu_stays_as_it_is() -> None:
    net = resnet_and_head("resnet18")
    kinds = [type(module) for module in net.modules()]
    fuse_layers(net, lambda network: [network(torch.zeros(1, 3, 64, 64))])
    assert [type(module) for module in net.modules()] == kinds


class Refused(Exception):
    """Of no kind that is known."""


@pytest.mark.parametrize("error", [None, RuntimeError("cuDNN has none"), Refused("no memory")])
def test_where_it_is_refused_or_differs_all_stays_as_it_was(
    error: Exception | None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(fused_layers, "kernel_module", lambda *_: object())
    monkeypatch.setattr(fused_layers, "kernel_errors", lambda: (RuntimeError, Refused))
    compute = Compute(device=torch.device("cpu"), precision="bf16")
    net: Any = compute.with_weights(resnet_and_head("resnet50"))
    before = [(type(module), set(vars(module))) for module in net.modules()]

    def run(network: nn.Module) -> list[torch.Tensor]:
        changed = [(type(module), set(vars(module))) for module in network.modules()] != before
        if changed and error is not None:
            raise error
        return [torch.full((2, 3), 1.0 + 0.5 * changed)]

    with caplog.at_level(logging.INFO):
        _exchange_if_same(net, run)
    assert [(type(module), set(vars(module))) for module in net.modules()] == before
    (told,) = (record.getMessage() for record in caplog.records)
    assert told.endswith(str(error or "would differ by more than rounding."))


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
    net = resnet_and_head(name).cuda()
    images = torch.randn(3, 3, 128, 192, device="cuda")
    compute = Compute(device=torch.device("cuda"), precision="bf16")
    net = compute.with_weights(net.to(memory_format=torch.channels_last))  # pyright: ignore
    images = images.to(torch.bfloat16, memory_format=torch.channels_last)

    def scores(network: nn.Sequential) -> torch.Tensor:
        with torch.inference_mode():
            return network(images).clamp(min=1e-30).log()

    fused = fuse_layers(copy.deepcopy(net), lambda network: [scores(network)])
    kinds = {type(module) for module in fused.modules()} - {type(it) for it in net.modules()}
    assert PhaseUpsampler in kinds
    assert len(kinds) > 5  # blocks, stem, pooling, mixer, shuffle, what joins maps
    exact = copy.deepcopy(net).float()
    with torch.inference_mode():
        expected = exact(images.float()).clamp(min=1e-30).log()
    off_before, off_now = ((scores(n) - expected).abs().max() for n in (net, fused))
    assert off_now < 2 * off_before + 1e-3 * expected.abs().max()
