"""Bits and numbers as H.264 writes them (ITU-T H.264, sections 7.2 and 9.1)."""

from __future__ import annotations


class Bits:
    """Reads bits from the first one on.

    Raises:
        ValueError: there are no more.
    """

    def __init__(self, data: bytes) -> None:
        plain = data.replace(b"\x00\x00\x03", b"\x00\x00")
        self._rest = int.from_bytes(plain, "big")
        self._left = 8 * len(plain)

    def fixed(self, number: int) -> int:
        """Return so many bits."""
        self._left -= number
        if self._left < 0:
            raise ValueError("the unit ends here")
        found = self._rest >> self._left
        self._rest -= found << self._left
        return found

    def unsigned(self) -> int:
        """Return a number in Exp-Golomb code."""
        return self.fixed(2 * (self._left - self._rest.bit_length()) + 1) - 1

    def pass_over_numbers(self, number: int) -> None:
        """Pass over so many numbers in that code."""
        for _ in range(number):
            self.unsigned()

    def signed(self) -> int:
        """Return a number that may be below 0."""
        code = self.unsigned()
        return (code + 1) // 2 if code % 2 else -code // 2
