"""Which videos the decoder of a GPU (NVDEC) reads as FFmpeg does, told before they are decoded."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from lightning_pose.contracts.errors import DataError, VideoError
from lightning_pose.ops.yuv import YuvToRgb
from lightning_pose.video.h264_headers import is_without_colour
from lightning_pose.video.info import VideoInfo, probe
from lightning_pose.video.orientation import UPRIGHT
from lightning_pose.video.preflight import is_damaged_inside
from lightning_pose.video.sample_table import SampleTable, trusted_table


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The pictures that a decoder takes.

    Attributes:
        smallest: width and height, in pixels.
        largest: as ``smallest``.
        num_blocks: of 16 x 16 pixels, at most.
    """

    smallest: tuple[int, int]
    largest: tuple[int, int]
    num_blocks: int

    def take(self, width: int, height: int) -> bool:
        """Tell whether pictures of ``width`` x ``height`` pixels are among them."""
        blocks = math.ceil(width / 16) * math.ceil(height / 16)
        wide = self.smallest[0] <= width <= self.largest[0]
        return wide and self.smallest[1] <= height <= self.largest[1] and blocks <= self.num_blocks

    def __str__(self) -> str:
        (width, height), (most_width, most_height) = self.smallest, self.largest
        text = f"from {width} x {height} to {most_width} x {most_height} pixels"
        if self.take(most_width, most_height):
            return text
        return f"{text}, and at most {self.num_blocks} blocks of 16 x 16"


# Codecs of which NVDEC makes the pictures that FFmpeg makes, with what an H200 takes of them at
# least. Of MPEG-4 it makes others, and tells of no damage there; others were not tried.
_LARGEST, _NUM_BLOCKS = (4096, 4096), 65536
LIMITS = {
    "h264": Limits(smallest=(48, 16), largest=_LARGEST, num_blocks=_NUM_BLOCKS),
    "hevc": Limits(smallest=(144, 144), largest=_LARGEST, num_blocks=_NUM_BLOCKS),
}
LimitsOf = Callable[[str], Limits | None]  # by FFmpeg's name of a codec
_PIXEL_FORMATS = ("yuv420p", "nv12")
_FULL_RANGE_TOO = ("yuv420p", "yuvj420p", "nv12")


def why_not_decoded(
    info: VideoInfo,
    *,
    pixel_formats: Collection[str] = _PIXEL_FORMATS,
    limits_of: LimitsOf = LIMITS.get,
) -> str | None:
    """Return what of the stored pictures NVDEC does not take, in one sentence; None if all.

    Args:
        info: the video.
        pixel_formats: FFmpeg's names of those that count as 8-bit 4:2:0.
        limits_of: tells which pictures of a codec it takes; None = none.
    """
    if info.codec not in LIMITS:
        return f"NVDEC is trusted with H.264 and HEVC, not with {info.codec}."
    if info.pixel_format not in pixel_formats:
        return f"Its pixels are stored as {info.pixel_format}, not as 8-bit 4:2:0."
    if info.orientation != UPRIGHT:
        return "It is to be shown turned or mirrored, which NVDEC does not do."
    limits = limits_of(info.codec)
    if limits is None:
        return f"This GPU does not decode {info.codec}."
    # A file whose pictures become larger midway is not noticed.
    if not limits.take(info.width, info.height) or not limits.take(*info.coded_size):
        return f"NVDEC decodes {info.codec} {limits}."
    return None


def why_not_plain(video: Path, limits_of: LimitsOf = LIMITS.get) -> str | None:
    """Return why NVDEC should not be trusted with a video, in one sentence; None if it may.

    Args:
        video: the file.
        limits_of: see :func:`why_not_decoded`.

    Raises:
        VideoError: the file cannot be read at all.
    """
    info = probe(video)
    if reason := why_not_decoded(info, pixel_formats=_FULL_RANGE_TOO, limits_of=limits_of):
        return reason
    if info.width % 2 or info.height % 2:
        return f"Its frames have an odd size, {info.width} x {info.height} pixels."
    if YuvToRgb.of(info.colour_matrix) is None:
        return f"Its colours are of a kind not known here ({info.colour_matrix})."
    table = trusted_table(info)
    if table is None:
        return "Its index does not name every frame."
    if len(table.numbers) != table.num_frames or not len(table.entries) or table.entries[0]:
        return "It has frames that are not shown, or does not begin with a key frame."
    if info.codec == "h264" and is_without_colour(table.settings.extradata):
        return "Its pictures have no colours, at which NVIDIA's decoder breaks down."
    if info.picture_tracks > 1:
        return "It has several picture tracks."
    if _is_damaged(video):
        return "It is damaged inside."
    return None


def table_of(info: VideoInfo) -> SampleTable:
    """Return the table of frames of a file.

    Raises:
        VideoError: its index does not name every frame.
    """
    table = trusted_table(info)
    if table is None:
        raise VideoError(f"The index of {info.path} does not name every frame.")
    return table


def _is_damaged(path: Path) -> bool:
    try:
        return bool(is_damaged_inside(path))
    except DataError as error:
        raise VideoError(str(error)) from error
