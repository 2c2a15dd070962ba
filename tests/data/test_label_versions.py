"""Two versions of labels: what differs is what was changed, no more and no less."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.data.label_merging import OURS, THEIRS, MergedLabels, merge_labels
from lightning_pose.data.label_versions import Change, Point, diff_labels, points_of
from lightning_pose.data.worklists import read_worklist, worklist_note, write_worklist
from tests.data.conftest import MakeTable

NAN = float("nan")


def with_point(table: LabelTable, row: int, keypoint: int, x: float, y: float) -> LabelTable:
    """Return the table with one point placed anew."""
    xy = table.xy_img.copy()
    xy[row, keypoint] = (x, y)
    return replace(table, xy_img=xy)


@pytest.fixture
def table(make_table: MakeTable) -> LabelTable:
    xy = np.arange(36, dtype=float).reshape(6, 3, 2)
    xy[4, 1] = np.nan
    return make_table(6, xy_img=xy)


def test_a_table_does_not_differ_from_itself_in_another_order(table: LabelTable) -> None:
    order = np.array([3, 1, 0, 5, 4, 2])
    shuffled = table.rows(order)
    names = (table.keypoint_names[2], table.keypoint_names[0], table.keypoint_names[1])
    shuffled = replace(shuffled, keypoint_names=names, xy_img=shuffled.xy_img[:, [2, 0, 1]])
    found = diff_labels(table, shuffled)
    assert found.is_empty
    assert found.unchanged == 17


def test_a_moved_added_and_removed_keypoint_are_told_with_the_distance(table: LabelTable) -> None:
    x, y = table.xy_img[0, 0]
    after = with_point(table, 0, 0, x + 3, y + 4)
    after = with_point(after, 4, 1, 7.0, 8.0)
    after = with_point(after, 5, 2, NAN, NAN)
    found = diff_labels(table, after)
    told = {(c.image, c.keypoint): c.change for c in found.changes}
    assert told == {
        (table.images[0], "nose"): Change.MOVED,
        (table.images[4], "tail"): Change.ADDED,
        (table.images[5], "paw"): Change.REMOVED,
    }
    assert found.of(Change.MOVED)[0].distance_px == 5.0
    assert found.unchanged == 15


def test_a_move_within_the_threshold_is_none(table: LabelTable) -> None:
    after = with_point(table, 0, 0, *(table.xy_img[0, 0] + 0.3))
    assert diff_labels(table, after, threshold_px=0.5).is_empty
    assert len(diff_labels(table, after, threshold_px=0.4).changes) == 1


def test_frames_of_one_version_are_told_with_their_keypoints(table: LabelTable) -> None:
    found = diff_labels(table.rows(np.array([0, 1, 2, 3])), table.rows(np.array([1, 2, 3, 4])))
    assert found.removed_frames == (table.images[0],)
    assert found.added_frames == (table.images[4],)
    assert (len(found.of(Change.REMOVED)), len(found.of(Change.ADDED))) == (3, 2)


def test_visibility_is_a_change_of_its_own(table: LabelTable) -> None:
    seen = np.where(table.labelled, 2, 0)
    hidden = seen.copy()
    hidden[2, 1] = 1
    found = diff_labels(replace(table, visible=seen), replace(table, visible=hidden))
    assert [c.change for c in found.changes] == [Change.VISIBILITY]
    assert diff_labels(table, replace(table, visible=hidden)).is_empty  # the first says nothing


def test_a_renamed_keypoint_is_refused_or_mapped(table: LabelTable) -> None:
    after = replace(table, keypoint_names=("snout", "tail", "paw"))
    with pytest.raises(DataError, match="--rename nose=snout, or that none was with --no-rename"):
        diff_labels(table, after)
    assert diff_labels(table, after, renamed={"nose": "snout"}).changes == ()
    apart = diff_labels(table, after, allow_new_names=True)
    assert (apart.removed_keypoints, apart.added_keypoints) == (("nose",), ("snout",))
    assert len(apart.changes) == 12


def test_an_image_with_two_rows_is_refused(table: LabelTable) -> None:
    with pytest.raises(DataError, match="more than once"):
        diff_labels(table, table.rows(np.array([0, 1, 0])))


def merged(
    table: LabelTable, now: LabelTable, worklist: LabelTable, prefer: str = "refuse"
) -> MergedLabels:
    """Return the merge of a worklist that was handed out as it stands in ``table``."""
    base = {k: p for k, p in points_of(table).items() if k[0] in worklist.images}
    return merge_labels(now, worklist, base=base, prefer=prefer)


def test_corrections_are_taken_and_everything_else_stays(table: LabelTable) -> None:
    worklist = with_point(table.rows(np.array([3, 4])), 0, 0, 50.0, 20.0)
    worklist = with_point(worklist, 1, 2, NAN, NAN)
    found = merged(table, table, worklist)
    expected = table.xy_img.copy()
    expected[3, 0] = (50.0, 20.0)
    expected[4, 2] = np.nan
    np.testing.assert_array_equal(found.table.xy_img, expected)
    assert found.table.images == table.images
    assert [c.change for c in found.changes] == [Change.MOVED, Change.REMOVED]


def test_what_changed_in_the_labels_meanwhile_stays(table: LabelTable) -> None:
    now = with_point(table, 3, 1, 1.0, 2.0)  # another point of the same frame
    found = merged(table, now, with_point(table.rows(np.array([3])), 0, 0, 50.0, 20.0))
    np.testing.assert_array_equal(found.table.xy_img[3, :2], [[50.0, 20.0], [1.0, 2.0]])
    assert found.conflicts == ()


@pytest.mark.parametrize(
    ("prefer", "expected"), [(THEIRS, (50.0, 20.0)), (OURS, (1.0, 2.0))], ids=["theirs", "ours"]
)
def test_a_point_that_both_changed_is_a_conflict(
    table: LabelTable, prefer: str, expected: tuple[float, float]
) -> None:
    now = with_point(table, 3, 0, 1.0, 2.0)
    worklist = with_point(table.rows(np.array([3])), 0, 0, 50.0, 20.0)
    with pytest.raises(DataError, match=r"nose in .*is 1\.0, 2\.0 in the labels and 50\.0, 20\.0"):
        merged(table, now, worklist)
    found = merged(table, now, worklist, prefer)
    assert tuple(found.table.xy_img[3, 0]) == expected
    assert len(found.conflicts) == 1


def test_both_changing_a_point_alike_is_no_conflict(table: LabelTable) -> None:
    now = with_point(table, 3, 0, 50.0, 20.0)
    found = merged(table, now, with_point(table.rows(np.array([3])), 0, 0, 50.0, 20.0))
    assert (found.conflicts, found.changes) == ((), ())


def test_a_label_that_was_removed_meanwhile_is_a_conflict(table: LabelTable) -> None:
    now = with_point(table, 3, 0, NAN, NAN)
    with pytest.raises(DataError, match="is not labelled in the labels"):
        merged(table, now, with_point(table.rows(np.array([3])), 0, 0, 50.0, 20.0))


def test_proposals_that_nobody_looked_at_are_not_labels(table: LabelTable) -> None:
    labels = table.rows(np.arange(4))
    worklist = table.rows(np.array([4, 5]))
    handed_out = points_of(worklist)
    worklist = with_point(worklist, 1, 0, 2.0, 3.0)
    found = merge_labels(labels, worklist, base={}, handed_out=handed_out)
    assert found.untouched == (table.images[4],)
    assert found.added_frames == (table.images[5],)
    assert len(found.table) == 5
    assert tuple(found.table.xy_img[4, 0]) == (2.0, 3.0)
    taken = merge_labels(labels, worklist, base={}, handed_out={})
    assert len(taken.table) == 6


def test_without_a_base_an_empty_cell_takes_nothing_away(table: LabelTable) -> None:
    worklist = with_point(table.rows(np.array([3])), 0, 0, NAN, NAN)
    worklist = with_point(worklist, 0, 1, 50.0, 20.0)
    found = merge_labels(table, worklist)
    np.testing.assert_array_equal(found.table.xy_img[3, 0], table.xy_img[3, 0])
    np.testing.assert_array_equal(found.table.xy_img[3, 1], [50.0, 20.0])


def test_an_unknown_keypoint_is_refused_with_the_nearest_name(table: LabelTable) -> None:
    worklist = replace(table, keypoint_names=("noze", "tail", "paw"))
    with pytest.raises(DataError, match=r"noze \(did you mean nose\?\)"):
        merge_labels(table, worklist)


def test_a_worklist_may_lack_keypoints(table: LabelTable) -> None:
    worklist = replace(
        table.rows(np.array([0])),
        keypoint_names=("paw",),
        xy_img=np.array([[[9.0, 9.0]]]),
    )
    found = merged(table, table, worklist)
    assert [(c.keypoint, c.after.x) for c in found.changes] == [("paw", 9.0)]


def test_an_occluded_label_stays_occluded_where_the_worklist_says_nothing(
    table: LabelTable,
) -> None:
    visible = np.where(table.labelled, 2, 0)
    visible[0, 0] = 1
    labels = replace(table, visible=visible)
    worklist = with_point(table.rows(np.array([0])), 0, 0, 9.0, 9.0)
    found = merge_labels(labels, worklist, base=points_of(table))
    assert found.table.visible is not None
    expected = visible.copy()
    np.testing.assert_array_equal(found.table.visible, expected)


def test_a_worklist_survives_the_file(table: LabelTable, tmp_path: Path) -> None:
    visible = np.where(table.labelled, 2, 0)
    shown = replace(with_point(table, 4, 1, 3.25, 4.5), visible=np.full((6, 3), 2))
    path = write_worklist(
        shown.rows(np.array([4])),
        tmp_path / "to label.csv",
        labels=replace(table, visible=visible),
        source="a test",
        made="2026-11-21T17:00:00+00:00",
        frames={table.images[4]: {"tags": ["bad_label"]}},
    )
    found = read_worklist(path, data_dir=table.root)
    assert found.base == {
        (table.images[4], "nose"): Point(x=24.0, y=25.0, visible=2),
        (table.images[4], "paw"): Point(x=28.0, y=29.0, visible=2),
    }
    assert found.handed_out is not None
    assert found.handed_out[table.images[4], "tail"] == Point(x=3.25, y=4.5, visible=2)
    assert found.about["frames"] == {table.images[4]: {"tags": ["bad_label"]}}
    worklist_note(path).write_text("{}")
    with pytest.raises(DataError, match="move it away: then every label"):
        read_worklist(path, data_dir=table.root)
