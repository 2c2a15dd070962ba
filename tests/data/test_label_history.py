"""The history of a label file grows by each merge and never says a thing twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from lightning_pose.contracts.errors import DataError
from lightning_pose.data.label_history import Merge, history_file, read_history, write_history
from lightning_pose.data.label_versions import Change, KeypointChange, Point

NOSE = KeypointChange(
    image="a.png", keypoint="nose", change=Change.ADDED, after=Point(x=1.5, y=2.0)
)


def merge_of(number: int) -> Merge:
    return Merge(
        merged=f"2026-11-{number:02}T17:00:00+00:00",
        who="Ada",
        worklist="monday.csv",
        worklist_sha256="w",
        labels_sha256="l",
        result_sha256="r",
    )


def test_a_history_is_carried_over_and_each_row_stays_once(tmp_path: Path) -> None:
    labels, other = tmp_path / "labels.csv", tmp_path / "other.csv"
    write_history(labels, merge_of(1), [NOSE], before=labels)
    write_history(labels, merge_of(2), [NOSE], before=labels)
    write_history(other, merge_of(3), [NOSE], before=labels)
    write_history(other, merge_of(4), [NOSE], before=labels)
    days = [row["merged"][8:10] for row in read_history(other)]
    assert days == ["01", "02", "03", "04"]
    assert len(read_history(labels)) == 2
    last = read_history(other)[-1]
    assert (last["x_before"], last["x_after"], last["visible_after"]) == ("", "1.5", "")


def test_another_table_of_that_name_is_refused(tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    history_file(labels).write_text("when,who\n1,2\n")
    with pytest.raises(DataError, match="is no history of labels; move it away"):
        write_history(labels, merge_of(1), [NOSE], before=labels)
