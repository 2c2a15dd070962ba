"""The thread that writes to the store, and the spool that takes over when the store fails."""

from __future__ import annotations

import json
import logging
import math
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning_pose.mlops.tracking.store import OpenRun, RunStart, StorePlace, open_run
from lightning_pose.mlops.tracking.system import system_metrics

FINISH_TIMEOUT_S = 300.0
SYSTEM_EVERY_S = 10.0
STATUS = {"finished": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}
_logger = logging.getLogger(__name__)

Identity = dict[str, str]


@dataclass(frozen=True)
class Metrics:
    """Values of one step."""

    values: dict[str, float]
    step: int
    time_ms: int


@dataclass(frozen=True)
class Artifact:
    """A file to store."""

    path: Path
    folder: str | None = None


@dataclass(frozen=True)
class End:
    """The run is over."""

    outcome: str


Item = Metrics | Artifact | End


class StoreWriter(threading.Thread):
    """Writes what it is given to an MLflow run, now and then, in the background.

    The store is opened here too: importing MLflow and making its tables takes seconds. When the
    store fails, one warning is logged and everything goes to the spool file instead.

    Args:
        place: of the store.
        start: the run.
        spool: file that takes what the store does not.
        flush_s: seconds between two writes.
        system: also record load and memory of the machine.
        on_open: is told where the run is as soon as that is known.
    """

    def __init__(
        self,
        place: StorePlace,
        start: RunStart,
        *,
        spool: Path,
        flush_s: float,
        system: bool,
        on_open: Callable[[Identity], None] | None,
    ) -> None:
        super().__init__(name="tracking", daemon=True)
        self.place = place
        self.begin = start
        self.spool = spool
        self.flush_s = flush_s
        self.system = system
        self.on_open = on_open
        self.identity: Identity = {}
        self.failure = ""
        self._items: queue.SimpleQueue[Item] = queue.SimpleQueue()
        self._next_system = 0.0
        self._step = 0

    def put(self, item: Item) -> None:
        """Hand over something to write; returns at once."""
        self._items.put(item)

    def run(self) -> None:
        """Open the store and write until the run is over."""
        opened = self._try_open()
        over = False
        while not over:
            items = self._collect()
            over = any(isinstance(item, End) for item in items)
            if opened is not None and not self.failure:
                items = self._try_write(opened, items)
            if opened is None or self.failure:
                self._spool(items)

    def finish(self, outcome: str) -> tuple[str, ...]:
        """End the run and wait until everything is written; return warnings for the user."""
        self.put(End(outcome))
        self.join(FINISH_TIMEOUT_S)
        if self.is_alive():
            self.failure = f"the store {self.place.uri} does not answer"
        if not self.failure:
            return ()
        return (f"The run is not, or not wholly, in the tracking store; see {self.spool}.",)

    def _collect(self) -> list[Item]:
        """Return what has come in until it is time to write, or the run is over."""
        items = []
        until = time.monotonic() + self.flush_s
        while True:
            try:
                item = self._items.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                break
            items.append(item)
            if isinstance(item, End):
                break
        steps = [item.step for item in items if isinstance(item, Metrics)]
        self._step = max([self._step, *steps])
        if self.system and time.monotonic() > self._next_system:
            self._next_system = time.monotonic() + SYSTEM_EVERY_S
            items.insert(0, Metrics(system_metrics(), self._step, now_ms()))
        return items

    def _try_open(self) -> OpenRun | None:
        try:
            opened = open_run(self.place, self.begin)
        except Exception as error:  # whatever a store or its drivers raise: training goes on
            self._fail(error)
            self._spool_start()
            return None
        self.identity = {
            "uri": self.place.uri,
            "experiment": opened.experiment,
            "run_id": opened.run_id,
        }
        if self.on_open is not None:
            self.on_open(self.identity)
        return opened

    def _try_write(self, opened: OpenRun, items: list[Item]) -> list[Item]:
        """Write the items; return those that could not be written."""
        try:
            points = [
                (name, value, item.step, item.time_ms)
                for item in items
                if isinstance(item, Metrics)
                for name, value in item.values.items()
                if math.isfinite(value)
            ]
            opened.log_metrics(points)
            for item in items:
                if isinstance(item, Artifact) and item.path.is_file():
                    opened.log_artifact(item.path, item.folder)
            for item in items:
                if isinstance(item, End):
                    opened.end(STATUS.get(item.outcome, "FAILED"), item.outcome)
        except Exception as error:  # as above
            self._fail(error)
            return items
        return []

    def _fail(self, error: Exception) -> None:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        self.failure = reason
        _logger.warning(
            "The tracking store %s fails (%s). Training goes on; metrics are kept in %s.",
            self.place.uri,
            reason[:200],
            self.spool,
        )

    def _spool_start(self) -> None:
        begin = self.begin
        self._append(
            {
                "kind": "start",
                "experiment": begin.experiment,
                "name": begin.name,
                "params": dict(begin.params),
                "tags": dict(begin.tags),
            }
        )

    def _spool(self, items: list[Item]) -> None:
        for item in items:
            plain = {
                key: str(value) if isinstance(value, Path) else value
                for key, value in vars(item).items()
            }
            self._append({"kind": type(item).__name__.lower(), **plain})

    def _append(self, line: dict[str, Any]) -> None:
        try:
            with self.spool.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            _logger.warning("Metrics cannot be kept in %s: %s.", self.spool, error)


def now_ms() -> int:
    """Return the time in milliseconds since 1970, as MLflow wants it."""
    return int(time.time() * 1000)
