"""Missing pictures of H.264 are told by the counter in what is left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightning_pose.video import h264_slices
from lightning_pose.video.h264_bits import Bits
from lightning_pose.video.h264_headers import ReferenceCounter, is_without_colour
from lightning_pose.video.h264_settings import PictureSettings, SequenceSettings
from tests.video.corpus import NUM_FRAMES, encode

Corpus = Callable[[str], Path]
_REFERENCE = 96  # the bits of a unit's first byte that say whether others are made from it

# Settings of the encoder, and the name of a file: with lengths, with start codes, in other orders.
ENCODINGS = [
    ({"bf": "0", "g": "30"}, "v.mp4"),
    ({"bf": "0", "g": "30"}, "v.ts"),
    ({"bf": "0", "g": "30"}, "v.h264"),
    ({"bf": "3", "x264-params": "keyint=30:b-pyramid=normal"}, "v.mkv"),
    ({"x264-params": "keyint=30:open-gop=1:bframes=2:cqm=jvt"}, "v.mp4"),
    ({"x264-params": "keyint=30:interlaced=1:slices=3"}, "v.mp4"),
    ({"x264-params": "intra-refresh=1:keyint=20"}, "v.avi"),
]
# Slices with all kinds of headers: weights, two lists of references, fields; and whether x264 says
# which pictures are no references any more.
HEADERS = [
    ("weightp=2:ref=6:bframes=0", False),
    ("weightp=2:weightb=1:ref=4:bframes=5:b-pyramid=normal:direct=temporal", True),
    ("interlaced=1:ref=4:bframes=3:weightb=1:b-pyramid=strict:slices=2", True),
    ("ref=16:bframes=8:b-pyramid=normal:cabac=0", False),
    ("fake-interlaced=1:ref=3:bframes=2", True),
]


def packets(path: Path) -> tuple[bytes | None, list[tuple[bytes, bool]]]:
    """Return what the container says to a decoder, and each packet with whether it is a key."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        found = [(bytes(it), it.is_keyframe) for it in container.demux(stream) if it.size]
        return stream.codec_context.extradata, found


def is_reference(packet: bytes) -> bool:
    """Tell by its first slice, for packets in either form, whether others are made from one."""
    place = packet.find(b"\0\0\1") if packet.startswith((b"\0\0\1", b"\0\0\0\1")) else -1
    while True:
        begin = place + 3 if place >= 0 else 4
        if packet[begin] & 31 in (1, 5):
            return bool(packet[begin] & _REFERENCE)
        if place >= 0:
            place = packet.find(b"\0\0\1", begin)
        else:
            packet = packet[4 + int.from_bytes(packet[:4], "big") :]


@pytest.mark.parametrize(("options", "name"), ENCODINGS)
def test_every_missing_reference_is_told_and_no_other(
    tmp_path: Path, options: dict[str, str], name: str
) -> None:
    path = encode(tmp_path / name, range(NUM_FRAMES), options=options)
    extradata, found = packets(path)
    counter = ReferenceCounter(extradata)
    assert not any(counter.skips(packet) for packet, _ in found)
    matters = [n for n, (it, is_key) in enumerate(found[:-1]) if is_reference(it) and not is_key]
    assert matters
    for left_out in matters:
        if found[left_out + 1][1]:  # nothing hangs on what is stored just before a key frame
            continue
        counter = ReferenceCounter(extradata)
        told = [n for n, (it, _) in enumerate(found) if n != left_out and counter.skips(it)]
        assert told == [left_out + 1]


def test_a_recording_may_begin_anywhere(tmp_path: Path) -> None:
    extradata, found = packets(encode(tmp_path / "v.mp4", range(NUM_FRAMES)))
    for first in range(10):
        counter = ReferenceCounter(extradata)
        assert not any(counter.skips(packet) for packet, _ in found[first:])


@given(extradata=st.binary(max_size=80), packet=st.binary(max_size=200))
def test_nonsense_tells_nothing_and_breaks_nothing(extradata: bytes, packet: bytes) -> None:
    is_without_colour(extradata)
    assert not ReferenceCounter(extradata).skips(packet)


