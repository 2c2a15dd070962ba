"""What slices of H.264 say beyond the numbers at their beginning (ITU-T H.264, section 7.3.3)."""

from __future__ import annotations

from collections.abc import Iterator

from lightning_pose.video.h264_bits import Bits
from lightning_pose.video.h264_settings import PictureSettings, SequenceSettings

ENTRY = 5  # the kind of units that nothing before them is needed for
_NUM_LISTS = {0: 1, 1: 2, 2: 0, 3: 1, 4: 0}  # of references, by the kind of slice
_BOTH_WAYS = 1
_RESTART = 5  # the operation on references after which all is as after a key frame
_NUMBERS_OF = {1: 1, 2: 1, 3: 2, 4: 1, 6: 1}  # that come with each operation


def restarts_counter(unit: bytes, sequence: SequenceSettings, picture: PictureSettings) -> bool:
    """Tell whether the counter of references begins anew after a picture others are made from.

    Args:
        unit: a slice of it, as far as its header goes.
        sequence: what it hangs on.
        picture: likewise.

    Raises:
        ValueError: it ends within its header.
    """
    bits = Bits(unit[1:])
    bits.unsigned()
    lists = _NUM_LISTS[(kind := bits.unsigned() % 5)]
    bits.unsigned()
    if sequence.separate_planes:
        bits.fixed(2)
    bits.fixed(sequence.counter_bits)
    is_field = not sequence.frames_only and bool(bits.fixed(1))
    bits.fixed(1 if is_field else 0)
    if unit[0] & 31 == ENTRY:
        return False
    _pass_over_order(bits, sequence, states_lower=picture.states_lower_order and not is_field)
    bits.pass_over_numbers(1 if picture.states_copies else 0)
    bits.fixed(1 if kind == _BOTH_WAYS else 0)
    numbers: tuple[int, ...] = picture.num_references[:lists]
    if lists and bits.fixed(1):
        numbers = tuple(bits.unsigned() + 1 for _ in range(lists))
    for _ in range(lists):
        _pass_over_reordering(bits)
    weights_one_way = picture.has_weights and lists == 1
    if weights_one_way or (picture.has_weights_both_ways and kind == _BOTH_WAYS):
        has_colour = sequence.chroma_format != 0 and not sequence.separate_planes
        _pass_over_weights(bits, sum(numbers), has_colour=has_colour)
    return bool(bits.fixed(1)) and _RESTART in _operations(bits)


def _pass_over_order(bits: Bits, sequence: SequenceSettings, *, states_lower: bool) -> None:
    kind, number = sequence.order
    if kind == 0:
        bits.fixed(number)
        bits.pass_over_numbers(1 if states_lower else 0)
    elif number:
        bits.pass_over_numbers(2 if states_lower else 1)


def _pass_over_reordering(bits: Bits) -> None:
    if bits.fixed(1):
        while bits.unsigned() != 3:
            bits.unsigned()


def _pass_over_weights(bits: Bits, number: int, *, has_colour: bool) -> None:
    bits.pass_over_numbers(2 if has_colour else 1)
    for _ in range(number):
        bits.pass_over_numbers(2 if bits.fixed(1) else 0)
        if has_colour:
            bits.pass_over_numbers(4 if bits.fixed(1) else 0)


def _operations(bits: Bits) -> Iterator[int]:
    while operation := bits.unsigned():
        yield operation
        bits.pass_over_numbers(_NUMBERS_OF.get(operation, 0))
