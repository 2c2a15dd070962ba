"""What a network is fed from video is what it was fed from labelled images."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lightning_pose.contracts.batches import DataSpec
from lightning_pose.contracts.errors import VideoError
from lightning_pose.ops.affine import apply_affine
from lightning_pose.ops.resize import resize_frames
from lightning_pose.video.batching import RawFrames, in_batches
from lightning_pose.video.network_input import NetworkInput

SPEC = DataSpec(height=32, width=64, mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4))


def raw_frames(count: int, *, height: int = 40, width: int = 50, halo: int = 0) -> RawFrames:
    noise = np.random.default_rng(0).integers(0, 256, (count, height, width, 3), dtype=np.uint8)
    return next(in_batches(noise, batch_size=count, halo=halo))


def test_frames_are_resized_and_normalised_like_images() -> None:
    raw = raw_frames(3)
    batch = NetworkInput(SPEC)([raw])
    resized = resize_frames(raw.frames, 32, 64).double() / 255
    mean, std = torch.tensor(SPEC.mean).double(), torch.tensor(SPEC.std).double()
    expected = (resized - mean.view(3, 1, 1)) / std.view(3, 1, 1)
    assert batch.frames.shape == (3, 1, 3, 32, 64)
    torch.testing.assert_close(batch.frames[:, 0].double(), expected, atol=1e-5, rtol=0)


def test_points_are_led_back_to_the_video() -> None:
    batch = NetworkInput(SPEC)([raw_frames(2)])
    corners_net = torch.tensor([[-0.5, -0.5], [63.5, 31.5]])
    back = apply_affine(batch.net_to_image[:, 0], corners_net)
    expected = torch.tensor([[-0.5, -0.5], [49.5, 39.5]]).expand(2, 2, 2)
    torch.testing.assert_close(back, expected)


def test_only_frames_inside_the_halo_have_a_way_back() -> None:
    batch = NetworkInput(SPEC)([raw_frames(4, halo=2)])
    assert len(batch.frames) == 8
    assert len(batch.net_to_image) == len(batch.frame_ids) == 4


def test_a_box_shows_its_part_and_leads_back_to_the_frame() -> None:
    raw = raw_frames(3, halo=1)
    boxes = torch.tensor([[2, 4, 16, 32], [3, 5, 16, 32], [3, 5, 16, 32]])
    batch = NetworkInput(SPEC)([raw], [boxes])
    mean, std = torch.tensor(SPEC.mean), torch.tensor(SPEC.std)
    shown = batch.frames[2, 0] * std.view(3, 1, 1) + mean.view(3, 1, 1)  # frame 1
    part = raw.frames[2:3, 5:21, 3:35]
    expected = resize_frames(part, 32, 64)[0] / 255
    torch.testing.assert_close(shown, expected, atol=1e-5, rtol=0)
    origin = apply_affine(batch.net_to_image[1, 0], torch.tensor([[-0.5, -0.5]]))
    torch.testing.assert_close(origin, torch.tensor([[2.5, 4.5]]))


def test_views_lie_side_by_side() -> None:
    first, second = raw_frames(2), raw_frames(2, height=20, width=30)
    batch = NetworkInput(SPEC)([first, second])
    assert batch.frames.shape == (2, 2, 3, 32, 64)
    alone = NetworkInput(SPEC)([second])
    assert torch.equal(batch.frames[:, 1], alone.frames[:, 0])
    assert torch.equal(batch.net_to_image[:, 1], alone.net_to_image[:, 0])


def test_views_of_different_length_are_refused() -> None:
    with pytest.raises(VideoError, match="different numbers of frames"):
        NetworkInput(SPEC)([raw_frames(2), raw_frames(3)])


def test_too_few_boxes_are_an_error() -> None:
    with pytest.raises(VideoError, match="2 boxes"):
        NetworkInput(SPEC)([raw_frames(3)], [torch.tensor([[0, 0, 8, 8]] * 2)])


@pytest.mark.gpu
def test_the_gpu_agrees_with_the_cpu() -> None:
    raw = raw_frames(3)
    on_gpu = NetworkInput(SPEC, device="cuda")([raw]).to("cpu")
    on_cpu = NetworkInput(SPEC)([raw])
    one_grey_level = 1 / 255 / min(SPEC.std)
    assert (on_gpu.frames - on_cpu.frames).abs().max() <= one_grey_level * 1.01
    torch.testing.assert_close(on_gpu.net_to_image, on_cpu.net_to_image)