def test_headers_cut_off_anywhere_break_nothing(whole: tuple[bytes, bytes]) -> None:
    headers, packet = whole
    for kept in range(len(headers)):
        is_without_colour(headers[:kept])
        ReferenceCounter(headers[:kept]).skips(packet)
        ReferenceCounter(headers).skips(packet[:kept])


@given(changes=st.lists(st.tuples(st.integers(0, 99), st.integers(0, 255)), max_size=4))
def test_spoilt_headers_break_nothing(
    whole: tuple[bytes, bytes], changes: list[tuple[int, int]]
) -> None:
    headers, packet = (bytearray(data) for data in whole)
    for place, value in changes:
        headers[place % len(headers)] = packet[place % len(packet)] = value
    is_without_colour(bytes(headers))
    ReferenceCounter(bytes(headers)).skips(whole[1])
    ReferenceCounter(whole[0]).skips(bytes(packet))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """Return what a container says to a decoder, and the second packet."""
    extradata, found = packets(encode(tmp_path_factory.mktemp("h264") / "v.mp4", range(3)))
    assert extradata
    return extradata, found[1][0]


def test_pictures_without_colours_are_told(corpus: Corpus) -> None:
    def settings_of(name: str) -> bytes | None:
        return packets(corpus(name))[0]

    assert is_without_colour(settings_of("grey.mp4"))
    for name in ("plain.mp4", "full_colour.mp4", "ten_bit.mp4", "open_gop.mp4"):
        assert not is_without_colour(settings_of(name))
    assert not is_without_colour(None)
    assert not is_without_colour(b"\x01" + bytes(20))


def fade(path: Path, *, options: dict[str, str], pix_fmt: str) -> Path:
    """Write a picture that gets darker, which encoders describe with weights."""
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3))
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pix_fmt
        for number in range(NUM_FRAMES):
            pixels = (noise * (1 - number / NUM_FRAMES)).astype(np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        file.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "gray", "yuv444p"])
@pytest.mark.parametrize(("settings", "drops"), HEADERS)
@pytest.mark.parametrize("fades", [False, True])
def test_headers_of_slices_are_read_to_their_end(
    tmp_path: Path, settings: str, drops: bool, pix_fmt: str, fades: bool
) -> None:
    path, options = tmp_path / "v.mp4", {"x264-params": f"keyint=40:{settings}"}
    if fades:
        fade(path, options=options, pix_fmt=pix_fmt)
    else:
        encode(path, range(NUM_FRAMES), options=options, pix_fmt=pix_fmt)
    extradata, found = packets(path)
    counter, operations = ReferenceCounter(extradata), set[int]()
    for packet, _ in found:
        counter.skips(packet)
        if is_reference(packet):
            assert counter._reference is not None
            operations.update(marking(*counter._reference))
    assert operations <= {1}
    assert fades or bool(operations) == drops


def marking(unit: bytes, sequence: SequenceSettings, picture: PictureSettings) -> Iterator[int]:
    """Return the operations on references that a slice asks for."""
    found: list[int] = []
    known = h264_slices._operations

    def noting(bits: Bits) -> Iterator[int]:
        for operation in known(bits):
            found.append(operation)
            yield operation

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(h264_slices, "_operations", noting)
        assert not h264_slices.restarts_counter(unit, sequence, picture)
    return iter(found)


def test_a_counter_that_begins_anew_skips_nothing() -> None:
    settings = bytes.fromhex("00000001674d001edb790000000168ce3c80")
    slices = [b"\0\0\0\1" + bytes.fromhex(it) for it in ("619b2294", "619b44da50", "619a2294")]
    counter = ReferenceCounter(settings)
    assert [counter.skips(it) for it in slices] == [False, False, False]
    counter = ReferenceCounter(settings)
    assert [counter.skips(it) for it in (slices[0], slices[2])] == [False, True]
