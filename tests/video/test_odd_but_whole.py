"""Files that are whole, if odd, are not said to be damaged; and some that are cut are."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from lightning_pose.video.decode import Decoder
from lightning_pose.video.ebml import lacks_bytes
from lightning_pose.video.h264_headers import ReferenceCounter
from lightning_pose.video.preflight import preflight
from tests.video.corpus import NUM_FRAMES, encode

# Ten frames of 16 x 32 whose halves are stored as pictures of their own (field_pic_flag).
FIELDS = zlib.decompress(
    base64.b64decode(
        "eNpjYGBgTPdlkLudyujAAGRnnLNpANGcH0AkGyOnBAsDAzMYOYAlUjtaNUwaRsHAApQo0kCLosRZEkvR4pARqgKm"
        "wGApmgnoCizQTWBCUxCAbgK6ggh0E5jRFBSgm4CuoALdBBY0BRPQTUBXMAPdBFY0BRvQTUBXsAPdBDY0BRfQTUBX"
        "cAPdBHY0BR/QTUBX8APdBA5UBbMF0E1AV4CRHjjRFGCkB3QFFksBZoUV2w=="
    )
)


def remuxed(
    source: Path, path: Path, *, last_s: int = 0, tags: dict[str, str] | None = None
) -> Path:
    """Write the packets of a file into another, the last of which is shown for so long."""
    with av.open(str(source)) as old, av.open(str(path), "w") as new:
        track = old.streams.video[0]
        stream = new.add_stream_from_template(track)
        stream.metadata.update(tags or {})
        packets = [packet for packet in old.demux(track) if packet.size]
        last = max(packet.pts or 0 for packet in packets)
        for packet in packets:
            if last_s and packet.pts == last and packet.time_base:
                packet.duration = int(last_s / packet.time_base)
            packet.stream = stream
            new.mux(packet)
    return path


def check_whole(path: Path, number: int) -> None:
    decoder = Decoder(path)
    assert sum(1 for _ in decoder.frames()) == number
    assert decoder.problems == ()


@pytest.mark.parametrize("kind", ["h264", "mp4", "ts"])
def test_halves_of_frames_are_no_frames(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "fields.h264"
    path.write_bytes(FIELDS)
    if kind != "h264":
        path = remuxed(path, tmp_path / f"fields.{kind}")
    check_whole(path, 10)
    assert preflight(path).num_frames == 10


def tags_of(flv: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield kind, begin and end of each tag of an FLV."""
    begin = 13
    while begin < len(flv):
        end = begin + 15 + int.from_bytes(flv[begin + 1 : begin + 4], "big")
        yield flv[begin], begin, end
        begin = end


def test_settings_that_a_container_says_anew_are_followed(tmp_path: Path) -> None:
    options = ({"x264-params": "ref=16:bframes=8"}, {"x264-params": "ref=1:bframes=0"})
    first, second = (
        encode(tmp_path / f"{n}.flv", range(NUM_FRAMES), options=it).read_bytes()
        for n, it in enumerate(options)
    )
    joined = bytearray(first)
    for kind, begin, end in tags_of(second):
        if kind == 9:  # pictures
            time_ms = int.from_bytes(second[begin + 4 : begin + 7], "big") + 40 * NUM_FRAMES
            joined += (
                second[begin : begin + 4] + time_ms.to_bytes(3, "big") + second[begin + 7 : end]
            )
    (tmp_path / "joined.flv").write_bytes(joined)
    check_whole(tmp_path / "joined.flv", 2 * NUM_FRAMES)


