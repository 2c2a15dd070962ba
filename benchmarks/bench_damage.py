"""Spoil copies of a video, and count of how many FFmpeg and NVDEC tell.

    python benchmarks/bench_damage.py VIDEO OUT

The first hundred frames of VIDEO are encoded by several codecs. In each copy one to 64 bytes of
one frame are overwritten, or one bit is turned over. For each codec: copies, those whose pictures
change, those that `litpose preflight` (FFmpeg) finds damaged, and, on a GPU, what becomes of them
there: left to PyAV as NVDEC told of a picture and FFmpeg of damage, predicted with a remark, or,
of other codecs than H.264 and HEVC, not for NVDEC.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import tempfile
from collections import Counter
from pathlib import Path

import av
import numpy as np
import torch

from lightning_pose.video.decode import Decoder
from lightning_pose.video.nvdec_decoders import why_no_codec
from lightning_pose.video.nvdec_reader import NvdecReader
from lightning_pose.video.preflight import preflight
from lightning_pose.video.segments import DamagedError

FRAMES, KEY_EVERY = 100, "25"
X264 = {"crf": "23", "g": KEY_EVERY}
REALTIME = {"deadline": "realtime", "cpu-used": "8"}
CODECS: dict[str, tuple[str, dict[str, str], int]] = {
    "h264, cabac": ("libx264", X264, 24),
    "h264, cavlc": ("libx264", X264 | {"profile": "baseline"}, 24),
    "h264, 4 slices": ("libx264", X264 | {"slices": "4"}, 12),
    "hevc": ("libx265", {"crf": "25", "x265-params": "keyint=25:log-level=none"}, 12),
    "mpeg4": ("mpeg4", {"q": "4", "g": KEY_EVERY}, 12),
    "vp9": ("libvpx-vp9", {"crf": "33", "b": "0", "g": KEY_EVERY} | REALTIME, 12),
    "av1": ("libsvtav1", {"crf": "35", "g": KEY_EVERY, "preset": "12"}, 12),
}


def main() -> None:
    """Make the copies and print what is told of them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("video", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    out: Path = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    # What an earlier run found out of the same copies must not be known.
    os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(dir=out)
    on_gpu = torch.cuda.is_available() and why_no_codec() is None
    pictures = [
        picture.pixels.copy() for picture in itertools.islice(Decoder(options.video), FRAMES)
    ]
    rng = random.Random(0)
    for name, (codec, settings, number) in CODECS.items():
        whole = encoded(out / f"{name.replace(', ', '_')}.mp4", pictures, codec, settings)
        found: Counter[str] = Counter()
        for copy in range(number):
            path = spoilt(whole, whole.with_stem(f"{whole.stem}_{copy:02d}"), rng)
            found["pictures change"] += is_changed(path, whole)
            if on_gpu:  # before anybody has looked into it
                found[by_nvdec(path)] += 1
            told = preflight(path)
            found["told by FFmpeg"] += bool(told.error or told.problems)
        print(f"{name:16} {number} copies: {dict(sorted(found.items()))}", flush=True)


def encoded(path: Path, pictures: list[np.ndarray], codec: str, settings: dict[str, str]) -> Path:
    """Write a video of RGB pictures; return where it is."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=settings)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def spoilt(video: Path, path: Path, rng: random.Random) -> Path:
    """Write a copy with a few bytes of one frame overwritten; return where it is."""
    with av.open(str(video)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        places = [(packet.pos or 0, packet.size) for packet in packets]
    begin, size = rng.choice(places[3:])
    length = rng.choice([1, 1, 4, 16, 64])
    first = begin + (rng.randrange(min(24, size - 1), size) if size > 30 else size // 2)
    content = bytearray(video.read_bytes())
    for place in range(first, min(first + length, begin + size)):
        one_bit = content[place] ^ (1 << rng.randrange(8)) if length == 1 else None
        content[place] = rng.randrange(256) if one_bit is None else one_bit
    path.write_bytes(content)
    return path


def is_changed(path: Path, whole: Path) -> bool:
    """Tell whether a copy shows other pictures than the video."""
    ours, theirs = ([picture.pixels.copy() for picture in Decoder(it)] for it in (path, whole))
    return len(ours) != len(theirs) or any(
        not np.array_equal(one, other) for one, other in zip(ours, theirs, strict=True)
    )


def by_nvdec(path: Path) -> str:
    """Return what becomes of a video on a GPU."""
    if NvdecReader.usable(path, device="cuda"):
        return "not for NVDEC"
    reader = NvdecReader(path, batch_size=64)
    try:
        for _ in reader.read(reader.segments):
            pass
    except DamagedError:
        return "told by NVDEC and FFmpeg"
    return "remark of NVDEC" if reader.problems else "NVDEC silent"


if __name__ == "__main__":
    main()
