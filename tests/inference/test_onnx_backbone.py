"""ONNX Runtime says what torch says, whatever the backbone, and torch goes on where it cannot."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lightning_pose.contracts.model_spec import ModelSpec
from lightning_pose.inference import onnx_backbone
from lightning_pose.inference.compute import Compute
from lightning_pose.inference.folding import same
from lightning_pose.inference.model import Model
from lightning_pose.inference.onnx_backbone import OnnxBackbone, in_onnx_runtime
from lightning_pose.models.backbones import build_backbone
from lightning_pose.models.build import build_tracker

EXAMPLE = torch.rand(3, 3, 64, 96, generator=torch.Generator().manual_seed(0))
FRAMES = np.random.default_rng(0).integers(0, 256, (11, 70, 90, 3), dtype=np.uint8)


def seeded(kind: str = "heatmap", *, precision: str = "fp32") -> Model:
    torch.manual_seed(0)
    spec = ModelSpec(
        model_type=kind,
        backbone="resnet18",
        keypoint_names=("nose", "tail"),
        image_height=64,
        image_width=64,
    )
    compute = Compute.choose(device="cpu", precision=precision)
    return Model(build_tracker(spec).eval(), compute=compute)


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "efficientnet_lite0", "efficientnet_b0"])
def test_maps_are_those_of_torch_for_any_number_of_images(name: str) -> None:
    torch.manual_seed(0)
    backbone = build_backbone(name, pretrained=False).eval()
    onnx = in_onnx_runtime(backbone, EXAMPLE[:1])
    assert isinstance(onnx, OnnxBackbone)
    with torch.inference_mode():
        for number in (1, 3):
            assert same(backbone(EXAMPLE[:number]), onnx(EXAMPLE[:number]))


@pytest.mark.parametrize("kind", ["heatmap", "heatmap_mhcrnn", "regression"])
def test_a_model_says_the_same_in_onnx_runtime(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = seeded(kind)
    assert found.arithmetic == "fp32 in ONNX Runtime"
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    expected = seeded(kind)
    assert expected.arithmetic == "fp32"
    ours, theirs = found.predict_frames(FRAMES), expected.predict_frames(FRAMES)
    np.testing.assert_allclose(ours.xy_img, theirs.xy_img, atol=0.02)
    np.testing.assert_allclose(ours.confidence, theirs.confidence, atol=1e-3)
    one = found.predict_frame(FRAMES[4])
    np.testing.assert_allclose(one.xy_img, expected.predict_frame(FRAMES[4]).xy_img, atol=0.02)


def test_threads_may_use_it_together() -> None:
    torch.manual_seed(0)
    backbone = build_backbone("resnet18", pretrained=False).eval()
    onnx = OnnxBackbone(backbone, EXAMPLE[:1])
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(onnx, EXAMPLE.split(1) * 4))
    assert all(torch.equal(maps, found[place % 3]) for place, maps in enumerate(found))


class Unspeakable(nn.Module):
    """Has a step that ONNX has no word for."""

    def forward(self, images: Tensor) -> Tensor:
        return torch.linalg.pinv(images)


def test_what_onnx_cannot_express_stays_in_torch(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    backbone = Unspeakable().eval()
    with caplog.at_level("INFO", logger=onnx_backbone.__name__):
        assert in_onnx_runtime(backbone, EXAMPLE) is backbone
    assert "torch runs it" in caplog.text
    assert capfd.readouterr() == ("", "")


def test_with_bf16_torch_is_the_faster_one() -> None:
    assert seeded(precision="bf16").arithmetic == "bf16"
