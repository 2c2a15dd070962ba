"""What a comparison found, in words, tables and figures."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

from lightning_pose.mlops.figures.compared import (
    SIDES,
    calibration,
    differences,
    hard_keypoints,
)
from lightning_pose.mlops.html_page import quiet, table
from lightning_pose.mlops.report.charts import ChartPage
from lightning_pose.mlops.report.numbers import px

SHOWN_HARD = (0.5, 0.9)
SIGNED = "+.2f"
Found = Mapping[str, Any]


def of_comparison(page: ChartPage, found: Found) -> str:
    """Return verdict, remarks, numbers and figures of a comparison.

    Args:
        page: takes the figures in.
        found: comparison.json, as ``litpose compare --out`` writes it.
    """
    names = "; ".join(f"{side}: {_models(found, name)}" for side, name in SIDES.items())
    remarks = "".join(f"<li>{html.escape(remark)}</li>" for remark in found["remarks"])
    rows = {**found["by_keypoint"], **found["by_part"], "all": found["overall"]}
    header = ("keypoint or set", "A px", "B px", "B - A", "95 %", "frames")
    parts = [
        f'<p class="big">{html.escape(found["verdict"])}</p><p>{names}</p>',
        f"<ul>{remarks}</ul>" if remarks else "",
        table(header, [_row(html.escape(name), one) for name, one in rows.items()]),
        quiet("The same frames for every model, which none of them learnt from."),
        page.figure(lambda: differences(found)),
        _hard(page, found["hard"]),
        _confidence(page, found["calibration"]),
    ]
    return "".join(parts)


def _models(found: Found, side: str) -> str:
    return html.escape(", ".join(found[f"{side}_models"]))


def _hard(page: ChartPage, curve: Found) -> str:
    points = curve["points"]
    if not points:
        return ""
    chosen = [next((p for p in points if p["share"] >= share), None) for share in SHOWN_HARD]
    rows = [
        _row(f"{p['spread_px']:.1f} px ({1 - p['share']:.0%} of keypoints)", p["difference"])
        for p in chosen
        if p is not None
    ]
    words = (
        f"A keypoint is hard if the {curve['models']} models place it far apart (spread: standard "
        "deviation of its place over them). A difference that grows to the right is one that "
        "matters where tracking fails."
    )
    header = ("spread over", "A px", "B px", "B - A", "95 %", "frames")
    return (
        f"<h3>Hard keypoints</h3><p>{html.escape(words)}</p>{table(header, rows) if rows else ''}"
        f"{page.figure(lambda: hard_keypoints(curve))}"
    )


def _confidence(page: ChartPage, tables: Found) -> str:
    known = {side: tables[name] for side, name in SIDES.items() if tables[name]}
    if not known:
        return ""
    sentences = [
        f"{side}: on average the likelihood is off by {one['expected_error']:.2f} from the share "
        f"of keypoints within {one['within_px']:.1f} px of their label; Brier score "
        f"{one['brier']:.3f} (95 %: {px(one['brier_95'][0], '.3f')} to "
        f"{px(one['brier_95'][1], '.3f')})."
        for side, one in known.items()
    ]
    words = "".join(f"<p>{html.escape(sentence)}</p>" for sentence in sentences)
    note = quiet(
        "On the dashed line a likelihood is that share; below it the model is too sure. Bars: "
        "95 % intervals, frames of a session together. `litpose calibrate` mends it."
    )
    figure = page.figure(lambda: calibration(tables))
    return f"<h3>What the likelihood is worth</h3>{words}{figure}{note}"


def _row(name: str, one: Found) -> tuple[object, ...]:
    return (
        name,
        px(one["first_px"]),
        px(one["second_px"]),
        px(one["difference_px"], SIGNED),
        f"{px(one['low_px'], SIGNED)} to {px(one['high_px'], SIGNED)}",
        one["frames"],
    )