def test_transport_streams_may_be_joined(tmp_path: Path) -> None:
    long = encode(tmp_path / "long.ts", range(2 * NUM_FRAMES)).read_bytes()
    short = encode(tmp_path / "short.ts", range(NUM_FRAMES // 2)).read_bytes()
    (tmp_path / "joined.ts").write_bytes(long + short)
    check_whole(tmp_path / "joined.ts", 2 * NUM_FRAMES + NUM_FRAMES // 2)


def test_what_another_container_said_of_its_end_is_not_believed(tmp_path: Path) -> None:
    video = encode(tmp_path / "v.mkv", range(NUM_FRAMES))
    check_whole(remuxed(video, tmp_path / "v.nut", tags={"DURATION": "00:00:30.0"}), NUM_FRAMES)


def test_a_last_frame_may_be_shown_for_long(tmp_path: Path) -> None:
    video = encode(tmp_path / "v.mp4", range(NUM_FRAMES))
    check_whole(remuxed(video, tmp_path / "v.mkv", last_s=3), NUM_FRAMES)


def test_an_avi_with_empty_entries_may_be_joined_of_two(tmp_path: Path) -> None:
    times = [*range(0, 40, 2), *range(39, 79, 2)]
    video = encode(tmp_path / "v.avi", range(40), times=times, options={"bf": "0"})
    assert Decoder(video).info.num_frames == 40
    check_whole(video, 40)


def test_a_cut_file_with_sound_and_without_tags_is_known_by_its_size(tmp_path: Path) -> None:
    video = tmp_path / "v.mkv"
    with av.open(str(video), "w") as file:
        stream = file.add_stream("libx264", rate=25)
        stream.width, stream.height = 64, 48
        sound = file.add_stream("aac", rate=48000, layout="mono")
        for number in range(50):
            picture = av.VideoFrame(64, 48, "yuv420p")
            picture.pts = number
            file.mux(stream.encode(picture))
            silence = np.zeros((1, 1024), dtype=np.float32)
            heard = av.AudioFrame.from_ndarray(silence, format="fltp", layout="mono")
            heard.sample_rate, heard.pts = 48000, 1024 * number
            file.mux(sound.encode(heard))
        file.mux(stream.encode(None))
        file.mux(sound.encode(None))
    data = video.read_bytes().replace(b"DURATION", b"DURATI0N")
    video.write_bytes(data)
    assert not lacks_bytes(video)
    check_whole(video, 50)
    video.write_bytes(data[: int(0.9 * len(data))])
    assert lacks_bytes(video)
    assert Decoder(video).info.problems == ("The file ends early: its header states more bytes.",)
    check = Decoder(video)
    assert 0 < sum(1 for _ in check.frames()) < 50
    assert sum("ends early" in problem for problem in check.problems) == 1


@pytest.mark.parametrize(
    ("data", "cut"),
    [
        ("", False),
        ("1a45dfa3", False),
        ("1a45dfa38018538067820000", False),
        ("1a45dfa38018538067830000", True),
        ("1a45dfa381001853806740030000", True),
        ("1a45dfa3801853806701ffffffffffffff0000", False),  # of unknown length
        ("1a45dfa38018538068830000", False),
        ("1a45dfa3ff18538067830000", False),
    ],
)
def test_the_size_that_is_stated(tmp_path: Path, data: str, cut: bool) -> None:
    (tmp_path / "v").write_bytes(bytes.fromhex(data))
    assert lacks_bytes(tmp_path / "v") is cut


def test_only_what_is_surely_no_picture_is_not_counted(tmp_path: Path) -> None:
    video = encode(tmp_path / "v.h264", range(3), options={"bf": "0"})
    with av.open(str(video)) as file:
        stream = file.streams.video[0]
        first, second, _ = (bytes(packet) for packet in file.demux(stream) if packet.size)
        counter = ReferenceCounter(stream.codec_context.extradata)
    slice_at = first.rfind(b"\0\0\1") + 3
    settings, picture = first[: slice_at - 3].rstrip(b"\0"), first[slice_at:]

    def begins_frame(packet: bytes) -> bool:
        counter.skips(packet)
        return counter.begins_frame

    assert begins_frame(first)
    assert not begins_frame(settings)
    assert not begins_frame(b"\0\0\1\x09\x30")
    assert begins_frame(second)
    assert begins_frame(settings + b"\0\0\1\x67" + picture + bytes(300))  # was a picture, perhaps
    assert begins_frame(b"")
    assert begins_frame(b"no start code")
