"""Films for benchmarks, made of others: longer ones and larger ones."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2

from lightning_pose.video.decode import Decoder
from lightning_pose.video.writer import VideoWriter


def looped(source: Path, path: Path, *, loops: int, frames: int | None = None) -> Path:
    """Write the packets of a film, or those of its first frames, several times in a row."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(source)) as old, av.open(str(path), "w") as new:
        track = old.streams.video[0]
        stream = new.add_stream_from_template(track)
        step = round(Fraction(track.frames) / track.average_rate / track.time_base)
        packets = [p for p in old.demux(track) if p.size][:frames]
        kept = [(bytes(p), p.pts, p.dts, p.is_keyframe, p.duration) for p in packets]
        for number in range(loops):
            for data, pts, dts, is_key, length in kept:
                packet = av.Packet(data)
                packet.pts, packet.dts = pts + number * step, dts + number * step
                packet.is_keyframe, packet.duration = is_key, length
                packet.time_base, packet.stream = track.time_base, stream
                new.mux(packet)
    return path


def enlarged(source: Path, path: Path, *, width: int, height: int, crf: int) -> Path:
    """Write a film in another size."""
    decoder = Decoder(source)
    with VideoWriter(path, fps=decoder.info.fps, width=width, height=height, crf=crf) as video:
        for picture in decoder:
            video.write(cv2.resize(picture.pixels, (width, height)))
    return path
