"""Blocks of a table are in the file in their order, whichever is ready first."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from lightning_pose.contracts import csv_tables
from lightning_pose.contracts.csv_tables import CsvBlock, write_csv_table


def blocks(number: int) -> list[CsvBlock]:
    return [
        CsvBlock(index=np.arange(2 * n, 2 * n + 2), values=np.full((2, 3), n / 2))
        for n in range(number)
    ]


def test_the_slowest_block_keeps_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = write_csv_table(tmp_path / "plain.csv", [["a", "b", "c", "d"]], blocks(9))
    text_of = csv_tables._text_of

    def slow_at_first(block: CsvBlock) -> memoryview:
        time.sleep(0.1 * (block.index[0] == 0))
        return text_of(block)

    monkeypatch.setattr(csv_tables, "_THREADS", 4)
    monkeypatch.setattr(csv_tables, "_text_of", slow_at_first)
    found = write_csv_table(tmp_path / "found.csv", [["a", "b", "c", "d"]], blocks(9))
    assert found.read_bytes() == plain.read_bytes()
    assert found.read_text().splitlines()[-1] == "17,4,4,4"


def test_a_block_that_cannot_be_written_leaves_no_file(tmp_path: Path) -> None:
    bad = CsvBlock(index=["one"], values=np.zeros((1, 2)), ending=["a", "b"])
    with pytest.raises(ValueError, match="length"):
        write_csv_table(tmp_path / "found.csv", [["a"]], [*blocks(3), bad, *blocks(3)])
    assert list(tmp_path.iterdir()) == []
