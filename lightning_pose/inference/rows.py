"""Predicted rows of a session as the writers of files take them: a part at a time, or whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Protocol, runtime_checkable

import numpy as np

from lightning_pose.contracts.predictions import Predictions
from lightning_pose.inference.inputs import Input
from lightning_pose.inference.row_store import RowStore

_PART = 4096


@runtime_checkable
class Rows(Protocol):
    """Rows in order of frames, the same of every view."""

    def __len__(self) -> int:
        """Return how many there are of a view."""
        ...

    def views(self, start: int = 0, stop: int | None = None) -> list[Predictions]:
        """Return the rows from ``start`` to before ``stop``, a table a view."""
        ...


def parts_of(rows: Rows, *, looks_back: int = 0) -> Iterator[tuple[int, list[Predictions]]]:
    """Yield all rows in parts: the tables of the views, and how many rows to pass over.

    Args:
        rows: of a session.
        looks_back: rows before each part that come with it, as far as there are any; they are
            those to pass over.
    """
    for start in range(0, max(1, len(rows)), _PART):
        first = max(0, start - looks_back)
        yield start - first, rows.views(first, min(start + _PART, len(rows)))


class StoredRows:
    """All rows of a session in a store.

    Args:
        store: in which each frame is exactly once.
        inputs: of the session, one a view.
        images: of each view, the name of each row; empty for videos.
        sets: part of each labelled image; empty for others.
    """

    def __init__(
        self,
        store: RowStore,
        *,
        inputs: Sequence[Input],
        images: Sequence[tuple[str, ...]],
        sets: tuple[str, ...] = (),
    ) -> None:
        self._store = store
        self._inputs = tuple(inputs)
        self._images = tuple(images)
        self._sets = sets

    def __len__(self) -> int:
        """Return how many there are of a view."""
        return self._store.num_rows

    def views(self, start: int = 0, stop: int | None = None) -> list[Predictions]:
        """Return the rows from ``start`` to before ``stop``, a table a view."""
        here = slice(start, stop)
        found = zip(self._store.views(start, stop), self._inputs, self._images, strict=True)
        return [
            replace(table, source=str(item.path), images=names[here], sets=self._sets[here])
            for table, item, names in found
        ]


class TableRows:
    """Rows of tables in memory, as 32-bit numbers.

    Args:
        tables: one a view.
    """

    def __init__(self, tables: Sequence[Predictions]) -> None:
        self._tables = [
            replace(
                table,
                xy_img=table.xy_img.astype(np.float32),
                confidence=table.confidence.astype(np.float32),
            )
            for table in tables
        ]

    def __len__(self) -> int:
        """Return how many there are of a view."""
        return len(self._tables[0])

    def views(self, start: int = 0, stop: int | None = None) -> list[Predictions]:
        """Return the rows from ``start`` to before ``stop``, a table a view."""
        kept = range(start, len(self) if stop is None else stop)
        return [table.rows(kept) for table in self._tables]
