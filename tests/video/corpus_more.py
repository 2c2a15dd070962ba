"""More awkward videos: of the kinds that preflight tells of, beside those of the corpus."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.stream import Disposition

from tests.video.corpus import (
    MAKERS,
    NOT_READABLE,
    NUM_FRAMES,
    Maker,
    concatenate,
    copy_packets,
    encode,
    join_tracks,
    truncate,
)

LONG = 330  # frames, with a key frame at the beginning only
_ALL = range(NUM_FRAMES)


def under_other_name(source: Path, path: Path) -> Path:
    """Write the bytes of ``source`` under a name that promises another format."""
    path.write_bytes(source.read_bytes())
    return path


def without_packets(
    source: Path,
    path: Path,
    *,
    leave_out: Iterable[int] = (),
    same_time: Iterable[int] = (),
    muxer: dict[str, str] | None = None,
) -> Path:
    """Copy the packets but some; those of ``same_time`` are shown when the one before them is."""
    left_out, doubled = set(leave_out), set(same_time)
    with av.open(str(source)) as old, av.open(str(path), "w", options=muxer or {}) as new:
        track = old.streams.video[0]
        stream = new.add_stream_from_template(track)
        last = 0
        packets = (packet for packet in old.demux(track) if packet.dts is not None)
        for number, packet in enumerate(packets):
            if number in left_out:
                continue
            if number in doubled:
                packet.pts = packet.dts = last
            last = packet.pts
            packet.stream = stream
            new.mux(packet)
    return path


def with_sound(source: Path, path: Path) -> Path:
    """Write the picture track of ``source`` with a silent sound track that goes on after it."""
    with av.open(str(source)) as old, av.open(str(path), "w") as new:
        track = old.streams.video[0]
        picture = new.add_stream_from_template(track)
        sound = new.add_stream("aac", rate=16000)
        sound.layout = "mono"
        for packet in old.demux(track):
            if packet.dts is not None:
                packet.stream = picture
                new.mux(packet)
        for start in range(0, 65_536, 1024):
            silence = np.zeros((1, 1024), dtype=np.float32)
            frame = av.AudioFrame.from_ndarray(silence, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 16000, start
            new.mux(sound.encode(frame))
        new.mux(sound.encode(None))
    return path


def cover_only(path: Path, source: Path) -> Path:
    """Write sound with a cover picture, as music files have it."""
    with av.open(str(source)) as old, av.open(str(path), "w") as new:
        sound = new.add_stream("aac", rate=16000)
        sound.layout = "mono"
        picture = new.add_stream_from_template(old.streams.video[0])
        picture.disposition = Disposition.attached_pic
        for start in range(0, 8192, 1024):
            silence = np.zeros((1, 1024), dtype=np.float32)
            frame = av.AudioFrame.from_ndarray(silence, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 16000, start
            new.mux(sound.encode(frame))
        new.mux(sound.encode(None))
        packet = next(packet for packet in old.demux(video=0) if packet.size)
        packet.stream = picture
        new.mux(packet)
    return path


def _junk_after(source: Path, path: Path) -> None:
    path.write_bytes(source.read_bytes() + bytes(5000))


MORE: dict[str, Maker] = {
    # names and containers
    "really_avi.mp4": lambda path, of: under_other_name(of("mpeg4.avi"), path),
    "really_mkv.avi": lambda path, of: under_other_name(of("plain.mkv"), path),
    "really_mp4.dat": lambda path, of: under_other_name(of("plain.mp4"), path),
    "really_b_frames.mp4": lambda path, of: under_other_name(of("b_frames.avi"), path),
    "junk_after.mp4": lambda path, of: _junk_after(of("plain.mp4"), path),
    "sound_too.mp4": lambda path, of: with_sound(of("plain.mp4"), path),
    "sound_too.mkv": lambda path, of: with_sound(of("plain.mp4"), path),
    "sound_cut.mkv": lambda path, of: truncate(of("sound_too.mkv"), path, keep=0.5),
    "short_track.mkv": lambda path, of: join_tracks(
        of("gop10.mp4"), of("small.mp4"), path, default=1
    ),
    "cover.mp4": lambda path, of: cover_only(path, of("mjpeg.avi")),
    # codecs and pixels
    "raw.avi": lambda path, _: encode(path, _ALL, codec="rawvideo", pix_fmt="bgr24"),
    "prores.mov": lambda path, _: encode(path, _ALL, codec="prores_ks", pix_fmt="yuv422p10le"),
    "grey16.mkv": lambda path, _: encode(path, _ALL, codec="ffv1", pix_fmt="gray16le"),
    "grey.mp4": lambda path, _: encode(path, _ALL, pix_fmt="gray"),
    "palette.gif": lambda path, _: encode(path, _ALL, codec="gif", pix_fmt="rgb8"),
    "tall.mp4": lambda path, _: encode(path, _ALL, size=(88, 640)),
    # key frames and time
    "long_gop.mp4": lambda path, _: encode(
        path, range(LONG), options={"x264-params": "keyint=10000:scenecut=0:bframes=3"}
    ),
    "same_times.mkv": lambda path, of: without_packets(
        of("mjpeg.avi"), path, same_time=[10, 11, 40]
    ),
    "joined.ts": lambda path, of: concatenate([of("plain.ts"), of("second.ts")], path),
    "second.ts": lambda path, _: encode(path, range(60, 120)),
    "wrapped.ts": lambda path, of: copy_packets(
        of("plain.mp4"), path, shift_s=2**33 / 90_000 - 3.0, muxer={"output_ts_offset": "0"}
    ),
    "half_rate.mp4": lambda path, _: encode(
        path, _ALL, times=range(0, 120, 2), fps=Fraction(30_000, 1001)
    ),
    "one_frame.avi": lambda path, _: encode(path, [9], codec="mjpeg", pix_fmt="yuvj420p"),
    # damage
    "no_first_key.mp4": lambda path, of: copy_packets(of("gop10.mp4"), path, skip_packets=4),
    "no_first_key.ts": lambda path, of: copy_packets(of("gop10.mp4"), path, skip_packets=4),
    "no_first_key.mkv": lambda path, of: copy_packets(of("gop10.mp4"), path, skip_packets=4),
    "lost.mp4": lambda path, of: without_packets(of("gop10.mp4"), path, leave_out=[23, 24, 25]),
    "lost.ts": lambda path, of: without_packets(of("gop10.mp4"), path, leave_out=[23, 24, 25]),
    "cut_fragmented.mp4": lambda path, of: truncate(of("fragmented.mp4"), path, keep=0.7),
    "cut_fragments.mp4": lambda path, of: truncate(of("fragments.mp4"), path, keep=0.7),
    "fragments.mp4": lambda path, _: encode(
        path,
        _ALL,
        options={"g": "10"},
        muxer={"movflags": "frag_keyframe+empty_moov+default_base_moof"},
    ),
    "cut.webm": lambda path, of: truncate(of("vp9.webm"), path, keep=0.6),
    "cut_mjpeg.avi": lambda path, of: truncate(of("mjpeg.avi"), path, keep=0.5),
    "two_sizes.mkv": lambda path, of: joined_in_one(of("two_sizes.ts"), path),
    "two_sizes.mp4": lambda path, of: joined_in_one(of("two_sizes.ts"), path),
}
MORE_NOT_READABLE = {"cover.mp4", "two_sizes.mkv", "two_sizes.mp4"}
EVERY: dict[str, Maker] = MAKERS | MORE
NEVER_READABLE = NOT_READABLE | MORE_NOT_READABLE


def joined_in_one(source: Path, path: Path) -> Path:
    """Copy the pictures of a transport stream into one track, their times following on."""
    with av.open(str(source)) as old, av.open(str(path), "w") as new:
        track = old.streams.video[0]
        stream = new.add_stream_from_template(track)
        for number, packet in enumerate(p for p in old.demux(track) if p.size):
            packet.dts = number * 3600
            packet.pts = number * 3600
            packet.time_base = Fraction(1, 90_000)
            packet.stream = stream
            new.mux(packet)
    return path
