"""Awkward videos, made small; each frame carries its number, so that lost or doubled ones show."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

Maker = Callable[[Path, Callable[[str], Path]], object]

BLOCK = 8
BITS = 10
WIDTH, HEIGHT = 112, 80
NUM_FRAMES = 60


def numbered_frame(number: int, *, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """Return an RGB frame: black and white blocks spell ``number``, colours tell corners apart."""
    frame = np.empty((height, width, 3), dtype=np.uint8)
    frame[: height // 2, : width // 2] = (200, 40, 40)
    frame[: height // 2, width // 2 :] = (40, 180, 60)
    frame[height // 2 :, : width // 2] = (50, 60, 200)
    frame[height // 2 :, width // 2 :] = (190, 170, 50)
    for place, bit in enumerate(_bits(number)):
        columns = slice(place * BLOCK, (place + 1) * BLOCK)
        frame[:BLOCK, columns] = 235 if bit else 20
    return frame


def read_number(frame: np.ndarray) -> int:
    """Return the number spelled in ``frame``, or -1 if the blocks are damaged."""
    bits = []
    for place in range(BITS + 1):
        block = frame[1 : BLOCK - 1, place * BLOCK + 1 : (place + 1) * BLOCK - 1].mean()
        if 90 < block < 165:
            return -1
        bits.append(int(block > 127))
    number = sum(bit << place for place, bit in enumerate(bits[:BITS]))
    return number if bits == _bits(number) else -1


def _bits(number: int) -> list[int]:
    bits = [(number >> place) & 1 for place in range(BITS)]
    return [*bits, 1 - sum(bits) % 2]


def encode(
    path: Path,
    numbers: Iterable[int],
    *,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    fps: Fraction | int = 25,
    size: tuple[int, int] = (WIDTH, HEIGHT),
    times: Iterable[int] | None = None,
    time_base: Fraction | None = None,
    options: dict[str, str] | None = None,
    muxer: dict[str, str] | None = None,
    rotation: int = 0,
    container_format: str | None = None,
) -> Path:
    """Write the numbered frames with PyAV itself, not with the writer under test."""
    numbers = list(numbers)
    stamps = list(times) if times is not None else list(range(len(numbers)))
    with av.open(str(path), "w", format=container_format, options=muxer or {}) as container:
        stream = container.add_stream(codec, rate=fps, options=options or {})
        stream.width, stream.height, stream.pix_fmt = *size, pix_fmt
        stream.codec_context.time_base = time_base or 1 / Fraction(fps)
        if rotation:
            stream.set_display_rotation(rotation)
        for number, pts in zip(numbers, stamps, strict=True):
            frame = av.VideoFrame.from_ndarray(
                numbered_frame(number, width=size[0], height=size[1]), format="rgb24"
            )
            frame.pts, frame.time_base = pts, stream.codec_context.time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def copy_packets(
    source: Path,
    path: Path,
    *,
    shift_s: float = 0.0,
    skip_packets: int = 0,
    muxer: dict[str, str] | None = None,
    damage: Iterable[int] = (),
    flip: Iterable[int] = (),
    hide: Iterable[int] = (),
) -> Path:
    """Copy the video stream without decoding: moved in time, cut in front, or bytes spoilt."""
    spoilt, flipped, hidden = set(damage), set(flip), set(hide)
    with av.open(str(source)) as old, av.open(str(path), "w", options=muxer or {}) as new:
        track = old.streams.video[0]
        stream = new.add_stream_from_template(track)
        for number, packet in enumerate(_real_packets(old, track)):
            if number < skip_packets:
                continue
            if number in spoilt:
                packet = _spoil(packet)
            if number in flipped:
                packet = _flip(packet)
            if number in hidden:
                packet = _hide(packet)
            ticks = round(Fraction(shift_s).limit_denominator(1000) / packet.time_base)
            packet.pts += ticks
            packet.dts += ticks
            packet.stream = stream
            new.mux(packet)
    return path


def join_tracks(first: Path, second: Path, path: Path, *, default: int) -> Path:
    """Write a file with two video tracks, of which number ``default`` is the one players show."""
    with av.open(str(first)) as a, av.open(str(second)) as b, av.open(str(path), "w") as new:
        streams = []
        for place, old in enumerate((a, b)):
            stream = new.add_stream_from_template(old.streams.video[0])
            stream.disposition = av.stream.Disposition.default if place == default else 0
            streams.append(stream)
        for old, stream in zip((a, b), streams, strict=True):
            for packet in _real_packets(old, old.streams.video[0]):
                packet.stream = stream
                new.mux(packet)
    return path


def loop(source: Path, path: Path, *, times: int, length_s: Fraction) -> Path:
    """Write the video ``times`` times one after the other, without decoding."""
    with av.open(str(source)) as old, av.open(str(path), "w") as new:
        track = old.streams.video[0]
        stream = new.add_stream_from_template(track)
        step = round(length_s / track.time_base)
        kept = [
            (bytes(packet), packet.pts, packet.dts, packet.duration, packet.is_keyframe)
            for packet in _real_packets(old, track)
        ]
        for number in range(times):
            for data, pts, dts, duration, is_keyframe in kept:
                packet = av.Packet(data)
                packet.pts, packet.dts = pts + number * step, dts + number * step
                packet.duration, packet.is_keyframe = duration, is_keyframe
                packet.time_base, packet.stream = track.time_base, stream
                new.mux(packet)
    return path


def audio_only(path: Path) -> Path:
    """Write half a second of silence."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        stream.layout = "mono"
        for start in range(0, 8192, 1024):
            frame = av.AudioFrame.from_ndarray(
                np.zeros((1, 1024), dtype=np.float32), format="fltp", layout="mono"
            )
            frame.sample_rate, frame.pts = 16000, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def truncate(source: Path, path: Path, *, keep: float) -> Path:
    """Write the first ``keep`` part of the bytes of ``source``."""
    data = source.read_bytes()
    path.write_bytes(data[: round(len(data) * keep)])
    return path


