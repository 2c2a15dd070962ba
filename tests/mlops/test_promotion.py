"""The rule of promotion."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from lightning_pose.metrics.differences import PairedDifference
from lightning_pose.mlops.registry.promotion import judge

BETTER = PairedDifference(
    first_px=5.0,
    second_px=4.0,
    difference_px=-1.0,
    low_px=-1.5,
    high_px=-0.5,
    p_value=0.001,
    frames=40,
    degrees=7.0,
    sessions=8,
)
SAME = replace(BETTER, second_px=5.0, difference_px=0.0, low_px=-0.05, high_px=0.05, p_value=1.0)
UNSURE = replace(SAME, difference_px=-0.3, low_px=-1.0, high_px=0.4, p_value=0.4)
WORSE = replace(BETTER, second_px=6.0, difference_px=1.0, low_px=0.5, high_px=1.5)


def not_asked() -> tuple[float, float]:
    raise AssertionError("speed does not matter here")


@pytest.mark.parametrize(
    ("difference", "promoted", "reason"),
    [(BETTER, True, "better"), (UNSURE, False, "not shown to be better"), (WORSE, False, "worse")],
)
def test_errors_that_settle_it(difference: PairedDifference, promoted: bool, reason: str) -> None:
    verdict = judge(difference, rates=not_asked)
    assert (verdict.promoted, verdict.reason) == (promoted, reason)


@pytest.mark.parametrize(("challenger", "promoted"), [(109.0, False), (111.0, True)])
def test_one_that_is_not_worse_must_be_faster(challenger: float, promoted: bool) -> None:
    verdict = judge(SAME, rates=lambda: (100.0, challenger))
    assert verdict.promoted is promoted
    assert verdict.as_plain()["challenger_fps"] == challenger


def test_the_sentence_says_by_how_much() -> None:
    sentence = judge(WORSE, rates=not_asked).sentence()
    assert "6.00 px against the champion's 5.00 px on 40 frames: +1.00 px" in sentence
    assert "+0.50 to +1.50" in sentence
    assert "8 sessions" in sentence


def test_an_interval_without_bounds_promotes_nobody() -> None:
    endless = replace(BETTER, low_px=-math.inf, high_px=math.inf, p_value=1.0, sessions=2)
    verdict = judge(endless, rates=not_asked)
    assert (verdict.promoted, verdict.reason) == (False, "not shown to be better")
    assert json.loads(json.dumps(verdict.as_plain(), allow_nan=False))["high_px"] is None
