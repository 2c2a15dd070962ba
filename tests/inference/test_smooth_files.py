"""Ensembles on disk: which files belong together, what is written, what is kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lightning_pose.contracts.errors import ConfigError, DataError, VideoError, WriteError
from lightning_pose.contracts.predictions import Predictions
from lightning_pose.inference.inputs import expand_inputs
from lightning_pose.inference.members import find_members
from lightning_pose.inference.outputs import Note, OutputSettings
from lightning_pose.inference.predict_files import Outcome
from lightning_pose.inference.smooth_files import SmoothSettings, smooth_files
from lightning_pose.video.decode import count_frames
from tests.inference.test_ensemble import members
from tests.inference.test_predict_files import Speed
from tests.video.corpus import NUM_FRAMES

Corpus = Callable[[str], Path]


def put(folder: Path, name: str, member: Predictions, *, source: Path | None = None) -> Path:
    """Write predictions as `litpose predict` does, with a note if the video is named."""
    table = member.write(folder / f"{name}.csv")
    if source is not None:
        Note(key="k", source=str(source), files=(table.name,)).write(
            folder / f"{name}.litpose.json"
        )
    return table


def folders(tmp_path: Path, *names: str, count: int = 3, source: Path | None = None) -> list[Path]:
    """Return a folder of predictions for each of some models."""
    made = [tmp_path / f"model {number}" for number in range(count)]
    for folder, member in zip(made, members(count), strict=True):
        for name in names:
            put(folder, name, member.rows(np.arange(NUM_FRAMES)), source=source)
    return made


def smooth(
    places: list[Path], out: Path, *, views: tuple[str, ...] = (), **wishes: Any
) -> list[Outcome]:
    settings = SmoothSettings(out=out, outputs=OutputSettings(**wishes), view_names=views)
    return list(smooth_files(find_members(places), settings))


def test_videos_are_matched_by_name(tmp_path: Path) -> None:
    outcomes = smooth(folders(tmp_path, "day1", "day2"), tmp_path / "out")
    assert [outcome.num_frames for outcome in outcomes] == [NUM_FRAMES] * 2
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["day1.csv", "day1.litpose.json", "day2.csv", "day2.litpose.json"]
    note = json.loads((tmp_path / "out" / "day1.litpose.json").read_text())
    assert len(note["made_from"]["members"]) == 3


def test_run_directories_stand_for_their_predictions(tmp_path: Path) -> None:
    runs = []
    for folder in folders(tmp_path, "day1"):
        (folder.with_suffix(".run")).mkdir()
        folder.rename(folder.with_suffix(".run") / "video_preds")
        runs.append(folder.with_suffix(".run"))
    assert [found.stem for found in find_members(runs)] == ["day1"]


def test_metric_files_and_labelled_sets_are_no_members(tmp_path: Path) -> None:
    made = folders(tmp_path, "day1")
    for folder in made:
        (folder / "day1_temporal_norm.csv").write_text(",nose\n0,1.0\n")
    assert [found.stem for found in find_members(made)] == ["day1"]
    for folder, member in zip(made, members(3), strict=True):
        put(folder, "day1", member, source=Path("day1.mp4"))
        put(folder, "labels", member, source=Path("CollectedData.csv"))
    assert [found.stem for found in find_members(made)] == ["day1"]


def test_a_video_that_one_model_lacks_fails_alone(tmp_path: Path) -> None:
    made = folders(tmp_path, "day1", "day2")
    (made[1] / "day2.csv").unlink()
    first, second = smooth(made, tmp_path / "out")
    assert first.failed is None
    assert str(made[1]) in str(second.failed)
    assert "no predictions of day2" in str(second.failed)


def test_only_the_named_videos_are_smoothed(tmp_path: Path, corpus: Corpus) -> None:
    made = folders(tmp_path, "gop10", "plain")
    found = find_members(made, expand_inputs([corpus("gop10.mp4")]))
    assert [(item.stem, item.source.path) for item in found] == [("gop10", corpus("gop10.mp4"))]
    (other,) = find_members(made, expand_inputs([corpus("uneven.mp4")]))
    with pytest.raises(DataError, match="no predictions of uneven"):
        other.check()


def test_files_of_different_names_are_no_ensemble(tmp_path: Path) -> None:
    tables = [put(tmp_path, f"seed{i}", member) for i, member in enumerate(members(2))]
    outcomes = smooth(tables, tmp_path / "out")
    assert all("same name" in str(outcome.failed) for outcome in outcomes)


def test_a_place_without_predictions_is_named(tmp_path: Path) -> None:
    made = folders(tmp_path, "day1")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty holds no predictions"):
        find_members([*made, tmp_path / "empty"])
    with pytest.raises(DataError, match="no file or folder"):
        find_members([tmp_path / "nowhere"])


def test_all_that_was_asked_for_is_made_of_the_smoothed_points(
    tmp_path: Path, corpus: Corpus
) -> None:
    video = corpus("gop10.mp4")
    made = folders(tmp_path, "gop10", source=video)
    (outcome,) = smooth(
        made,
        tmp_path / "out",
        formats=("parquet",),
        metrics=(Speed(),),
        labeled_video=True,
        snippet=True,
    )
    assert outcome.failed is None
    assert sorted(path.name for path in outcome.files) == [
        "gop10.parquet",
        "gop10_labeled.mp4",
        "gop10_snippet.mp4",
        "gop10_temporal_norm.csv",
    ]
    assert count_frames(tmp_path / "out" / "gop10_labeled.mp4") == NUM_FRAMES


def test_a_labelled_video_needs_its_video(tmp_path: Path) -> None:
    made = folders(tmp_path, "day1", source=tmp_path / "gone" / "day1.mp4")
    (outcome,) = smooth(made, tmp_path / "out", labeled_video=True)
    assert isinstance(outcome.failed, VideoError)
    assert "--videos" in str(outcome.failed)


def test_an_image_folder_is_smoothed_and_not_drawn_into(tmp_path: Path) -> None:
    (tmp_path / "frames").mkdir()
    made = folders(tmp_path, "frames", source=tmp_path / "frames")
    (outcome,) = smooth(made, tmp_path / "out", metrics=(Speed(),), labeled_video=True)
    assert outcome.failed is None
    assert sorted(path.name for path in outcome.files) == [
        "frames.csv",
        "frames_temporal_norm.csv",
    ]


def test_results_are_kept_until_a_member_changes(tmp_path: Path) -> None:
    made, out = folders(tmp_path, "day1"), tmp_path / "out"
    smooth(made, out)
    assert smooth(made, out)[0].skipped
    put(
        made[0],
        "day1",
        replace(members(1)[0].rows(np.arange(NUM_FRAMES)), xy_img=np.ones((60, 2, 2))),
    )
    (refused,) = smooth(made, out)
    assert isinstance(refused.failed, WriteError)
    (again,) = smooth(made, out, overwrite=True)
    assert (again.failed, again.skipped) == (None, False)


def test_a_drawing_is_made_again_with_other_dots(tmp_path: Path, corpus: Corpus) -> None:
    made, out = folders(tmp_path, "gop10", source=corpus("gop10.mp4")), tmp_path / "out"
    wish = {"labeled_video": True, "metrics": (Speed(),)}
    smooth(made, out, **wish, confidence_threshold=0.9)
    before = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    assert smooth(made, out, **wish, confidence_threshold=0.9)[0].skipped
    (again,) = smooth(made, out, **wish, confidence_threshold=0.3)
    assert (again.failed, again.skipped) == (None, False)
    changed = {path.name for path, when in before.items() if path.stat().st_mtime_ns != when}
    assert changed == {"gop10_labeled.mp4", "gop10.litpose.json"}


def test_members_are_not_replaced_by_the_result(tmp_path: Path) -> None:
    made = folders(tmp_path, "day1")
    before = (made[0] / "day1.csv").read_bytes()
    (outcome,) = smooth(made, made[0], overwrite=True)
    assert "would replace" in str(outcome.failed)
    assert (made[0] / "day1.csv").read_bytes() == before


def test_an_engine_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="litpose, eks, got magic"):
        SmoothSettings(out=tmp_path, outputs=OutputSettings(), engine="magic")


def test_metrics_of_several_cameras_see_all_views(tmp_path: Path) -> None:
    made = folders(tmp_path, "day1_side", "day1_top", "day2_side")
    lacking, whole = smooth(made, tmp_path / "out", views=("side", "top"), metrics=(Speed(),))
    assert "no file for the view top" in str(lacking.failed)
    assert whole.failed is None
    assert {path.name for path in whole.files} == {
        f"day1_{view}{ending}"
        for view in ("side", "top")
        for ending in (".csv", "_temporal_norm.csv")
    }
