"""What H.264 says of a whole sequence, or of some of its pictures: as much as is needed of it.

The syntax is that of ITU-T H.264, section 7.3.2.
"""

from __future__ import annotations

from dataclasses import dataclass

from lightning_pose.video.h264_bits import Bits

_WITH_CHROMA_FORMAT = (100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135)  # profiles


@dataclass(frozen=True, kw_only=True)
class SequenceSettings:
    """What is read of a sequence parameter set.

    Attributes:
        number: by which pictures name it.
        chroma_format: 0 = grey, 1 = 4:2:0, 2 = 4:2:2, 3 = 4:4:4.
        separate_planes: whether each colour is a picture of its own.
        counter_bits: of the counter of reference frames (``frame_num``).
        order: how slices state when pictures are shown (``_order``).
        may_skip: whether the encoder may leave out numbers of that counter.
        frames_only: whether no picture is a field, one of the two halves of a frame.
    """

    number: int
    chroma_format: int
    separate_planes: bool
    counter_bits: int
    order: tuple[int, int]
    may_skip: bool
    frames_only: bool

    @classmethod
    def of(cls, unit: bytes) -> SequenceSettings:
        """Return what a unit says.

        Raises:
            ValueError: it ends too early.
        """
        bits = Bits(unit[1:])
        profile = bits.fixed(8)
        bits.fixed(16)
        number, chroma_format, separate_planes = bits.unsigned(), 1, False
        if profile in _WITH_CHROMA_FORMAT:
            chroma_format = bits.unsigned()
            separate_planes = chroma_format == 3 and bool(bits.fixed(1))
            bits.pass_over_numbers(2)
            if bits.fixed(2) & 1:
                _pass_over_scaling(bits, 12 if chroma_format == 3 else 8)
        counter_bits = bits.unsigned() + 4
        order = _order(bits)
        bits.unsigned()
        may_skip = bool(bits.fixed(1))
        bits.pass_over_numbers(2)
        return cls(
            number=number,
            chroma_format=chroma_format,
            separate_planes=separate_planes,
            counter_bits=counter_bits,
            order=order,
            may_skip=may_skip,
            frames_only=bool(bits.fixed(1)),
        )


@dataclass(frozen=True, kw_only=True)
class PictureSettings:
    """What is read of a picture parameter set.

    Attributes:
        number: by which slices name it.
        sequence: number of the sequence's settings.
        states_lower_order: whether slices say when the lower half of a frame is shown.
        num_references: how many pictures a slice may refer to, in each of two lists.
        has_weights: whether slices that refer to earlier pictures weight them.
        has_weights_both_ways: likewise those that refer to two pictures at a time.
        states_copies: whether slices say if they are copies.
    """

    number: int
    sequence: int
    states_lower_order: bool
    num_references: tuple[int, int]
    has_weights: bool
    has_weights_both_ways: bool
    states_copies: bool

    @classmethod
    def of(cls, unit: bytes) -> PictureSettings:
        """Return what a unit says.

        Raises:
            ValueError: it ends too early, or its slices are in groups, of which no more is read.
        """
        bits = Bits(unit[1:])
        number, sequence = bits.unsigned(), bits.unsigned()
        bits.fixed(1)
        states_lower_order = bool(bits.fixed(1))
        if bits.unsigned():
            raise ValueError("slices are in groups")
        num_references = (bits.unsigned() + 1, bits.unsigned() + 1)
        has_weights, both_ways = bool(bits.fixed(1)), bits.fixed(2)
        bits.pass_over_numbers(3)
        bits.fixed(2)
        return cls(
            number=number,
            sequence=sequence,
            states_lower_order=states_lower_order,
            num_references=num_references,
            has_weights=has_weights,
            has_weights_both_ways=both_ways == 1,
            states_copies=bool(bits.fixed(1)),
        )


def _pass_over_scaling(bits: Bits, number: int) -> None:
    for place in range(number):
        if not bits.fixed(1):
            continue
        last = following = 8
        for _ in range(16 if place < 6 else 64):
            if following:
                following = (last + bits.signed()) % 256
            last = following or last


def _order(bits: Bits) -> tuple[int, int]:
    """Return what is said of the order in which pictures are shown: its kind, and a number.

    The number is that of bits by which slices state it (kind 0), or how many numbers they state it
    by at most (kinds 1 and 2).
    """
    kind = bits.unsigned()
    if kind == 0:
        return kind, bits.unsigned() + 4
    if kind != 1:
        return kind, 0
    is_never_stated = bool(bits.fixed(1))
    bits.pass_over_numbers(2)
    bits.pass_over_numbers(bits.unsigned())
    return kind, 0 if is_never_stated else 2
