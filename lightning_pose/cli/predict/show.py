"""Showing on the terminal how the predictions of several inputs come along."""

from __future__ import annotations

import dataclasses
import threading

from lightning_pose.cli.predict.preflighting import Foreseen
from lightning_pose.cli.terminal import ProgressLine, note, print_error
from lightning_pose.inference.inputs import Input
from lightning_pose.inference.outcome import Outcome
from lightning_pose.inference.progress import Progress


class Show:
    """Draws the progress of the inputs that are at work: the first in full, the others behind it.

    It is told by several threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: dict[tuple[Input, ...], ProgressLine] = {}
        self._now: dict[tuple[Input, ...], Progress] = {}
        self._foreseen: dict[tuple[Input, ...], Foreseen] = {}

    def start(self, inputs: tuple[Input, ...]) -> None:
        """Begin with an input, or with the views of a session: say what is wrong with them."""
        foreseen = Foreseen(inputs)
        with self._lock:
            self._foreseen[inputs] = foreseen
            for remark in foreseen.remarks:
                note(remark)

    def progress(self, inputs: tuple[Input, ...], progress: Progress) -> None:
        """Draw how far an input is."""
        with self._lock:
            before = self._now.get(inputs)
            self._now[inputs] = progress
            if before is None or before.stage != progress.stage:
                self._lines[inputs] = ProgressLine(f"{progress.stage} {_names(inputs)}")
            first, *others = self._now
            if first == inputs:
                more = "".join(f"; {_briefly(other, self._now[other])}" for other in others)
                self._lines[inputs].update(
                    progress.done, progress.total, before=progress.kept, more=more
                )

    def finish(self, outcome: Outcome) -> Outcome:
        """Say how it ended; return the outcome with what was said of the source beforehand."""
        name = _names(outcome.inputs)
        with self._lock:
            self._now.pop(outcome.inputs, None)
            line = self._lines.pop(outcome.inputs, None)
            if line is not None:
                line.clear()
            foreseen = self._foreseen.pop(outcome.inputs, None)
            found = outcome.problems if foreseen is None else foreseen.not_among(outcome.problems)
            for problem in found:
                note(f"{name}: {problem}")
        if outcome.failed is not None:
            print_error(str(outcome.failed))
        remarks = () if foreseen is None else foreseen.remarks
        return dataclasses.replace(outcome, problems=(*remarks, *found))


def _names(inputs: tuple[Input, ...]) -> str:
    return ", ".join(item.path.name for item in inputs)


def _briefly(inputs: tuple[Input, ...], progress: Progress) -> str:
    how_far = f"{progress.done / progress.total:.0%}" if progress.total else f"{progress.done}"
    return f"{progress.stage} {_names(inputs)} {how_far}"
