"""What the user reads: errors, notes, tables, JSON and progress."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
import time
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any, TextIO

from lightning_pose.contracts.durations import duration
from lightning_pose.contracts.passwords import without_passwords

BAR = 24
CLEAR = "\r\033[K"
LINE_EVERY_S = 10.0


def say(text: str = "") -> None:
    """Print one line of results on stdout."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def say_paragraph(text: str) -> None:
    """Print a paragraph of results on stdout, broken into lines."""
    say(_wrapped(text, first="", rest="  "))


def note(text: str) -> None:
    """Print one remark on stderr: what was decided or noticed on the way; no passwords."""
    _remark(_wrapped(without_passwords(text), first="", rest="  "))


def print_error(text: str) -> None:
    """Print one readable paragraph on stderr; lines the message has of its own are kept.

    Passwords in URLs are hidden.
    """
    _remark(_wrapped(without_passwords(text), first="litpose: ", rest="  "))


def say_json(value: Any) -> None:
    """Print a value as JSON; NaN, which JSON does not know, becomes null."""
    say(json.dumps(_plain(value), indent=2, allow_nan=False))


def say_table(rows: Iterable[Sequence[object]], header: Sequence[str]) -> None:
    """Print a table: text left, numbers right."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(len(text) for text in column) for column in zip(header, *cells, strict=True)]
    numeric = [all(_is_number(row[i]) for row in cells) for i in range(len(header))]
    for i, row in enumerate([list(header), *cells]):
        say(
            "  ".join(
                text.rjust(width) if right else text.ljust(width)
                for text, width, right in zip(row, widths, numeric, strict=True)
            ).rstrip()
        )
        if i == 0:
            say("  ".join("-" * width for width in widths))


def printable(text: str) -> str:
    """Return a text of one line: what a file may be named, but no terminal should get, escaped."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


class ProgressLine:
    """A line that tells how far something is: a bar on a terminal, now and then a line elsewhere.

    Args:
        label: what is going on.
        unit: what is counted.
        stream: where it is drawn.
    """

    def __init__(self, label: str, *, unit: str = "frames", stream: TextIO | None = None) -> None:
        self.label = printable(label)
        self.unit = unit
        self.stream = stream or sys.stderr
        self.live = self.stream.isatty()
        self._start = self._drawn = time.monotonic()

    def __enter__(self) -> ProgressLine:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.clear()

    def clear(self) -> None:
        """Take the bar off the terminal."""
        if self.live:
            self.stream.write(CLEAR)
            self.stream.flush()

    def update(self, done: int, total: int | None, *, before: int = 0, more: str = "") -> None:
        """Draw ``done`` of ``total`` (None = unknown), rate and time left.

        ``before`` of those done were there at the beginning.
        """
        now = time.monotonic()
        if now - self._drawn < (0.1 if self.live else LINE_EVERY_S):
            return
        self._drawn = now
        rate = (done - before) / (now - self._start)
        text = f"{self.label}  {self._amount(done, total, rate)}{more}"
        width = shutil.get_terminal_size().columns
        self.stream.write(f"{CLEAR}{text[: width - 1]}" if self.live else f"{text}\n")
        self.stream.flush()

    def _amount(self, done: int, total: int | None, rate: float) -> str:
        if not total:
            return f"{done} {self.unit}  {rate:.1f}/s"
        share = min(1.0, done / total)
        bar = "#" * round(BAR * share) + "." * (BAR - round(BAR * share))
        left = f"  {duration((total - done) / rate)} left" if rate else ""
        return f"[{bar}] {done}/{total} {self.unit}  {rate:.1f}/s{left}"


def _remark(text: str) -> None:
    """Write to stderr, over a progress bar that may stand there."""
    sys.stderr.write(f"{CLEAR}{text}\n" if sys.stderr.isatty() else f"{text}\n")
    sys.stderr.flush()


def _wrapped(text: str, *, first: str, rest: str) -> str:
    width = max(40, min(100, shutil.get_terminal_size().columns))
    lines = text.splitlines() or [""]
    return "\n".join(
        textwrap.fill(
            line,
            width=width,
            initial_indent=first if i == 0 else rest,
            subsequent_indent=rest + line[: len(line) - len(line.lstrip())],
            break_long_words=False,
            break_on_hyphens=False,
        )
        for i, line in enumerate(lines)
    )


def _cell(value: object) -> str:
    if value is None or (isinstance(value, float) and value != value):
        return "-"
    return f"{value:.2f}" if isinstance(value, float) else printable(str(value))


def _is_number(text: str) -> bool:
    return text == "-" or text.lstrip("-").replace(".", "", 1).rstrip("%").strip().isdigit()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and value != value:
        return None
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)
