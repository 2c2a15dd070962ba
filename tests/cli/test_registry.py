"""Models are registered, compared on a frozen test set, promoted or refused, and rolled back."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import mlflow.pyfunc
import numpy as np
import pytest

from lightning_pose.contracts.predictions import Predictions
from lightning_pose.data.labels import read_labels, write_labels
from tests.cli.conftest import NUM_LABELED, TINY, UNTRACKED, litpose, tiny_data
from tests.servers import mlflow_server


@pytest.fixture(scope="module")
def other_run(toy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the run directory of a training from another seed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("other"))
        words = (*TINY, UNTRACKED, "eval=none", "training.rng_seed_model_pt=1")
        done = litpose("train", "data=toy", tiny_data(toy), *words)
        assert done.code == 0, done.err
        return done.run_dir.resolve()


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Return an empty store that the commands use, from whichever folder."""
    uri = f"sqlite:///{tmp_path}/lab/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    return uri


def labels_like(run_dir: Path, toy: Path, path: Path) -> Path:
    """Write labels that a model places almost right, and another does not."""
    table = read_labels(toy / "CollectedData.csv", data_dir=toy)
    found = Predictions.read(run_dir / "predictions.csv")
    noise = np.random.default_rng(0).normal(0, 0.3, size=found.xy_img.shape)
    write_labels(replace(table, xy_img=found.xy_img + noise), path)
    return path


def register(run_dir: Path, store: str) -> None:
    done = litpose("registry", "register", run_dir, "--name", "mouse", "--tracking-uri", store)
    assert done.code == 0, done.err


def holders() -> dict[str, int]:
    versions = litpose("registry", "show", "mouse", "--json").json
    return {alias: version["version"] for version in versions for alias in version["aliases"]}


def test_a_registered_model_needs_nothing_of_its_run(
    run_dir: Path, toy: Path, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run_dir, copy)
    register(copy, store)
    shutil.rmtree(copy)
    assert litpose("registry", "promote", "mouse").code == 0
    video = toy / "videos" / "new1.mp4"
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    for _ in range(2):  # the second time it lies in the cache
        done = litpose("predict", "models:/mouse@champion", video, "--overwrite")
        assert done.code == 0, done.err
    expected = Predictions.read(run_dir / "video_preds" / "new1.csv")
    found = Predictions.read(tmp_path / "elsewhere" / "predictions" / "new1.csv")
    np.testing.assert_allclose(found.xy_img, expected.xy_img, atol=1e-3)


def test_registering_twice_is_registering_once(run_dir: Path, store: str) -> None:
    register(run_dir, store)
    register(run_dir, store)
    assert len(litpose("registry", "show", "mouse", "--json").json) == 1
    assert "mouse" in litpose("registry", "list").out
    unnamed = litpose("registry", "register", run_dir, "--name", "bob's mice")
    assert (unnamed.code, "cannot be the name" in unnamed.sentences) == (1, True)
    assert litpose("registry", "promote", "models:/mouse/1").code == 0  # as it is printed


def test_a_worse_challenger_is_refused_with_the_numbers(
    run_dir: Path, other_run: Path, toy: Path, store: str, tmp_path: Path
) -> None:
    register(run_dir, store)
    litpose("registry", "promote", "mouse")
    register(other_run, store)
    csv = labels_like(run_dir, toy, tmp_path / "frozen.csv")
    done = litpose("registry", "promote", "mouse", "--csv", csv, "--data-dir", toy)
    assert done.code == 1
    assert "version 1 stays the champion. It is worse" in done.sentences
    assert "px (95 % interval +" in done.sentences
    assert "are left out" in done.sentences
    assert holders() == {"champion": 1, "challenger": 2}
    newest = litpose("registry", "show", "mouse", "--json").json[0]["verdict"]
    assert newest["promoted"] is False
    assert newest["challenger_px"] > newest["champion_px"] + newest["low_px"] > 0
    assert 0 < newest["frames"] < NUM_LABELED


def test_a_better_challenger_is_promoted_and_can_be_taken_back(
    run_dir: Path, other_run: Path, toy: Path, store: str, tmp_path: Path
) -> None:
    csv = labels_like(other_run, toy, tmp_path / "frozen.csv")
    for run in (run_dir, other_run):
        register(run, store)
        done = litpose("registry", "promote", "mouse", "--csv", csv, "--data-dir", toy)
        assert done.code == 0, done.err
    assert "models:/mouse/2 is the champion now, better" in done.out
    assert holders() == {"champion": 2, "previous": 1}
    assert litpose("registry", "rollback", "mouse").code == 0
    assert holders() == {"champion": 1}
    again = litpose("registry", "rollback", "mouse")
    assert again.code == 1
    assert "no previous champion" in again.sentences
    back = litpose("registry", "promote", "mouse/2")  # on the set that was frozen
    assert back.code == 0, back.err
    assert holders() == {"champion": 2, "previous": 1}


