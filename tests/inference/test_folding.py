"""Folding batch norms makes a network shorter and changes nothing it says."""

from __future__ import annotations

import logging

import pytest
import torch
from torch import Tensor, nn

from lightning_pose.contracts.model_spec import ModelSpec
from lightning_pose.inference.compute import Compute
from lightning_pose.inference.folding import fold_batch_norms
from lightning_pose.inference.model import Model
from lightning_pose.inference.preparing import prepared
from lightning_pose.models.backbones import build_backbone
from lightning_pose.models.build import build_tracker

EXAMPLE = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def with_statistics(network: nn.Module) -> nn.Module:
    """Return the network with batch norms that do something."""
    generator = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.running_var, module.weight, module.bias):
                assert tensor is not None
                tensor.data = 0.5 + torch.rand(tensor.shape, generator=generator)
    return network.eval()


def run(network: nn.Module) -> Tensor:
    with torch.no_grad():
        return network(EXAMPLE)


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_lite0"])
def test_every_norm_of_a_backbone_is_folded(name: str) -> None:
    backbone = with_statistics(build_backbone(name, pretrained=False))
    norms = sum(isinstance(module, nn.BatchNorm2d) for module in backbone.modules())
    folded, count = fold_batch_norms(backbone, run)
    assert count == norms > 0
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    expected = run(backbone)
    torch.testing.assert_close(run(folded), expected, rtol=1e-3, atol=1e-3 * expected.abs().max())


def test_the_original_is_not_changed() -> None:
    backbone = with_statistics(build_backbone("resnet18", pretrained=False))
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    fold_batch_norms(backbone, run)
    after = backbone.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)


class UsedTwice(nn.Module):
    """The convolution's output goes into the norm and past it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.conv(images)
        return maps + self.norm(maps)


class CalledTwice(nn.Module):
    """One convolution serves two norms."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3)
        self.first, self.second = nn.BatchNorm2d(3), nn.BatchNorm2d(3)

    def forward(self, images: Tensor) -> Tensor:
        return self.second(self.conv(self.first(self.conv(images))))


class NormFirst(nn.Module):
    """There is nothing to fold the norm into."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.conv = nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3)

    def forward(self, images: Tensor) -> Tensor:
        return self.conv(self.norm(images))


@pytest.mark.parametrize("kind", [UsedTwice, CalledTwice, NormFirst])
def test_what_cannot_be_folded_stays_as_it_is(
    kind: type[nn.Module], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    network = with_statistics(kind())
    same, count = fold_batch_norms(network, run)
    assert count == 0
    assert same is network
    assert ("runs more slowly" in caplog.text) == (kind is UsedTwice)  # the others have no pairs


def test_a_model_predicts_the_same_folded() -> None:
    spec = ModelSpec(
        model_type="heatmap",
        backbone="resnet18",
        keypoint_names=("a", "b"),
        image_height=64,
        image_width=64,
    )
    torch.manual_seed(0)
    tracker = build_tracker(spec)
    with_statistics(tracker.backbone)
    model = Model(tracker, compute=Compute.choose(device="cpu", precision="fp32"))
    assert not any(isinstance(m, nn.BatchNorm2d) for m in model.tracker.backbone.modules())


def test_keypoints_that_rounding_decides_keep_no_network_from_being_folded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spec = ModelSpec(
        model_type="heatmap_mhcrnn",
        backbone="resnet18",
        keypoint_names=("nose", "tail"),
        image_height=64,
        image_width=64,
    )
    tracker = build_tracker(spec)
    monkeypatch.setattr(tracker, "predict_batch", lambda batch: (torch.rand(1, 2, 2),) * 2)
    ready = prepared(tracker, Compute(device=torch.device("cpu"), precision="bf16"))
    assert not [module for module in ready.modules() if isinstance(module, nn.BatchNorm2d)]


@pytest.mark.gpu
@pytest.mark.parametrize("model_type", ["heatmap", "heatmap_mhcrnn"])
def test_products_rounded_to_11_bits_keep_no_network_from_being_folded(model_type: str) -> None:
    spec = ModelSpec(
        model_type=model_type,
        backbone="resnet50",
        keypoint_names=tuple(f"k{number}" for number in range(17)),
        image_height=256,
        image_width=256,
    )
    compute = Compute.choose(device="cuda")
    for seed in range(12):
        torch.manual_seed(seed)
        ready = prepared(build_tracker(spec), compute)
        norms = [module for module in ready.modules() if isinstance(module, nn.BatchNorm2d)]
        assert not norms, f"seed {seed}"
