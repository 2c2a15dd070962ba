"""Windows of neighbouring frames."""

from __future__ import annotations

import pytest
import torch

from lightning_pose.contracts.errors import ModelError
from lightning_pose.ops.windows import sliding_windows, trim_halo


@pytest.mark.parametrize("num_frames", [5, 6, 9])
def test_each_window_holds_a_frame_and_its_neighbours_in_order(num_frames: int) -> None:
    frames = torch.arange(num_frames)[:, None] * torch.ones(1, 3, dtype=torch.long)
    windows = sliding_windows(frames, halo=2)
    by_hand = torch.stack([frames[i - 2 : i + 3] for i in range(2, num_frames - 2)])
    assert torch.equal(windows, by_hand)


def test_windows_share_the_memory_of_the_frames() -> None:
    frames = torch.zeros(8, 4)
    windows = sliding_windows(frames, halo=1)
    frames[3] = 7.0
    assert windows[2, 1].tolist() == windows[1, 2].tolist() == [7.0] * 4


def test_no_halo_gives_windows_of_one_frame() -> None:
    assert sliding_windows(torch.arange(3), halo=0).tolist() == [[0], [1], [2]]


def test_too_few_frames_for_a_window_are_refused_with_both_numbers() -> None:
    with pytest.raises(ModelError, match="needs 5 frames, got 4"):
        sliding_windows(torch.arange(4), halo=2)


@pytest.mark.parametrize(("wanted", "expected"), [(0, [2, 3]), (1, [1, 2, 3, 4])])
def test_a_halo_is_trimmed_at_both_ends(wanted: int, expected: list[int]) -> None:
    assert trim_halo(torch.arange(6), given=2, wanted=wanted).tolist() == expected


def test_a_halo_that_fits_is_left_alone() -> None:
    assert trim_halo(torch.arange(3), given=0, wanted=0).tolist() == [0, 1, 2]


def test_a_missing_halo_is_an_error_that_names_both_numbers() -> None:
    with pytest.raises(ModelError, match="needs 2 neighbouring frames on each side"):
        trim_halo(torch.arange(6), given=0, wanted=2)
