"""Which videos the decoder of a GPU (NVDEC) reads as FFmpeg does, told from their headers."""

from __future__ import annotations

from collections.abc import Collection

from lightning_pose.video.info import VideoInfo
from lightning_pose.video.orientation import UPRIGHT

# Codecs NVDEC decodes, with the smallest width and height it takes.
_SMALLEST = {
    "h264": (48, 16),
    "hevc": (144, 144),
    "vp8": (48, 16),
    "libvpx": (48, 16),
    "vp9": (128, 128),
    "libvpx-vp9": (128, 128),
    "av1": (128, 128),
    "libdav1d": (128, 128),
    "mpeg4": (48, 16),
}
_LARGEST = 4096  # of every codec on every GPU
_PIXEL_FORMATS = ("yuv420p", "nv12")


def why_not_decoded(
    info: VideoInfo, pixel_formats: Collection[str] = _PIXEL_FORMATS
) -> str | None:
    """Return what of the stored pictures NVDEC does not take, in one sentence; None if all.

    Args:
        info: the video.
        pixel_formats: FFmpeg's names of those that count as 8-bit 4:2:0.
    """
    smallest = _SMALLEST.get(info.codec)
    if smallest is None:
        return f"NVDEC does not decode {info.codec}."
    if info.pixel_format not in pixel_formats:
        return f"Its pixels are stored as {info.pixel_format}, not as 8-bit 4:2:0."
    if info.width < smallest[0] or info.height < smallest[1]:
        return f"NVDEC decodes {info.codec} from {smallest[0]} x {smallest[1]} pixels on."
    if max(info.width, info.height) > _LARGEST:
        return f"NVDEC decodes up to {_LARGEST} pixels."
    if info.orientation != UPRIGHT:
        return "It is to be shown turned or mirrored, which NVDEC does not do."
    return None
