"""Sequences are changed as one, led back exactly, and DALI does what its twin in torch does."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from lightning_pose.contracts.batches import DataSpec
from lightning_pose.contracts.errors import VideoError
from lightning_pose.ops.affine import affine_about, apply_affine, invert_affine
from lightning_pose.ops.resize import resize_frames
from lightning_pose.video import sequence_input as room
from lightning_pose.video.sequence_input import (
    SequenceChange,
    SequenceInput,
    TorchSequenceInput,
    net_to_image,
    sequence_input,
)

Make = Callable[..., SequenceInput]
SPEC = DataSpec(height=64, width=96, mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4))
IMAGE_HW = (100, 140)
WHOLE = torch.tensor([0, 0, *IMAGE_HW])
# In grey levels of 255. DALI repeats the edge of a frame where torch cuts its filter short; inside
# they differ by rounding only.
INSIDE_AT_MOST, EDGE_AT_MOST, MEAN_AT_MOST = 2.0, 8.0, 0.4
EDGE = 8


def dali_input(spec: DataSpec, *, device: str = "cpu") -> SequenceInput:
    pytest.importorskip("nvidia.dali")
    module = importlib.import_module("lightning_pose.video.dali_graph")
    return module.DaliSequenceInput(spec, device=device)


@pytest.fixture(params=["torch", "dali"])
def make(request: pytest.FixtureRequest) -> Make:
    """Return the maker of each engine in turn."""
    return {"torch": TorchSequenceInput, "dali": dali_input}[request.param]


def noise(number: int = 3, *, hw: tuple[int, int] = IMAGE_HW) -> torch.Tensor:
    """Return frames of smooth noise that fills the range of grey levels."""
    rough = torch.rand(number, 3, *hw, generator=torch.Generator().manual_seed(0))
    smooth = torch.nn.functional.avg_pool2d(rough, 5, 1, 2)
    smooth = (smooth - smooth.min()) / (smooth.max() - smooth.min())
    return (smooth * 255).byte().permute(0, 2, 3, 1).contiguous()


def change(
    spec: DataSpec, *, degrees: float = 0.0, scale: float = 1.0, **levels: float
) -> SequenceChange:
    cosine = math.cos(math.radians(degrees)) / scale
    sine = math.sin(math.radians(degrees)) / scale
    linear = torch.tensor([[cosine, -sine], [sine, cosine]])
    center = torch.tensor([(spec.width - 1) / 2, (spec.height - 1) / 2])
    return SequenceChange(out_to_net=affine_about(linear, center), **levels)


def grey_levels(images: torch.Tensor, spec: DataSpec = SPEC) -> torch.Tensor:
    std, mean = torch.tensor(spec.std).view(3, 1, 1), torch.tensor(spec.mean).view(3, 1, 1)
    return (images.cpu() * std + mean) * 255


def centroid(image: torch.Tensor) -> tuple[float, float]:
    """Return the centre (x, y) of the light in an image, by numpy."""
    light = image.sum(0).double().numpy()
    rows, columns = np.indices(light.shape)
    return float((light * columns).sum() / light.sum()), float((light * rows).sum() / light.sum())


def assert_close(first: torch.Tensor, second: torch.Tensor, spec: DataSpec) -> None:
    difference = (grey_levels(first, spec) - grey_levels(second, spec)).abs()
    assert difference.mean() <= MEAN_AT_MOST
    assert difference.max() <= EDGE_AT_MOST
    assert difference[..., EDGE:-EDGE, EDGE:-EDGE].max() <= INSIDE_AT_MOST


def test_without_a_change_frames_are_resized_and_normalised(make: Make) -> None:
    images = make(SPEC)(noise())
    assert images.shape == (3, 3, 64, 96)
    assert images.is_contiguous(memory_format=torch.channels_last)
    expected = resize_frames(noise(), 64, 96).float()
    difference = (grey_levels(images) - expected).abs()
    assert difference[..., EDGE:-EDGE, EDGE:-EDGE].max() <= INSIDE_AT_MOST


@pytest.mark.parametrize("net_hw", [(64, 96), (128, 64), (100, 140), (160, 160)])
@pytest.mark.parametrize(("degrees", "scale"), [(0.0, 1.0), (10.0, 1.2), (-7.0, 0.8)])
def test_a_spot_is_led_back_to_where_it_was(
    make: Make, net_hw: tuple[int, int], degrees: float, scale: float
) -> None:
    """The centre of a drawn spot, found in the changed frame, is the place it was drawn at."""
    spec = DataSpec(height=net_hw[0], width=net_hw[1])
    some = change(spec, degrees=degrees, scale=scale)
    rows, columns = np.indices(IMAGE_HW)
    for x, y in [(70.3, 50.6), (40.8, 35.2), (99.5, 60.0)]:
        spot = 250 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 4.0**2))
        frame = torch.from_numpy(np.rint(spot).astype(np.uint8))[None, :, :, None].repeat(
            1, 1, 1, 3
        )
        image = grey_levels(make(spec)(frame, some), spec)[0]
        found_net = torch.tensor([centroid(image.clamp(min=2) - 2)])
        back = apply_affine(net_to_image(WHOLE, spec, some), found_net)[0]
        assert back.tolist() == pytest.approx([x, y], abs=0.05)


def test_the_way_back_undoes_resize_and_change() -> None:
    some = change(SPEC, degrees=9, scale=0.9)
    points = torch.tensor([[0.0, 0.0], [139.0, 99.0], [70.0, 12.5]])
    way_back = net_to_image(WHOLE, SPEC, some)
    there = apply_affine(invert_affine(way_back), points)
    torch.testing.assert_close(apply_affine(way_back, there), points, atol=1e-3, rtol=0)
    x_net = (points[:, 0] + 0.5) * 96 / 140 - 0.5
    y_net = (points[:, 1] + 0.5) * 64 / 100 - 0.5
    resized = apply_affine(some.out_to_net, there)
    torch.testing.assert_close(resized, torch.stack([x_net, y_net], 1), atol=1e-3, rtol=0)


def test_brightness_and_contrast_follow_their_formula(make: Make) -> None:
    """Levels x in 0..1 become b (.5 + c (x - .5)), cut off at 0 and 1."""
    frames = torch.arange(0, 256, 4, dtype=torch.uint8).view(1, 1, 64, 1).repeat(2, 32, 1, 3)
    spec = DataSpec(height=32, width=64)
    some = change(spec, brightness=1.2, contrast=0.75)
    levels = grey_levels(make(spec)(frames, some), spec)[1, :, 16].double().numpy() / 255
    x = np.arange(0, 256, 4) / 255
    expected = np.clip(1.2 * (0.5 + 0.75 * (x - 0.5)), 0, 1)
    inner = slice(1, -1)
    assert np.abs(levels[:, inner] - expected[inner]).max() < 0.005


def test_noise_has_the_strength_asked_for_and_hangs_on_its_seed(make: Make) -> None:
    grey = torch.full((4, 64, 96, 3), 128, dtype=torch.uint8)
    engine = make(SPEC)
    quiet = engine(grey, change(SPEC))
    noisy = [engine(grey, change(SPEC, noise_std=0.02, noise_seed=seed)) for seed in (1, 1, 2)]
    assert torch.equal(noisy[0], noisy[1])
    assert not torch.equal(noisy[0], noisy[2])
    spread = (grey_levels(noisy[0]) - grey_levels(quiet)).std(dim=(0, 2, 3)) / 255
    torch.testing.assert_close(spread, torch.full((3,), 0.02), atol=0.001, rtol=0)
    frame_noise = grey_levels(noisy[0]) - grey_levels(quiet)
    assert not torch.allclose(frame_noise[0], frame_noise[1])


def test_all_frames_of_a_sequence_are_changed_alike(make: Make) -> None:
    frames = noise(1).repeat(3, 1, 1, 1)
    images = make(SPEC)(frames, change(SPEC, degrees=5, scale=1.1, brightness=0.8, contrast=1.2))
    assert torch.equal(images[0], images[1])
    assert torch.equal(images[0], images[2])


@pytest.mark.parametrize("net_hw", [(64, 96), (128, 128), (100, 140)])
@pytest.mark.parametrize("changed", [False, True])
def test_dali_gives_what_torch_gives(net_hw: tuple[int, int], *, changed: bool) -> None:
    spec = DataSpec(height=net_hw[0], width=net_hw[1])
    some = (
        change(spec, degrees=8, scale=1.15, brightness=1.2, contrast=0.8, noise_std=0.02)
        if changed
        else None
    )
    both = [make(spec)(noise(), some) for make in (TorchSequenceInput, dali_input)]
    assert_close(both[0], both[1], spec)


def test_dali_takes_videos_of_different_sizes_in_turn() -> None:
    engine, twin = dali_input(SPEC), TorchSequenceInput(SPEC)
    first = engine(noise(), change(SPEC, degrees=5))
    kept = first.clone()
    engine(noise(5, hw=(60, 60)), change(SPEC, degrees=-5))
    assert torch.equal(first, kept)
    assert_close(first, twin(noise(), change(SPEC, degrees=5)), SPEC)


@pytest.mark.gpu
@pytest.mark.parametrize("make_it", [TorchSequenceInput, dali_input])
def test_a_gpu_gives_what_the_cpu_gives(make_it: Make) -> None:
    some = change(SPEC, degrees=8, scale=1.15, brightness=1.2, contrast=0.8)
    for change_or_none in (None, some):
        on_gpu = make_it(SPEC, device="cuda")(noise(), change_or_none)
        assert on_gpu.is_cuda
        assert on_gpu.is_contiguous(memory_format=torch.channels_last)
        assert_close(on_gpu, TorchSequenceInput(SPEC)(noise(), change_or_none), SPEC)


def test_torch_serves_unless_dali_is_asked_for() -> None:
    pytest.importorskip("nvidia.dali")
    module = importlib.import_module("lightning_pose.video.dali_graph")
    assert isinstance(sequence_input(SPEC), TorchSequenceInput)
    assert isinstance(sequence_input(SPEC, engine="torch"), TorchSequenceInput)
    assert isinstance(sequence_input(SPEC, engine="dali"), module.DaliSequenceInput)


def test_without_dali_asking_for_it_is_an_error_with_the_cure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(room, "why_no_dali", lambda: "NVIDIA DALI cannot be imported (none).")
    assert isinstance(sequence_input(SPEC), TorchSequenceInput)
    with pytest.raises(VideoError, match=r"cannot be imported.*dali\.general\.engine to torch"):
        sequence_input(SPEC, engine="dali")


def test_a_graph_that_cannot_be_made_is_an_error_with_its_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("nvidia.dali")
    module = importlib.import_module("lightning_pose.video.dali_graph")

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("CUDA driver version is insufficient\nmore")

    monkeypatch.setattr(module, "DaliSequenceInput", fail)
    with pytest.raises(VideoError, match=r"cannot run on cpu \(CUDA driver.*insufficient\)"):
        sequence_input(SPEC, engine="dali")
