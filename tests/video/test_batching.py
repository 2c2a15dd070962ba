"""Frames written where they are told to are cut into the batches that pictures are cut into."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from lightning_pose.video.batching import Part, filled_batches, in_batches

NUM_FRAMES = 23


class Source:
    """Writes numbered frames, never more than ``at_most`` at a time."""

    def __init__(self, start: int, stop: int, *, at_most: int) -> None:
        self.next, self.stop, self.at_most = start, stop, at_most

    def fill(self, out: Tensor) -> int:
        count = min(len(out), self.at_most, self.stop - self.next)
        numbers = torch.arange(self.next, self.next + count, dtype=torch.uint8)
        out[:count] = numbers.view(-1, 1, 1, 1)
        self.next += count
        return count


@pytest.mark.parametrize("at_most", [1, 3, 50])
@pytest.mark.parametrize("halo", [0, 2, 5])
@pytest.mark.parametrize("bounds", [(0, NUM_FRAMES), (0, 9), (1, 3), (7, 16), (22, 23), (17, 23)])
def test_batches_are_those_of_single_pictures(
    bounds: tuple[int, int], halo: int, at_most: int
) -> None:
    part = Part(*bounds, NUM_FRAMES)
    first, end = part.with_context(halo)
    number = bounds[1] - bounds[0]
    sizes = [4] * (number // 4) + [number % 4] * bool(number % 4)
    pictures = np.arange(first, end, dtype=np.uint8).reshape(-1, 1, 1, 1).repeat(3, axis=3)
    expected = list(in_batches(iter(pictures), batch_size=iter(sizes), halo=halo, part=part))
    source = Source(first, end, at_most=at_most)

    def empty(number: int) -> Tensor:
        return torch.empty(number, 1, 1, 3, dtype=torch.uint8)

    found = list(
        filled_batches(source.fill, empty=empty, capacity=4, sizes=sizes, halo=halo, part=part)
    )
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one.frames, other.frames)
        assert torch.equal(one.frame_ids, other.frame_ids)
        assert one.frames.untyped_storage().nbytes() == (4 + 2 * halo) * 3
