"""Frames live where they fit, and come back unchanged from everywhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from lightning_pose.contracts.errors import DataError
from lightning_pose.data.frame_store import FrameStore, MemoryLimits

FRAMES = torch.arange(4 * 6 * 5 * 3, dtype=torch.uint8).reshape(4, 6, 5, 3)
NUM_BYTES = FRAMES.numel()


def filled(
    *, host: int, device: int = 0, on: str = "cpu", temp_dir: Path | None = None
) -> FrameStore:
    limits = MemoryLimits(device=device, host=host)
    store = FrameStore(4, 6, 5, device=torch.device(on), limits=limits, temp_dir=temp_dir)
    for slot, frame in enumerate(FRAMES):
        store.put(slot, frame)
    return store


@pytest.mark.parametrize(("host", "place"), [(NUM_BYTES, "host"), (NUM_BYTES - 1, "file")])
def test_frames_beyond_the_limit_go_into_a_file(host: int, place: str) -> None:
    store = filled(host=host)
    assert store.place == place
    assert store.num_bytes == NUM_BYTES


@pytest.mark.parametrize("host", [NUM_BYTES, 0])
def test_frames_come_back_as_they_were(host: int) -> None:
    slots = torch.tensor([2, 0, 2, 3])
    assert torch.equal(filled(host=host).take(slots), FRAMES[slots])


def test_the_file_leaves_no_name_behind(tmp_path: Path) -> None:
    store = filled(host=0, temp_dir=tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert torch.equal(store.take(torch.tensor([1])), FRAMES[[1]])


def test_a_full_disk_is_told_before_anything_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_space(*_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", no_space)
    with pytest.raises(DataError, match=r"no file of that size.*No space left.*TMPDIR"):
        filled(host=0, temp_dir=tmp_path)


def test_limits_leave_most_memory_to_others() -> None:
    limits = MemoryLimits.of(torch.device("cpu"))
    assert limits.device == 0
    assert limits.host > 0


@pytest.mark.gpu
@pytest.mark.parametrize(
    ("device", "host", "place"), [(NUM_BYTES, 0, "device"), (0, NUM_BYTES, "host"), (0, 0, "file")]
)
def test_a_gpu_is_served_from_every_place(device: int, host: int, place: str) -> None:
    store = filled(device=device, host=host, on="cuda")
    assert store.place == place
    slots = torch.tensor([3, 1])
    taken = store.take(slots)
    assert taken.device.type == "cuda"
    assert torch.equal(taken.cpu(), FRAMES[slots])
