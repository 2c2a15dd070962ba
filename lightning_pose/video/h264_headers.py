"""What H.264 says ahead of its pictures: enough to tell whether one is missing, and to count them.

The syntax is that of ITU-T H.264, section 7.3.
"""

from __future__ import annotations

from collections.abc import Iterator

from lightning_pose.video.h264_bits import Bits
from lightning_pose.video.h264_settings import PictureSettings, SequenceSettings
from lightning_pose.video.h264_slices import ENTRY, restarts_counter

_SLICES, _SEQUENCE, _PICTURE = (1, 2, ENTRY), 7, 8  # kinds of units
_BESIDES = (6, 12)  # remarks and filling; one bit does not make a slice one of them
_SMALL = (7, 8, 9, 10, 11)  # settings, and what stands before or after pictures: below so many
_SMALL_BYTES = 256
_HEADER_BYTES = 16  # of a slice, more than what is read of it
_READ_AT_MOST = 1024  # bytes of a unit
_START = b"\x00\x00\x01"


def is_without_colour(extradata: bytes | None) -> bool:
    """Tell whether a container says that the pictures of an H.264 track are grey.

    FFmpeg gives them as 4:2:0 like others; NVIDIA's decoder (PyNvVideoCodec 2.2) crashes on them.

    Args:
        extradata: what the container says to a decoder (of an MP4, the content of ``avcC``).
    """
    try:
        units = _units_ahead(extradata or b"")
        found = (SequenceSettings.of(unit) for unit in units if unit[0] & 31 == _SEQUENCE)
        return any(settings.chroma_format == 0 for settings in found)
    except ValueError:
        return False


class ReferenceCounter:
    """Follows the counter of reference frames (``frame_num``) through the packets of a track.

    It grows by one after each frame that others are decoded from, so where it skips, some are
    missing. FFmpeg takes others in their place and says nothing: up to the next key frame it may
    show what was not filmed. As many missing ones as the counter counts (16 at least) are not
    seen.

    Args:
        extradata: what the container says to a decoder.

    Attributes:
        begins_frame: whether a frame began with the packet seen last; not with the second field of
            one, nor with remarks and settings alone. True where a packet cannot be made out.
    """

    def __init__(self, extradata: bytes | None) -> None:
        self.begins_frame = True
        self._sequences: dict[int, SequenceSettings] = {}
        self._pictures: dict[int, PictureSettings] = {}
        self._last: int | None = None
        self._reference: tuple[bytes, SequenceSettings, PictureSettings] | None = None
        self._first_field: tuple[int, int] | None = None  # which it is, and its number
        self.follow(extradata or b"")

    def follow(self, extradata: bytes) -> None:
        """Read what a container says to a decoder from here on."""
        is_listed = len(extradata) > 4 and extradata[0] == 1
        self._length_bytes = (extradata[4] & 3) + 1 if is_listed else 0
        for unit in _units_ahead(extradata):
            self._note(unit)

    def skips(self, packet: bytes) -> bool:
        """Tell whether one is missing before a packet, which is the next that is stored."""
        self.begins_frame = True
        for unit in _units(packet, self._length_bytes):
            if unit[0] & 31 in _SLICES:
                try:
                    return self._skips_at(unit)
                except ValueError:
                    return False
            self._note(unit)
        self.begins_frame = not self._has_no_picture(packet)
        return False

    def _has_no_picture(self, packet: bytes) -> bool:
        """Tell whether a packet is whole and holds what may stand beside pictures, and no more."""
        end = 0
        for begin, end in _places(packet, self._length_bytes):
            kind = packet[begin] & 31
            if kind not in _BESIDES and (kind not in _SMALL or end - begin > _SMALL_BYTES):
                return False
        return 0 < end == len(packet)

    def _note(self, unit: bytes) -> None:
        try:
            if unit[0] & 31 == _SEQUENCE:
                sequence = SequenceSettings.of(unit)
                self._sequences[sequence.number] = sequence
            elif unit[0] & 31 == _PICTURE:
                picture = PictureSettings.of(unit)
                self._pictures[picture.number] = picture
        except ValueError:
            pass  # damaged; the decoder says so

    def _skips_at(self, unit: bytes) -> bool:
        bits = Bits(unit[1:_HEADER_BYTES])
        bits.pass_over_numbers(2)
        picture = self._pictures.get(bits.unsigned())
        sequence = self._sequences.get(picture.sequence) if picture is not None else None
        if picture is None or sequence is None:
            return False
        if sequence.separate_planes:
            bits.fixed(2)
        number, modulus = bits.fixed(sequence.counter_bits), 1 << sequence.counter_bits
        if not sequence.frames_only:
            self._note_field(1 + bits.fixed(1) if bits.fixed(1) else 0, number)
        is_reference, before, reference = bool(unit[0] & 96), self._last, self._reference
        self._last = number if is_reference else (number - 1) % modulus
        if is_reference:
            self._reference = unit, sequence, picture
        if before is None or unit[0] & 31 == ENTRY or sequence.may_skip:
            return False
        if number in (before, (before + 1) % modulus):
            return False
        return number > 1 or reference is None or not restarts_counter(*reference)

    def _note_field(self, field: int, number: int) -> None:
        """Note a picture: 0 = a frame, 1 = its upper field, 2 = its lower one."""
        self.begins_frame = self._first_field != (3 - field, number)
        self._first_field = (field, number) if field and self.begins_frame else None


def _units_ahead(extradata: bytes) -> Iterator[bytes]:
    """Yield the units that a container keeps for the whole track, in either of the two forms."""
    if not extradata.startswith(b"\x01"):
        yield from _units(extradata, 0)
        return
    place = 5
    for mask in (31, 255):
        number = extradata[place] & mask if place < len(extradata) else 0
        place += 1
        for _ in range(number):
            begin = place + 2
            place = begin + int.from_bytes(extradata[place:begin], "big")
            if unit := extradata[begin:place]:
                yield unit


def _units(packet: bytes, length_bytes: int) -> Iterator[bytes]:
    """Yield how units begin; before each is its length, or a start code if that has 0 bytes."""
    for begin, end in _places(packet, length_bytes):
        yield packet[begin : min(end, begin + _READ_AT_MOST)]


def _places(packet: bytes, length_bytes: int) -> Iterator[tuple[int, int]]:
    """Yield where units begin and end; the last may say that it ends after the packet."""
    end = 0
    if length_bytes:
        while end + length_bytes < len(packet):
            begin = end + length_bytes
            end = begin + int.from_bytes(packet[end:begin], "big")
            if end > begin:
                yield begin, end
        return
    begin = packet.find(_START)
    while 0 <= begin < len(packet) - len(_START):
        begin += len(_START)
        following = packet.find(_START, begin)
        end = len(packet) if following < 0 else following
        if end > begin:
            yield begin, end
        begin = following
