"""The thread that writes to the store, and the spool that takes over when the store fails."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable

from lightning_pose.contracts.errors import WriteError
from lightning_pose.contracts.passwords import without_passwords
from lightning_pose.mlops.tracking.items import End, Item, Metrics, now_ms
from lightning_pose.mlops.tracking.open_run import OpenRun, open_run
from lightning_pose.mlops.tracking.spool import Spool
from lightning_pose.mlops.tracking.store import RunStart, StorePlace
from lightning_pose.mlops.tracking.system import system_metrics

FINISH_TIMEOUT_S = 300.0
SYSTEM_EVERY_S = 10.0
_logger = logging.getLogger(__name__)

Identity = dict[str, str]


class StoreWriter(threading.Thread):
    """Writes what it is given to an MLflow run, now and then, in the background.

    The store is opened here too: importing MLflow and making its tables takes seconds. Everything
    goes to the spool file first, which is deleted when the run is over and wholly in the store.
    When the store fails, one warning is logged, and the spool stays for ``litpose track sync``.

    Args:
        place: of the store.
        start: the run.
        spool: keeps the run until the store holds it.
        flush_s: seconds between two writes.
        system: also record load and memory of the machine.
        on_open: is told where the run is as soon as that is known.
    """

    def __init__(
        self,
        place: StorePlace,
        start: RunStart,
        *,
        spool: Spool,
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
        self.spool.begin(self.place, self.begin)
        opened = self._try_open()
        over = False
        while not over:
            items = self._collect()
            over = any(isinstance(item, End) for item in items)
            self.spool.add(items)
            if opened is not None and not self.failure:
                self._try_write(opened, items)
        if not self.failure:
            self.spool.remove()

    def finish(self, outcome: str) -> tuple[str, ...]:
        """End the run and wait until everything is written; return warnings for the user."""
        self.put(End(outcome))
        self.join(FINISH_TIMEOUT_S)
        if self.is_alive():
            self.failure = f"the store {without_passwords(self.place.uri)} does not answer"
        if not self.failure:
            return ()
        folder = self.spool.path.parent
        return (
            f"The run is not, or not wholly, in the tracking store ({self.failure[:200]}). When "
            f"the store works again: litpose track sync {folder}",
        )

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
            items[:0] = self._load()
        return items

    def _load(self) -> list[Item]:
        """Return load and memory now; nothing, from now on, where they cannot be read."""
        try:
            return [Metrics(system_metrics(), self._step, now_ms())]
        except Exception as error:  # whatever a driver raises: it must not end the writing
            self.system = False
            _logger.warning("Load and memory of the machine are not recorded: %s.", error)
            return []

    def _try_open(self) -> OpenRun | None:
        try:
            opened = open_run(self.place, self.begin)
        except Exception as error:  # whatever a store or its drivers raise: training goes on
            self._fail(error)
            return None
        self.identity = {
            "uri": self.place.uri,
            "experiment": opened.experiment,
            "run_id": opened.run_id,
        }
        if self.on_open is not None:
            try:
                self.on_open(self.identity)
            except WriteError as error:  # the listener is told nothing again; the store works
                _logger.warning("%s", error)
        return opened

    def _try_write(self, opened: OpenRun, items: list[Item]) -> None:
        try:
            opened.write(items)
        except Exception as error:  # as above
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        text = str(error).strip()
        self.failure = without_passwords(text.splitlines()[0] if text else type(error).__name__)
        _logger.warning(
            "The tracking store %s fails (%s). Training goes on; the run is kept in %s.",
            without_passwords(self.place.uri),
            self.failure[:200],
            self.spool.path,
        )
