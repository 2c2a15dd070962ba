"""Pictures of a GPU's decoder get the colours that FFmpeg gives them, to the last bit."""

from __future__ import annotations

import av
import numpy as np
import pytest
import torch
from av.video.reformatter import VideoReformatter

from lightning_pose.ops.yuv import YuvToRgb, nv12_to_rgb
from lightning_pose.video.decode import rgb_pixels

MATRICES, FULL = (1, 2, 5, 6), 2


def noise(height: int, width: int, *, matrix: int, colour_range: int) -> av.VideoFrame:
    random = np.random.default_rng(0)
    frame = av.VideoFrame(width, height, "yuv420p")
    frame.colorspace, frame.color_range = matrix, colour_range
    for plane in frame.planes:
        plane.update(random.integers(0, 256, size=plane.buffer_size, dtype=np.uint8).tobytes())
    return frame


def as_nv12(frame: av.VideoFrame) -> torch.Tensor:
    y, u, v = (
        np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]
        for plane in frame.planes
    )
    return torch.from_numpy(np.concatenate([y, np.stack([u, v], -1).reshape(len(u), -1)]))[None]


@pytest.mark.parametrize("size", [(48, 64), (406, 396), (50, 66)])
@pytest.mark.parametrize("colour_range", [0, 1, FULL])
@pytest.mark.parametrize("matrix", MATRICES)
def test_colours_are_those_of_ffmpeg(
    matrix: int, colour_range: int, size: tuple[int, int]
) -> None:
    frame = noise(*size, matrix=matrix, colour_range=colour_range)
    conversion = YuvToRgb.of(matrix, full_range=colour_range == FULL)
    assert conversion is not None
    expected = torch.from_numpy(rgb_pixels(VideoReformatter(), frame).copy())
    assert torch.equal(nv12_to_rgb(as_nv12(frame), size[0], conversion)[0], expected)


def test_a_matrix_that_is_not_known_is_not_guessed() -> None:
    assert YuvToRgb.of(9) is None


@pytest.mark.gpu
@pytest.mark.parametrize("matrix", MATRICES)
def test_the_kernel_does_the_same(matrix: int) -> None:
    from lightning_pose.ops.yuv_kernels import nv12_at_to_rgb

    conversion = YuvToRgb.of(matrix)
    assert conversion is not None
    pictures = [
        as_nv12(noise(406, 396, matrix=matrix, colour_range=0)).cuda().contiguous()
        for _ in range(3)
    ]
    places = torch.tensor([picture.data_ptr() for picture in pictures], device="cuda")
    found = torch.empty(3, 406, 396, 3, dtype=torch.uint8, device="cuda")
    nv12_at_to_rgb(places, found, conversion)
    assert torch.equal(found, nv12_to_rgb(torch.cat(pictures), 406, conversion))
