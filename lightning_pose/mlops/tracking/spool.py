"""The spool: the whole run in a local file until the store holds it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from os import SEEK_END
from pathlib import Path
from typing import Any

from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.passwords import without_passwords
from lightning_pose.mlops.tracking.items import Item, item_of, line_of
from lightning_pose.mlops.tracking.store import RunStart, StorePlace

NAME = "tracking_spool.jsonl"
START = "start"
_logger = logging.getLogger(__name__)


class Spool:
    """Keeps what a run hands over, one JSON line each, and forgets it when the store has it all.

    A file that cannot be written costs a warning, never the training.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._failed = False

    def begin(self, place: StorePlace, start: RunStart) -> None:
        """Note where the run belongs and what it begins with."""
        if place.uri != without_passwords(place.uri):
            with suppress(OSError):  # what cannot be written is told below
                self.path.touch(mode=0o600)
        self._append(
            [
                {
                    "kind": START,
                    "uri": place.uri,
                    "artifacts": place.artifacts,
                    "experiment": start.experiment,
                    "name": start.name,
                    "params": dict(start.params),
                    "tags": dict(start.tags),
                    "resume_id": start.resume_id,
                }
            ]
        )

    def add(self, items: Sequence[Item]) -> None:
        """Append the items."""
        self._append([line_of(item) for item in items])

    def remove(self) -> None:
        """Delete the file: the store holds everything."""
        self.path.unlink(missing_ok=True)

    def _append(self, lines: Sequence[Mapping[str, Any]]) -> None:
        if not lines:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(self._seam() + "".join(json.dumps(line) + "\n" for line in lines))
        except OSError as error:
            if not self._failed:
                _logger.warning("What is tracked cannot be kept in %s: %s.", self.path, error)
            self._failed = True

    def _seam(self) -> str:
        """Return a line break if a kill cut the last line short, else nothing."""
        with self.path.open("rb") as file:
            if not file.seek(0, SEEK_END):
                return ""
            file.seek(-1, SEEK_END)
            return "" if file.read(1) == b"\n" else "\n"


def read_spool(path: Path) -> tuple[StorePlace, RunStart, list[Item]]:
    """Return where the run of a spool belongs, its beginning, and all that it handed over.

    A line that a kill cut short is left out. Of several beginnings (a resumed run) the last
    counts.

    Raises:
        DataError: this is no spool.
    """
    lines = list(_lines(path))
    starts = [line for line in lines if line.get("kind") == START]
    if not starts:
        raise DataError(f"{path} does not say to which run it belongs; is it a {NAME}?")
    start = starts[-1]
    place = StorePlace(uri=start["uri"], artifacts=start["artifacts"])
    begin = RunStart(
        experiment=start["experiment"],
        name=start["name"],
        params=start["params"],
        tags=start["tags"],
        resume_id=start["resume_id"],
    )
    return place, begin, [item_of(line) for line in lines if line.get("kind") != START]


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            yield dict(json.loads(text))
        except ValueError:  # empty, or a kill cut it short
            continue
