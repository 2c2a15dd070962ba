"""The written rule by which a challenger becomes the champion."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lightning_pose.metrics.differences import PairedDifference

NOT_WORSE = 0.02  # of the champion's error
FASTER = 1.1
RULE = (
    "a challenger is promoted if it is better (the 95 % interval of the paired difference lies "
    "below 0), or not worse and faster (the interval ends below "
    f"{NOT_WORSE:.0%} of the champion's error, and it predicts at least {FASTER - 1:.0%} faster)"
)

Rates = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether a challenger is promoted, and the numbers that say why.

    Attributes:
        promoted: the outcome.
        reason: better; not worse and faster; not shown to be better; worse.
        difference: of the errors, champion first.
        rates: frames per second of champion and challenger; None = the errors settled it.
    """

    promoted: bool
    reason: str
    difference: PairedDifference
    rates: Rates | None = None

    def as_plain(self) -> dict[str, Any]:
        """Return the verdict as plain values."""
        plain = dataclasses.asdict(self.difference)
        if not self.difference.bounded:
            plain |= {"low_px": None, "high_px": None}
        champion, challenger = self.rates or (None, None)
        return {
            "promoted": self.promoted,
            "reason": self.reason,
            "champion_px": plain.pop("first_px"),
            "challenger_px": plain.pop("second_px"),
            **plain,
            "champion_fps": champion,
            "challenger_fps": challenger,
        }

    def sentence(self) -> str:
        """Return the numbers in words."""
        found = self.difference
        text = (
            f"mean error {found.second_px:.2f} px against the champion's {found.first_px:.2f} px "
            f"on {found.frames} frames: {found.difference_px:+.2f} px (95 % interval "
            f"{found.low_px:+.2f} to {found.high_px:+.2f}, p = {found.p_value:.2g}, "
            f"{found.pieces()})"
        )
        if self.rates is None:
            return text
        return f"{text}; {self.rates[1]:.1f} frames/s against {self.rates[0]:.1f}"


def judge(difference: PairedDifference, *, rates: Callable[[], Rates]) -> Verdict:
    """Return the verdict of :data:`RULE`.

    Args:
        difference: of the errors on the frozen test set, champion first.
        rates: measures the frames per second of champion and challenger; asked only if the
            challenger is not better, but not worse either.
    """
    if difference.high_px < 0:
        return Verdict(promoted=True, reason="better", difference=difference)
    if difference.high_px >= NOT_WORSE * difference.first_px:
        reason = "worse" if difference.low_px > 0 else "not shown to be better"
        return Verdict(promoted=False, reason=reason, difference=difference)
    champion, challenger = rates()
    faster = challenger >= FASTER * champion
    return Verdict(
        promoted=faster,
        reason="not worse and faster" if faster else "not worse, but not faster either",
        difference=difference,
        rates=(champion, challenger),
    )
