"""The reader that decodes with NVIDIA DALI on the video engine (NVDEC) of a GPU.

Seen with DALI 2.4: without padding the last, shorter sequence of a video is dropped; with
``pad_mode="constant"`` it comes, and added frames have the number -1. After the last sequence the
reader begins anew, so it is asked for as many sequences as the index of the file promises frames.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from lightning_pose.contracts.errors import DataError, VideoError
from lightning_pose.contracts.registry import READERS
from lightning_pose.ops.recording import RECORDINGS
from lightning_pose.video.batching import RawFrames, sequences_in_batches
from lightning_pose.video.dali_graph import dali_modules
from lightning_pose.video.info import VideoInfo, open_video, probe
from lightning_pose.video.nvdec_rules import why_not_decoded
from lightning_pose.video.preflight import is_damaged_inside
from lightning_pose.video.sequence_input import why_no_dali

_BT601 = (2, 5, 6)  # FFmpeg's numbers: not stated, PAL, NTSC
_PREFETCHED = 2


@READERS.register("dali")
class DaliReader:
    """Decodes plain constant-rate video on a GPU; frames never leave it.

    It takes only what it can be trusted with, by the rule of :func:`unsuitable`, and of that files
    with one track and no edit list, all of whose pictures were found whole: where one is damaged
    NVDEC may leave it out, and DALI counts on. All else it refuses, to be left to PyAV.

    Args:
        video: the file.
        batch_size: frames to be predicted per batch.
        halo: frames of context at either end of each batch.
        device: the GPU.

    Raises:
        VideoError: the batch size or halo is impossible, or the video cannot be read.
    """

    # Below PyAV: chosen by name only, until it is shown to agree with it on the GPU at hand.
    priority: ClassVar[int] = -1

    def __init__(
        self,
        video: Path | str,
        *,
        batch_size: int,
        halo: int = 0,
        device: torch.device | str = "cuda",
    ) -> None:
        if batch_size < 1 or halo < 0:
            raise VideoError(
                f"A batch needs at least one frame and a halo of at least 0, got {batch_size} and "
                f"{halo}."
            )
        self.info: VideoInfo = probe(video)
        self.num_frames: int | None = None
        self._batch_size = batch_size
        self._halo = halo
        self._device = torch.device(device)

    @classmethod
    def usable(cls, video: Path, *, device: torch.device | str = "cpu") -> str | None:
        """Return None if this reader can be trusted with ``video``, else why not."""
        if torch.device(device).type != "cuda":
            return "NVDEC is part of a GPU; this is for device cuda."
        if not torch.cuda.is_available():
            return "There is no GPU here."
        return why_no_dali() or why_not_plain(video) or _why_not_sound(video)

    @property
    def problems(self) -> tuple[str, ...]:
        """Return what is wrong with the file."""
        return self.info.problems

    def __iter__(self) -> Iterator[RawFrames]:
        """Yield every frame once, in display order, on the GPU.

        Raises:
            VideoError: the file gives other frames than its index promises, or cannot be decoded.
        """
        self.num_frames = None
        promised = self.info.num_frames or 0
        seen = 0
        for batch in sequences_in_batches(
            self._sequences(promised), batch_size=self._batch_size, halo=self._halo
        ):
            seen += len(batch.frame_ids)
            yield batch
        if seen != promised:
            raise VideoError(
                f"{self.info.path}: DALI gave {seen} of the {promised} frames that the index of "
                "the file promises. Read it with PyAV (--reader pyav)."
            )
        self.num_frames = seen

    def _sequences(self, promised: int) -> Iterator[UInt8[Tensor, "t height width 3"]]:
        """Yield the frames in order, in sequences, without those added at the end.

        Each lies in memory of its own: that of the pipeline is used again in its next run.
        """
        with RECORDINGS.disturbing():
            pipeline = _pipeline(self.info.path, self._batch_size, self._device)
        stream = None if self._device.type == "cpu" else torch.cuda.current_stream(self._device)
        first = 0
        try:
            for _ in range(-(-promised // self._batch_size)):
                with RECORDINGS.disturbing():
                    frames, numbers = pipeline.run() if stream is None else pipeline.run(stream)
                ids = torch.from_dlpack(numbers.as_cpu()[0])
                number = _count_in_order(ids, first, self.info.path)
                yield torch.from_dlpack(frames[0])[:number].clone()
                first += number
        except RuntimeError as error:
            reason = (str(error).strip().splitlines() or ["no reason given"])[0]
            raise VideoError(
                f"{self.info.path}: DALI cannot decode it after frame {first} ({reason}). Read it "
                "with PyAV (--reader pyav)."
            ) from error


def why_not_plain(video: Path) -> str | None:
    """Return why NVDEC should not be trusted with a video, in one sentence; None if it may.

    Raises:
        VideoError: the file cannot be read at all.
    """
    info = probe(video)
    return unsuitable(info) or _why_not_whole(video)


def unsuitable(info: VideoInfo) -> str | None:
    """Return what of a video's description NVDEC and DALI do not read as PyAV does; None if all.

    A rule, decided before a frame is decoded: MP4 or MOV with an index that names every frame,
    evenly spaced, upright, in a codec and size NVDEC takes, as 8-bit 4:2:0 with the colours of
    BT.601 and video range, which is what DALI makes of all pictures whatever their tags say.
    """
    return why_not_decoded(info) or _what_is_not_as_expected(info)


def _why_not_sound(video: Path) -> str | None:
    """Return why the pictures inside may not be whole, in one sentence; None if they are."""
    try:
        damaged = is_damaged_inside(video)
    except DataError as error:
        return str(error)
    if damaged is None:
        return (
            "Nobody has looked whether its pictures are whole, and DALI tells of no damage; "
            "`litpose preflight` looks, and keeps what it finds."
        )
    return "It is damaged inside, of which DALI would not tell." if damaged else None


def _what_is_not_as_expected(info: VideoInfo) -> str | None:
    if info.colour_matrix not in _BT601 or info.full_range:
        return "Its colours are not those of BT.601 in video range, which DALI takes all to be."
    if not info.container.startswith("mov,mp4"):
        return "It is no MP4 or MOV, whose index gives every frame the time it is shown at."
    if info.num_frames is None or info.variable_rate is None:
        return "Its container does not name every frame."
    if info.variable_rate:
        return "Its frames are unevenly spaced."
    return "Its index is damaged." if info.problems else None


def _why_not_whole(video: Path) -> str | None:
    with open_video(video) as (container, stream):
        entries = list(stream.index_entries)
        if len(container.streams.video) > 1:
            return "It has several picture tracks."
        if len(entries) != stream.frames or any(entry.is_discard for entry in entries):
            return "It has an edit list."
        if not entries[0].is_keyframe:
            return "It begins between two key frames."
    return None


def _count_in_order(ids: Int[Tensor, " t"], first: int, path: Path) -> int:
    """Return how many frames are real (number not -1), which must go on from ``first``."""
    real = [int(number) for number in ids if number >= 0]
    if real != list(range(first, first + len(real))):
        raise VideoError(
            f"{path}: DALI gave frame {real[0]} where {first} was due. Read it with PyAV "
            "(--reader pyav)."
        )
    return len(real)


def _pipeline(path: Path, sequence_length: int, device: torch.device) -> Any:
    fn, types, module = dali_modules()
    kind = "cpu" if device.type == "cpu" else "gpu"
    pipeline = module.Pipeline(
        batch_size=1,
        num_threads=1,
        device_id=None if kind == "cpu" else (device.index or 0),
        prefetch_queue_depth=_PREFETCHED,
    )
    with pipeline:
        frames, numbers = fn.experimental.readers.video(
            device=kind,
            filenames=[str(path.resolve())],
            sequence_length=sequence_length,
            pad_mode="constant",
            enable_frame_num="sequence",
            image_type=types.RGB,
            prefetch_queue_depth=_PREFETCHED,
        )
        pipeline.set_outputs(frames, numbers)
    pipeline.build()
    return pipeline
