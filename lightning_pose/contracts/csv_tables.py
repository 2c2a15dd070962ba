"""Tables of numbers as csv, written block by block: by some threads, and in memory never whole."""

# pyright: basic
# (pyarrow has no types)

from __future__ import annotations

import csv
import io
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa
from jaxtyping import Float, Int
from pyarrow.csv import WriteOptions, write_csv

from lightning_pose.contracts.files import write_atomically

_PLAIN = WriteOptions(include_header=False, quoting_style="none")
_QUOTED = WriteOptions(include_header=False, quoting_style="needed")
_STRUCTURAL = frozenset(',"\r\n')
# pyarrow writes 10,000 rows of 50 numbers in 70 ms, and lets go of Python's lock meanwhile.
_THREADS = min(4, os.cpu_count() or 1)
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class CsvBlock:
    """Some rows of a table.

    Attributes:
        index: the first column.
        values: the columns of numbers; NaN becomes an empty field, every other number has the
            fewest digits that give it back in its own precision.
        ending: a last column of words, if there is one.
    """

    index: Int[np.ndarray, " n"] | Sequence[str]
    values: Float[np.ndarray, "n c"]
    ending: Sequence[str] = ()


def write_csv_table(
    path: Path, header: Sequence[Sequence[str]], blocks: Iterable[CsvBlock]
) -> Path:
    """Write a csv under a temporary name, then rename it; return ``path``.

    Args:
        path: of the file.
        header: its first lines, field by field.
        blocks: the rows, taken one block after the other.

    Raises:
        WriteError: the file cannot be written (a full disk, say).
    """

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            text = io.StringIO()
            csv.writer(text, lineterminator="\n").writerows(header)
            file.write(text.getvalue().encode())
            for part in _in_order(_text_of, blocks):
                file.write(part)

    return write_atomically(path, write)


def _in_order(work: Callable[[CsvBlock], T], blocks: Iterable[CsvBlock]) -> Iterator[T]:
    """Yield ``work(block)`` for each block; a few are at work at a time, each in a thread."""
    waiting: deque[Future[T]] = deque()
    with ThreadPoolExecutor(_THREADS, "litpose-csv") as threads:
        for block in blocks:
            waiting.append(threads.submit(work, block))
            if len(waiting) > _THREADS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _text_of(block: CsvBlock) -> memoryview:
    words = [
        column for column in (block.index, block.ending) if not isinstance(column, np.ndarray)
    ]
    needs_quotes = any(not _STRUCTURAL.isdisjoint(word) for column in words for word in column)
    columns = [pa.array(block.index)]
    columns += [pa.array(column, from_pandas=True) for column in block.values.T]
    if block.ending:
        columns.append(pa.array(block.ending))
    text = pa.BufferOutputStream()
    if len(columns[0]):
        names = [str(number) for number in range(len(columns))]
        options = _QUOTED if needs_quotes else _PLAIN
        write_csv(pa.RecordBatch.from_arrays(columns, names), text, options)
    return memoryview(text.getvalue())
