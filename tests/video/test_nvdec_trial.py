"""The trial of the video engine tells right frames from wrong ones, and failures from both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from lightning_pose.contracts.errors import VideoError
from lightning_pose.video import nvdec_trial
from lightning_pose.video.batching import RawFrames
from lightning_pose.video.nvdec_trial import why_no_nvdec
from lightning_pose.video.pyav_reader import PyAVReader
from lightning_pose.video.segments import Segment


@pytest.fixture
def pretended_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(nvdec_trial, "why_no_codec", lambda: None)


def stand_in(
    monkeypatch: pytest.MonkeyPatch, change: Any = None, *, why_not: str | None = None
) -> None:
    """Let PyAV decode in place of NVDEC; ``change`` is done to its frames."""

    class Reader(PyAVReader):
        def __init__(self, video: Path | str, *, batch_size: int, device: str) -> None:
            super().__init__(video, batch_size=batch_size)

        @classmethod
        def usable(cls, video: Path, *, device: torch.device | str = "cpu") -> str | None:
            return why_not

        def read(self, segments: Sequence[Segment]) -> Iterator[RawFrames]:
            for raw in super().read(segments):
                if change is not None:
                    change(raw.frames)
                yield raw

    monkeypatch.setattr(nvdec_trial, "NvdecReader", Reader)


@pytest.mark.usefixtures("pretended_gpu")
def test_right_frames_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch)
    assert why_no_nvdec() is None


@pytest.mark.usefixtures("pretended_gpu")
def test_wrong_frames_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, lambda frames: frames[3].zero_())
    assert why_no_nvdec() == "NVDEC gives other frames than were written."


@pytest.mark.usefixtures("pretended_gpu")
def test_a_failure_is_told_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise VideoError("DALI cannot decode it.\nmore")

    stand_in(monkeypatch, fail)
    assert why_no_nvdec() == "NVDEC failed (DALI cannot decode it)."


@pytest.mark.usefixtures("pretended_gpu")
def test_a_gpu_that_predictions_would_not_use_does_not_pass(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stand_in(monkeypatch, why_not="This GPU does not decode h264.")
    assert why_no_nvdec() == "NVDEC failed (This GPU does not decode h264)."


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so() -> None:
    assert why_no_nvdec() == "There is no GPU here."


@pytest.mark.gpu
def test_nvdec_decodes_here() -> None:
    pytest.importorskip("PyNvVideoCodec")
    assert why_no_nvdec() is None
