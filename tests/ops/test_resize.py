"""Resizing agrees with its convention, with Pillow, and between layouts and devices."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from lightning_pose.ops.affine import apply_affine, resize_affine
from lightning_pose.ops.resize import crop_frames, enlarge_maps, resize_frames


def noise(*shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize(
    ("source", "target"),
    [((406, 396), (256, 256)), ((100, 90), (128, 256)), ((64, 301), (96, 64))],
)
def test_pixels_are_those_of_pillow(source: tuple[int, int], target: tuple[int, int]) -> None:
    frames = noise(2, *source, 3)
    height, width = target
    ours = resize_frames(frames, height, width).permute(0, 2, 3, 1).numpy()
    pillows = [
        np.asarray(
            Image.fromarray(frame.numpy()).resize((width, height), Image.Resampling.BILINEAR)
        )
        for frame in frames
    ]
    assert np.abs(ours.astype(int) - np.stack(pillows)).max() <= 1


def test_both_layouts_give_the_same_pixels() -> None:
    frames = noise(3, 50, 70, 3)
    planes = frames.permute(0, 3, 1, 2).contiguous()
    assert torch.equal(resize_frames(frames, 32, 32), resize_frames(planes, 32, 32))


def test_one_frame_gives_the_same_pixels_as_many() -> None:
    frames = noise(3, 50, 70, 3)
    one_by_one = torch.cat([resize_frames(frame[None], 32, 48) for frame in frames])
    assert torch.equal(resize_frames(frames, 32, 48), one_by_one)


@pytest.mark.parametrize(("height", "width"), [(20, 30), (10, 64)])
def test_the_result_lies_channels_last(height: int, width: int) -> None:
    resized = resize_frames(noise(2, 20, 30, 3), height, width)
    assert resized.shape == (2, 3, height, width)
    assert resized.is_contiguous(memory_format=torch.channels_last)


def test_frames_of_the_right_size_are_left_alone() -> None:
    frames = noise(2, 20, 30, 3)
    assert torch.equal(resize_frames(frames, 20, 30), frames.permute(0, 3, 1, 2))


@pytest.mark.parametrize("target", [(96, 64), (300, 300)])
def test_a_spot_moves_as_the_affine_says(target: tuple[int, int]) -> None:
    """The centre of mass of a smooth spot is found within 0.05 px of where the map takes it."""
    rows, columns = np.mgrid[:200, :240]
    spot = 250 * np.exp(-((columns - 150.3) ** 2 + (rows - 77.6) ** 2) / (2 * 12.0**2))
    frame = torch.from_numpy(np.repeat(spot[None, ..., None], 3, axis=-1).astype(np.uint8))
    resized = resize_frames(frame, *target)[0, 0].double()
    where = torch.meshgrid(*(torch.arange(n).double() for n in target), indexing="ij")
    found = torch.stack([(resized * axis).sum() / resized.sum() for axis in reversed(where)])
    expected = apply_affine(resize_affine((200, 240), target), torch.tensor([[150.3, 77.6]]))
    assert (found - expected[0]).abs().max() < 0.05


def test_frames_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="n H W 3 or n 3 H W"):
        resize_frames(noise(2, 20, 30, 4), 10, 10)


@pytest.mark.parametrize(
    "box", [(5, 4, 8, 10), (-3, -2, 10, 10), (25, 15, 10, 10), (-5, -5, 40, 50), (40, 50, 4, 4)]
)
def test_crops_are_those_of_pillow(box: tuple[int, int, int, int]) -> None:
    frames = noise(2, 20, 30, 3)
    x, y, height, width = box
    ours = crop_frames(frames, box).permute(0, 2, 3, 1).numpy()
    for frame, crop in zip(frames.numpy(), ours, strict=True):
        pillows = Image.fromarray(frame).crop((x, y, x + width, y + height))
        np.testing.assert_array_equal(crop, np.asarray(pillows))


@pytest.mark.gpu
def test_a_gpu_agrees_to_one_grey_level() -> None:
    frames = noise(4, 406, 396, 3)
    on_gpu = resize_frames(frames.cuda(), 256, 256)
    assert on_gpu.is_contiguous(memory_format=torch.channels_last)
    difference = on_gpu.cpu().int() - resize_frames(frames, 256, 256).int()
    assert difference.abs().max() <= 1


@pytest.mark.parametrize(
    ("shape", "target"),
    [((2, 6, 8, 8), (16, 16)), ((1, 3, 5, 7), (9, 14)), ((3, 4, 1, 6), (2, 6))],
)
def test_enlarged_maps_and_their_gradients_are_those_of_torch(
    shape: tuple[int, ...], target: tuple[int, int]
) -> None:
    maps = torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    ours, torchs = maps.clone().requires_grad_(), maps.clone().requires_grad_()
    enlarged = enlarge_maps(ours, *target)
    expected = torch.nn.functional.interpolate(torchs, target, mode="bilinear")
    torch.testing.assert_close(enlarged, expected)
    weights = torch.randn(expected.shape, dtype=torch.float64)
    (enlarged * weights).sum().backward()
    (expected * weights).sum().backward()
    torch.testing.assert_close(ours.grad, torchs.grad)


def test_maps_of_the_wanted_size_are_returned_as_they_are() -> None:
    maps = torch.randn(1, 2, 3, 4)
    assert enlarge_maps(maps, 3, 4) is maps


def test_enlarged_maps_lie_channels_last() -> None:
    maps = torch.randn(2, 6, 4, 4).contiguous(memory_format=torch.channels_last)
    assert enlarge_maps(maps, 8, 8).is_contiguous(memory_format=torch.channels_last)
