"""Which pictures the video engines of a GPU (NVDEC) decode, asked of NVIDIA's driver.

PyNvVideoCodec can be asked too, but makes a context of its own for it, for which a GPU that is
full, or lends one context only, has no room. The driver's library takes the one that torch uses.
"""

from __future__ import annotations

import ctypes
import logging
from functools import partial

import torch

from lightning_pose.contracts.once import Once
from lightning_pose.ops.recording import RECORDINGS
from lightning_pose.video.nvdec_rules import LIMITS, Limits

_LIBRARY = "libnvcuvid.so.1"
_CODECS = {"h264": 4, "hevc": 8}  # cudaVideoCodec of cuviddec.h
_CHROMA_420 = 1
_logger = logging.getLogger(__name__)


class _Caps(ctypes.Structure):
    """CUVIDDECODECAPS of cuviddec.h: the first three are asked, the others answered."""

    _fields_ = (
        ("codec", ctypes.c_int),
        ("chroma_format", ctypes.c_int),
        ("bit_depth_minus_8", ctypes.c_uint),
        ("_reserved", ctypes.c_uint * 3),
        ("supported", ctypes.c_ubyte),
        ("num_engines", ctypes.c_ubyte),
        ("output_formats", ctypes.c_ushort),
        ("max_width", ctypes.c_uint),
        ("max_height", ctypes.c_uint),
        ("max_num_blocks", ctypes.c_uint),
        ("min_width", ctypes.c_ushort),
        ("min_height", ctypes.c_ushort),
        ("histogram_supported", ctypes.c_ubyte),
        ("histogram_bit_depth", ctypes.c_ubyte),
        ("max_histogram_bins", ctypes.c_ushort),
        ("_reserved_too", ctypes.c_uint * 10),
    )


@partial(Once, within=RECORDINGS.disturbing)
def limits_on(gpu: int, codec: str) -> Limits | None:
    """Return which pictures of 8-bit 4:2:0 a GPU decodes; None if none of this codec.

    A decoder that is given others ends the process. Where the driver does not tell, it is what is
    known of GPUs.

    Args:
        gpu: its number.
        codec: ``h264`` or ``hevc``.
    """
    caps = _Caps(codec=_CODECS[codec], chroma_format=_CHROMA_420)
    try:
        with torch.cuda.device(gpu):
            torch.cuda.synchronize(gpu)  # its context is this thread's now
            result: object = ctypes.CDLL(_LIBRARY).cuvidGetDecoderCaps(ctypes.byref(caps))
    except (OSError, AttributeError) as error:
        result = str(error)
    if result != 0:
        _logger.debug("NVIDIA's driver does not tell what it decodes of %s: %s", codec, result)
        return LIMITS[codec]
    if not caps.supported:
        return None
    return Limits(
        smallest=(caps.min_width, caps.min_height),
        largest=(caps.max_width, caps.max_height),
        num_blocks=caps.max_num_blocks,
    )
