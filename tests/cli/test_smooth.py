"""`litpose smooth`: five models' predictions become one, through the program itself."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lightning_pose.contracts.predictions import Predictions
from lightning_pose.inference.outputs import Note
from tests.cli.conftest import litpose
from tests.video.corpus import encode

APART = slice(10, 20)
MEMBERS = 5
FRAMES = {"day1": 40, "day2": 30}


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return a folder for each of five models, which disagree on the nose for a while."""
    folder = tmp_path_factory.mktemp("members")
    rng = np.random.default_rng(0)
    for name, count in FRAMES.items():
        video = encode(folder / f"{name}.mp4", range(count))
        truth = 40 + np.cumsum(rng.normal(0, 1, (count, 2, 2)), axis=0)
        for number in range(MEMBERS):
            xy = truth + rng.normal(0, 0.5, truth.shape)
            xy[APART, 0] += rng.normal(0, 20, xy[APART, 0].shape)
            table = Predictions(
                xy_img=xy,
                confidence=np.full(xy.shape[:2], 0.95),
                keypoint_names=("nose", "tail"),
                frame_ids=np.arange(count),
            ).write(folder / str(number) / f"{name}.csv")
            note = Note(key="k", source=str(video), model=str(folder / "gone.ckpt"))
            note.with_file(table).write(table.with_suffix(".litpose.json"))
    return [folder / str(number) for number in range(MEMBERS)]


def test_five_members_become_one_that_doubts_where_they_disagree(
    members: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "eks"
    done = litpose("smooth", *members, "--out", out, "--labeled-video", "--snippet")
    assert done.code == 0, done.err
    for name, count in FRAMES.items():
        assert name in done.out
        assert len(Predictions.read(out / f"{name}.csv")) == count
        frame = pd.read_csv(out / f"{name}.csv", header=[0, 1, 2], index_col=0)
        table = frame["lightning_pose"]
        assert list(table["nose"].columns) == [
            *("x", "y", "likelihood", "x_ens_median", "y_ens_median"),
            *("x_ens_var", "y_ens_var", "x_posterior_var", "y_posterior_var"),
        ]
        for variance in ("x_posterior_var", "y_posterior_var"):
            nose, tail = table["nose"][variance], table["tail"][variance]
            assert nose.iloc[APART].min() > 3 * tail.iloc[APART].max()
            assert nose.iloc[13:17].min() > nose.iloc[:5].max()
        for ending in ("_temporal_norm.csv", "_labeled.mp4", "_snippet.mp4"):
            assert (out / f"{name}{ending}").is_file()


def test_what_is_there_is_kept_and_lineage_names_the_members(
    members: list[Path], tmp_path: Path
) -> None:
    words = ("smooth", *members, "--out", tmp_path / "eks", "--no-metrics", "--json")
    first, second = litpose(*words), litpose(*words)
    assert [outcome["skipped"] for outcome in first.json] == [False, False]
    assert [outcome["skipped"] for outcome in second.json] == [True, True]
    done = litpose("lineage", tmp_path / "eks" / Path(first.json[0]["files"][0]).name)
    for member in members:
        assert str(member) in done.out


def test_two_members_are_remarked_on_and_one_is_refused(
    members: list[Path], tmp_path: Path
) -> None:
    words = ("--out", tmp_path / "eks", "--no-metrics")
    two = litpose("smooth", *members[:2], *words)
    assert two.code == 0
    assert "three or more" in two.sentences
    one = litpose("smooth", members[0], "--out", tmp_path / "one", "--no-metrics")
    assert one.code == 1
    assert "An ensemble needs two predictions" in one.sentences


def test_members_of_other_lengths_fail_alone(members: list[Path], tmp_path: Path) -> None:
    folders = [shutil.copytree(folder, tmp_path / folder.name) for folder in members[:3]]
    short = sorted(folders[1].glob("*.csv"))[0]
    found = Predictions.read(short)
    found.rows(np.arange(len(found) - 1)).write(short)
    done = litpose("smooth", *folders, "--out", tmp_path / "eks", "--no-metrics")
    assert done.code == 1
    assert f"{short} has {len(found) - 1} frames and" in done.sentences
    assert len(list((tmp_path / "eks").glob("*.csv"))) == 1


def test_a_model_that_is_gone_costs_only_its_metrics(members: list[Path], tmp_path: Path) -> None:
    done = litpose("smooth", *members, "--out", tmp_path / "eks")
    assert done.code == 0
    assert "no metrics that need it" in done.sentences
    assert sorted(tmp_path.glob("eks/*_temporal_norm.csv"))
