"""A share of the things to predict, for workers that know nothing of each other."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from lightning_pose.contracts.errors import ConfigError
from lightning_pose.contracts.files import real_path
from lightning_pose.inference.inputs import Input


@dataclass(frozen=True, kw_only=True)
class Shard:
    """One of several shares.

    Attributes:
        number: which, from 1 on.
        of: how many there are.
    """

    number: int
    of: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.of:
            raise ConfigError(_wrong(f"{self.number}/{self.of}"))

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Return the share that ``i/n`` names.

        Raises:
            ConfigError: the text is something else.

        Example:
            >>> Shard.parse("2/8")
            Shard(number=2, of=8)
        """
        found = re.fullmatch(r"(\d+)/(\d+)", text.strip())
        if found is None:
            raise ConfigError(_wrong(text))
        return cls(number=int(found[1]), of=int(found[2]))

    def members(self, sessions: Sequence[tuple[Input, ...]]) -> set[int]:
        """Return which of the sessions are in it, by their places.

        They are dealt out like cards, in the order of their paths, so that each is in one share
        whatever order they are named in.
        """
        order = sorted(range(len(sessions)), key=lambda i: str(real_path(sessions[i][0].path)))
        return set(order[self.number - 1 :: self.of])


def _wrong(text: str) -> str:
    return f"A share is named i/n with i from 1 to n, as in --shard 2/8, got {text}."
