"""Which encoder writes a video, and with which options."""

from __future__ import annotations

from pathlib import Path

import av

from lightning_pose.contracts.errors import VideoError

_CODECS_BY_SUFFIX = {".webm": ("libvpx-vp9",)}
_CODECS = ("libx264", "mpeg4")


def first_encoder(path: Path) -> str:
    """Return the best encoder there is for the suffix of ``path``.

    Raises:
        VideoError: there is none.
    """
    names = _CODECS_BY_SUFFIX.get(path.suffix.lower(), _CODECS)
    for name in names:
        if name in av.codecs_available:
            return name
    raise VideoError(f"{path}: this build of PyAV has none of the encoders {', '.join(names)}.")


def encoder_options(name: str, *, crf: int, preset: str) -> dict[str, str]:
    """Return the options of an encoder for a quality (lower is better) and a preset of x264."""
    if name in ("libx264", "libx265"):
        return {"crf": str(crf), "preset": preset}
    if name == "libvpx-vp9":
        return {"crf": str(crf), "b": "0", "cpu-used": "5", "row-mt": "1"}
    return {"b": "8000000"} if name == "mpeg4" else {}