def concatenate(parts: Iterable[Path], path: Path) -> Path:
    """Join files byte by byte (fit for transport streams)."""
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def _real_packets(
    container: av.container.InputContainer, track: av.VideoStream
) -> Iterator[av.Packet]:
    return (packet for packet in container.demux(track) if packet.dts is not None)


def _spoil(packet: av.Packet) -> av.Packet:
    """Return the packet with the middle of its bytes overwritten."""
    data = bytearray(bytes(packet))
    rng = np.random.default_rng(packet.pts)
    begin = min(12, len(data) // 2)
    data[begin:] = rng.integers(0, 256, len(data) - begin, dtype=np.uint8).tobytes()
    return _with_data(packet, data)


def _flip(packet: av.Packet) -> av.Packet:
    """Return the packet with a bit in its middle turned over, as a disk may do."""
    data = bytearray(bytes(packet))
    data[len(data) // 2] ^= 1
    return _with_data(packet, data)


def _hide(packet: av.Packet) -> av.Packet:
    """Return the VP8 packet as a frame that others refer to but that is not shown."""
    data = bytearray(bytes(packet))
    data[0] &= ~0x10
    return _with_data(packet, data)


def _with_data(packet: av.Packet, data: bytearray) -> av.Packet:
    other = av.Packet(bytes(data))
    other.pts, other.dts, other.time_base = packet.pts, packet.dts, packet.time_base
    other.duration, other.is_keyframe = packet.duration, packet.is_keyframe
    return other


def _gop(length: int, *, is_open: bool = False) -> dict[str, str]:
    fixed = f"keyint={length}:min-keyint={length}:scenecut=0:open-gop={int(is_open)}:bframes=3"
    return {"x264-params": fixed}


_HEVC = "keyint=12:min-keyint=12:open-gop=1:bframes=3:log-level=none"
_ALL = range(NUM_FRAMES)
_UNEVEN = [i * 40 + (i % 5) ** 2 * 2 + (500 if i > 30 else 0) for i in _ALL]  # ms
_KEEP_NEGATIVE_TIMES = {"avoid_negative_ts": "disabled"}

# File name -> what writes it, given its path and a way to other files of the corpus.
MAKERS: dict[str, Maker] = {
    # containers and codecs
    "plain.mp4": lambda path, _: encode(path, _ALL),
    "plain.mkv": lambda path, _: encode(path, _ALL),
    "plain.ts": lambda path, _: encode(path, _ALL),
    "vp9.webm": lambda path, _: encode(path, _ALL, codec="libvpx-vp9"),
    "vp8.webm": lambda path, _: encode(path, _ALL, codec="libvpx"),
    "hidden.webm": lambda path, of: copy_packets(of("vp8.webm"), path, hide=[25]),
    "mpeg4.avi": lambda path, _: encode(path, _ALL, codec="mpeg4"),
    "mjpeg.avi": lambda path, _: encode(path, _ALL, codec="mjpeg", pix_fmt="yuvj420p"),
    "ffv1_gray.mkv": lambda path, _: encode(path, _ALL, codec="ffv1", pix_fmt="gray"),
    "rgb.mkv": lambda path, _: encode(path, _ALL, codec="libx264rgb", pix_fmt="rgb24"),
    "ten_bit.mp4": lambda path, _: encode(path, _ALL, pix_fmt="yuv420p10le"),
    "full_colour.mp4": lambda path, _: encode(path, _ALL, pix_fmt="yuv444p"),
    "odd_size.mp4": lambda path, _: encode(path, _ALL, pix_fmt="yuv444p", size=(113, 81)),
    "odd_size.webm": lambda path, _: encode(path, _ALL, codec="libvpx-vp9", size=(113, 81)),
    "interlaced.ts": lambda path, _: encode(
        path, _ALL, options={"flags": "+ildct+ilme", "x264-params": "interlaced=1"}
    ),
    "b_frames.avi": lambda path, _: encode(path, _ALL, options=_gop(12)),
    "b_frames_mpeg4.avi": lambda path, _: encode(
        path, _ALL, codec="mpeg4", options={"bf": "2", "g": "12"}
    ),
    "hevc.mp4": lambda path, _: encode(
        path, _ALL, codec="libx265", options={"x265-params": _HEVC}
    ),
    "program_stream.mpg": lambda path, _: encode(
        path, _ALL, codec="mpeg2video", options={"bf": "2", "g": "12"}
    ),
    "stream.h264": lambda path, _: encode(path, _ALL, options=_gop(12), container_format="h264"),
    # structure
    "one_frame.mp4": lambda path, _: encode(path, [7]),
    "gop10.mp4": lambda path, _: encode(path, _ALL, options=_gop(10)),
    "one_key_frame.mp4": lambda path, _: encode(path, _ALL, options=_gop(10_000)),
    "open_gop.mp4": lambda path, _: encode(path, _ALL, options=_gop(12, is_open=True)),
    "fragmented.mp4": lambda path, _: encode(
        path, _ALL, muxer={"movflags": "frag_keyframe+empty_moov"}
    ),
    "index_first.mp4": lambda path, _: encode(path, _ALL, muxer={"movflags": "faststart"}),
    "two_tracks.mp4": lambda path, of: join_tracks(
        of("small.mp4"), of("gop10.mp4"), path, default=1
    ),
    "two_tracks.mkv": lambda path, of: join_tracks(
        of("small.mp4"), of("gop10.mp4"), path, default=1
    ),
    "small.mp4": lambda path, _: encode(path, range(200, 230), size=(96, 64)),
    # time
    "uneven.mp4": lambda path, _: encode(path, _ALL, times=_UNEVEN, time_base=Fraction(1, 1000)),
    "uneven.mkv": lambda path, _: encode(
        path, _ALL, times=_UNEVEN, time_base=Fraction(1, 1000), options=_gop(10)
    ),
    "late_start.mp4": lambda path, of: copy_packets(of("gop10.mp4"), path, shift_s=3.2),
    "late_start.mkv": lambda path, of: copy_packets(of("gop10.mp4"), path, shift_s=3.2),
    "edit_list.mp4": lambda path, of: copy_packets(
        of("gop10.mp4"), path, shift_s=-0.56, muxer=_KEEP_NEGATIVE_TIMES
    ),
    # orientation
    "turned_90.mp4": lambda path, _: encode(path, _ALL, rotation=90),
    "turned_180.mp4": lambda path, _: encode(path, _ALL, rotation=180),
    "turned_270.mp4": lambda path, _: encode(path, _ALL, rotation=270),
    "tilted.mp4": lambda path, _: encode(path, _ALL, rotation=30),
    # damage
    "spoilt.mp4": lambda path, of: copy_packets(of("gop10.mp4"), path, damage=[25]),
    "spoilt_key.mp4": lambda path, of: copy_packets(of("gop10.mp4"), path, damage=[20]),
    "spoilt_bit.mp4": lambda path, of: copy_packets(of("gop10.mp4"), path, flip=[20]),
    "spoilt_bit.mkv": lambda path, of: copy_packets(of("gop10.mp4"), path, flip=[20]),
    "spoilt.mkv": lambda path, of: copy_packets(of("gop10.mp4"), path, damage=[25, 26, 27]),
    "spoilt_tail.mkv": lambda path, of: copy_packets(
        of("gop10_ffv1.mkv"), path, damage=range(23, 30)
    ),
    "gop10_ffv1.mkv": lambda path, _: encode(path, _ALL, codec="ffv1", options={"g": "10"}),
    "spoilt.avi": lambda path, of: copy_packets(of("mjpeg.avi"), path, damage=[25]),
    "spoilt.webm": lambda path, of: copy_packets(of("vp9.webm"), path, damage=[25]),
    "cut_index.mp4": lambda path, of: truncate(of("plain.mp4"), path, keep=0.7),
    "cut_no_index.mp4": lambda path, of: truncate(of("plain.mp4"), path, keep=0.3),
    "cut.mp4": lambda path, of: truncate(of("index_first.mp4"), path, keep=0.7),
    "cut.mkv": lambda path, of: truncate(of("plain.mkv"), path, keep=0.7),
    "cut.ts": lambda path, of: truncate(of("plain.ts"), path, keep=0.7),
    "cut.avi": lambda path, of: truncate(of("mpeg4.avi"), path, keep=0.7),
    "open_gop.ts": lambda path, _: encode(path, _ALL, options=_gop(12, is_open=True)),
    "open_gop_cut.ts": lambda path, of: copy_packets(of("open_gop.ts"), path, skip_packets=12),
    "open_gop_cut.mp4": lambda path, of: copy_packets(of("open_gop.mp4"), path, skip_packets=12),
    "two_sizes.ts": lambda path, of: concatenate([of("plain.ts"), of("small.ts")], path),
    "other_size.ts": lambda path, of: concatenate([of("plain.ts"), of("small_late.ts")], path),
    "small_late.ts": lambda path, of: copy_packets(of("small.ts"), path, shift_s=3),
    "small.ts": lambda path, _: encode(path, range(60, 90), size=(96, 64)),
    # no video at all
    "empty.mp4": lambda path, _: path.write_bytes(b""),
    "text.mp4": lambda path, _: path.write_text("not a video\n" * 200),
    "sound.m4a": lambda path, _: audio_only(path),
    "sound.mp4": lambda path, _: audio_only(path),
    "all_spoilt.mp4": lambda path, of: copy_packets(of("plain.mp4"), path, damage=_ALL),
}
NOT_READABLE = {
    "empty.mp4",
    "text.mp4",
    "sound.m4a",
    "sound.mp4",
    "all_spoilt.mp4",
    "cut_index.mp4",
    "cut_no_index.mp4",
    "two_sizes.ts",
    "other_size.ts",
    "tilted.mp4",
}
DAMAGED = {name for name in MAKERS if name.startswith(("spoilt", "cut", "open_gop_cut"))}
READABLE = sorted(set(MAKERS) - NOT_READABLE)
WHOLE = sorted(set(READABLE) - DAMAGED)