def test_another_test_set_is_refused_unless_said(
    run_dir: Path, other_run: Path, toy: Path, store: str, tmp_path: Path
) -> None:
    register(run_dir, store)
    litpose("registry", "promote", "mouse")
    register(other_run, store)
    unnamed = litpose("registry", "promote", "mouse")
    assert (unnamed.code, "--csv" in unnamed.sentences) == (2, True)
    csv = labels_like(run_dir, toy, tmp_path / "frozen.csv")
    words = ("registry", "promote", "mouse", "--csv", csv, "--data-dir", toy)
    assert litpose(*words).code == 1
    labels_like(other_run, toy, csv)
    changed = litpose(*words)
    assert changed.code == 1
    assert "--new-test-set" in changed.sentences
    assert holders()["champion"] == 1
    assert litpose(*words, "--new-test-set").code == 0


def test_frames_that_a_model_learnt_from_are_no_test(
    run_dir: Path, other_run: Path, toy: Path, store: str, tmp_path: Path
) -> None:
    register(run_dir, store)
    litpose("registry", "promote", "mouse")
    register(other_run, store)
    table = read_labels(toy / "CollectedData.csv", data_dir=toy)
    learnt = np.array(Predictions.read(run_dir / "predictions.csv").sets) == "train"
    csv = write_labels(table.rows(learnt), tmp_path / "learnt.csv")
    done = litpose("registry", "promote", "mouse", "--csv", csv, "--data-dir", toy)
    assert done.code == 1
    assert "trained on every frame" in done.sentences


@pytest.mark.parametrize("model", ["models:/mouse@champion", "models:/absent/1", "models:/m-1"])
def test_a_model_that_is_not_there_is_one_sentence(
    model: str, run_dir: Path, toy: Path, store: str
) -> None:
    register(run_dir, store)
    done = litpose("predict", model, toy / "videos" / "new1.mp4")
    assert done.code == 1
    assert f"cannot find {model}" in done.sentences
    assert "fault of litpose" not in done.sentences


def test_damaged_weights_are_not_used(
    run_dir: Path, toy: Path, store: str, tmp_path: Path
) -> None:
    register(run_dir, store)
    (stored,) = (tmp_path / "mlruns").rglob("best.ckpt")
    stored.write_bytes(stored.read_bytes()[:-1] + b"x")
    done = litpose("predict", "models:/mouse/1", toy / "videos" / "new1.mp4")
    assert done.code == 1
    assert "are damaged" in done.sentences


def test_without_a_store_the_way_to_one_is_told(toy: Path) -> None:
    done = litpose("predict", "models:/mouse@champion", toy / "videos" / "new1.mp4")
    assert done.code == 1
    assert "--tracking-uri" in done.sentences


def test_a_training_starts_from_a_registered_model(run_dir: Path, toy: Path, store: str) -> None:
    register(run_dir, store)
    words = ("model.checkpoint='models:/mouse@challenger'", "eval=none", UNTRACKED)
    done = litpose("train", "data=toy", tiny_data(toy), *TINY, *words)
    assert done.code == 0, done.err


def test_mlflow_itself_loads_a_registered_model(run_dir: Path, store: str) -> None:
    register(run_dir, store)
    mlflow.set_registry_uri(store)
    try:
        loaded = mlflow.pyfunc.load_model("models:/mouse@challenger")
    finally:
        mlflow.set_registry_uri("")
    found = loaded.predict(np.zeros((2, 48, 64, 3), np.uint8))
    assert found.shape[0] == 2
    assert found.shape[2] == 3


@pytest.mark.long
def test_a_server_hands_models_over(
    run_dir: Path, toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mlflow_server(tmp_path / "server") as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
        register(run_dir, server.uri)
        assert litpose("registry", "promote", "mouse").code == 0
        video = toy / "videos" / "new1.mp4"
        done = litpose("predict", "models:/mouse@champion", video, "--out", tmp_path / "out")
        assert done.code == 0, done.err
    found = Predictions.read(tmp_path / "out" / "new1.csv")
    expected = Predictions.read(run_dir / "video_preds" / "new1.csv")
    np.testing.assert_allclose(found.xy_img, expected.xy_img, atol=1e-3)
