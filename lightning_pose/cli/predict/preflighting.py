"""What is known of videos before they are predicted: for `litpose preflight`, and for predict."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning_pose.cli.terminal import (
    ProgressLine,
    note,
    print_error,
    say_json,
    say_paragraph,
    say_table,
)
from lightning_pose.contracts.errors import LitposeError
from lightning_pose.data.wording import count
from lightning_pose.inference.inputs import Input, Kind, expand_inputs
from lightning_pose.inference.outputs import unique_stems
from lightning_pose.video.preflight import Preflight, preflight
from lightning_pose.video.repair import Repair, repair
from lightning_pose.video.video_problems import Cure, Problem

_HOW = {Cure.NONE: None, Cure.COPY: "copying", Cure.ENCODE: "encoding"}
_SPACING = {True: "uneven", False: "even", None: None}


class Foreseen:
    """What is known of the videos of a session before their frames are decoded.

    That a file cannot be read is left for the prediction to say.

    Args:
        inputs: one a view; those that are no videos are passed over.

    Attributes:
        remarks: what is unusual or wrong and what is done about it, with the name of the video.
    """

    def __init__(self, inputs: Sequence[Input]) -> None:
        videos = [item.path for item in inputs if item.kind is Kind.VIDEO]
        found = [(path, preflight(path, count=False).problems) for path in videos]
        self._whats = [problem.what for _, problems in found for problem in problems]
        self.remarks = tuple(
            f"{path.name}: {problem.what} {problem.then}"
            for path, problems in found
            for problem in problems
        )

    def not_among(self, problems: Sequence[str]) -> tuple[str, ...]:
        """Return the sentences that say something new."""
        return tuple(text for text in problems if not any(text in what for what in self._whats))


def preflight_and_report(args: argparse.Namespace) -> int:
    """Look at every video, repair what is asked for, and print it; return the exit code.

    Raises:
        LitposeError: there is nothing to look at.
    """
    inputs = expand_inputs(args.videos)
    found = [_looked_at(item, args) for item in inputs]
    if not args.json:
        _report(found)
    repairs: list[Repair | None] = [None] * len(found)
    failed = any(one.error is not None for one in found)
    if args.fix is not None:
        stems = unique_stems([one.path for one in found])
        for place, (one, stem) in enumerate(zip(found, stems, strict=True)):
            try:
                repairs[place] = _repaired(one, args.fix, stem)
            except LitposeError as error:
                failed = True
                print_error(str(error))
    if args.json:
        pairs = zip(found, repairs, strict=True)
        say_json([_as_plain(one, made) for one, made in pairs])
    else:
        _report_repairs(found, repairs, asked=args.fix is not None)
    return int(failed)


def _looked_at(item: Input, args: argparse.Namespace) -> Preflight:
    if item.kind is not Kind.VIDEO:
        found = Preflight(path=item.path, error=f"{item.path} is no video, but {item.kind.value}.")
    else:
        with ProgressLine(f"counting {item.path.name}") as line:
            found = preflight(
                item.path, count=not args.quick, again=args.again, on_frame=line.update
            )
    if found.error is not None:
        print_error(found.error)
    return found


def _repaired(found: Preflight, folder: Path, stem: str) -> Repair | None:
    """Write a repaired copy, if the video can be read and calls for one."""
    if found.error is not None:
        return None
    lines: dict[str, ProgressLine] = {}

    def told(stage: str, done: int, total: int | None) -> None:
        line = lines.setdefault(stage, ProgressLine(f"{stage} {found.path.name}"))
        line.update(done, total)

    try:
        return repair(found.path, folder, stem=stem, on_progress=told)
    finally:
        for line in lines.values():
            line.clear()


def _report(found: Sequence[Preflight]) -> None:
    header = ("video", "verdict", "frames", "size", "frames/s", "spacing", "key gap")
    say_table([_row(one) for one in found], (*header, "codec", "pixels", "format", "repair"))
    for one in found:
        for problem in one.problems if one.error is None else ():
            say_paragraph(f"{one.path.name}: {problem.what} {problem.then}")


def _row(found: Preflight) -> tuple[object, ...]:
    verdict = "see below" if found.problems else "fit" if found.counted else "fit by its header"
    size = f"{found.width} x {found.height}" if found.width else None
    frames = found.num_frames
    return (
        found.path.name,
        verdict if found.error is None else "cannot be predicted",
        frames if found.counted or frames is None else f"{frames} by index",
        size,
        round(found.fps, 3) or None,
        _SPACING[found.variable_rate],
        found.key_frame_gap,
        found.codec or None,
        found.pixel_format or None,
        _format(found),
        _HOW[found.cure] if found.error is None else None,
    )


def _format(found: Preflight) -> str | None:
    """Return FFmpeg's name of the format, of several the one that the suffix names."""
    names = found.container.split(",")
    own = found.path.suffix.lstrip(".").lower()
    return (own if own in names else names[0]) or None


def _report_repairs(
    found: Sequence[Preflight], repairs: Sequence[Repair | None], *, asked: bool
) -> None:
    for one, made in zip(found, repairs, strict=True):
        if made is None:
            continue
        say_paragraph(
            f"{one.path.name} -> {made.path}: {count(made.num_frames, 'frame')}, {_how(made)}"
        )
    curable = sum(one.error is None and one.cure is not Cure.NONE for one in found)
    if asked and not curable:
        note("No video calls for a repaired copy.")
    elif curable and not asked:
        note(f"--fix DIR writes a repaired copy of {count(curable, 'video')}.")


def _how(made: Repair) -> str:
    if made.difference is None:
        return "there already"
    if made.how is Cure.COPY:
        return "its pictures copied"
    return f"encoded anew; a frame changed by {made.difference:.2f} of 255 on average, at most"


def _as_plain(found: Preflight, made: Repair | None) -> dict[str, Any]:
    plain = dataclasses.asdict(found)
    plain["problems"] = [_problem(problem) for problem in found.problems]
    plain["repaired"] = None
    if made is not None:
        plain["repaired"] = dataclasses.asdict(made) | {"how": _HOW[made.how]}
    return plain


def _problem(problem: Problem) -> dict[str, str | None]:
    return {"what": problem.what, "then": problem.then, "cure": _HOW[problem.cure]}
