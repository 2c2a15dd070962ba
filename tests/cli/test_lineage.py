"""What real trainings, predictions and registered models say of their origin."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lightning_pose.contracts.run_record import RunRecord
from lightning_pose.mlops.versions.dvc_files import DvcFiles
from tests.cli.conftest import NUM_LABELED, litpose


def nodes(tree: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a node and all below it."""
    below = tree.get("made_from") or tree.get("made") or []
    return [tree, *(node for link in below for node in nodes(link))]


def lineage(*words: object) -> list[dict[str, Any]]:
    done = litpose("lineage", *words, "--json")
    assert done.code == 0, done.err
    return nodes(done.json)


def changed(found: list[dict[str, Any]]) -> set[str]:
    return {node["name"] for node in found if node["state"] == "changed"}


@pytest.fixture
def copy(run_dir: Path, tmp_path: Path) -> Path:
    """Return a copy of the shared run that may be written into."""
    return shutil.copytree(run_dir, tmp_path / "outputs" / "run")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    uri = f"sqlite:///{tmp_path}/lab/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    return uri


def test_from_a_labelled_video_to_label_rows_and_back(
    copy: Path, toy: Path, tmp_path: Path
) -> None:
    video = toy / "videos" / "new1.mp4"
    done = litpose("predict", copy, video, "--out", "preds", "--labeled-video", "--no-metrics")
    assert done.code == 0, done.err
    found = lineage("preds/new1_labeled.mp4")
    assert [node["kind"] for node in found[:4]] == [
        "labelled video",
        "predictions",
        "model",
        "run",
    ]
    (labels,) = [node for node in found if node["kind"] == "labels"]
    assert labels["facts"]["rows"] == NUM_LABELED
    assert changed(found) == set()
    below = {node["name"] for node in lineage(toy / "CollectedData.csv", "--down")}
    assert {"run", "best.ckpt", "new1.csv", "new1_labeled.mp4", "predictions.csv"} <= below

    table = Path("preds/new1.csv")
    table.write_text(table.read_text().replace("lightning_pose", "somebody", 1))
    assert changed(lineage("preds/new1_labeled.mp4")) == {"new1.csv"}
    again = litpose("predict", copy, video, "--out", "preds", "--snippet", "--no-metrics")
    assert again.code == 0, again.err
    assert changed(lineage("preds/new1_snippet.mp4")) == {"new1.csv"}  # not drawn from the edit


def test_an_evaluation_notes_what_made_it(copy: Path, toy: Path) -> None:
    csv = toy / "CollectedData_new.csv"
    done = litpose("evaluate", copy, "--csv", csv, "--out", "evaluated")
    assert done.code == 0, done.err
    found = lineage("evaluated/metrics.json")
    assert [node["kind"] for node in found[:4]] == ["metrics", "predictions", "model", "run"]
    assert csv.name in {node["name"] for node in found}


def test_a_tracked_run_is_known_by_its_mlflow_id(run_dir: Path) -> None:
    tracking = RunRecord.read(run_dir / "run.json").tracking
    found = lineage(tracking["run_id"], "--tracking-uri", tracking["uri"], "--in", ".")
    assert found[0]["kind"] == "run"
    assert Path(found[0]["path"]).resolve() == run_dir.resolve()


@pytest.mark.usefixtures("store")
def test_an_alias_leads_to_the_labels_though_the_run_is_gone(copy: Path) -> None:
    assert litpose("registry", "register", copy, "--name", "mouse").code == 1  # no store yet
    uri = f"sqlite:///{Path.cwd()}/lab/mlflow.db"
    done = litpose("registry", "register", copy, "--name", "mouse", "--tracking-uri", uri)
    assert done.code == 0, done.err
    assert litpose("registry", "promote", "mouse").code == 0
    assert "models:/mouse/1" in {node["name"] for node in lineage(copy, "--down")}
    shutil.rmtree(copy)
    found = lineage("models:/mouse@champion")
    assert [node["kind"] for node in found[:3]] == ["registered model", "model", "run"]
    assert "CollectedData.csv" in {node["name"] for node in found}


def dvc(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "dvc", *words], check=True)


@pytest.mark.long
def test_a_champion_is_a_version_of_dvc(copy: Path, store: str) -> None:
    dvc("init", "--quiet", "--no-scm")
    dvc("config", "core.analytics", "false")
    litpose("registry", "register", copy, "--name", "mouse", "--tracking-uri", store)
    done = litpose("registry", "promote", "mouse")
    assert done.code == 0, done.err
    assert "git add champions/mouse.dvc champions/.gitignore" in done.sentences
    folder = Path("champions/mouse")
    assert DvcFiles().entries([folder])[folder]["dvc_md5"].endswith(".dir")
    assert "dvc_changed" not in DvcFiles().entries([folder])[folder]
    assert lineage(folder)[0]["facts"]["run"] == RunRecord.read(copy / "run.json").run_id


def test_a_dvc_that_fails_does_not_undo_the_promotion(copy: Path, store: str) -> None:
    Path(".dvc").mkdir()
    Path(".dvc/config").write_text("[core]\nno such = setting\n")
    litpose("registry", "register", copy, "--name", "mouse", "--tracking-uri", store)
    done = litpose("registry", "promote", "mouse")
    assert done.code == 0
    assert "is the champion now" in done.out
    assert "but DVC does not track them (dvc add: " in done.sentences


def test_a_checkpoint_that_dvc_has_is_left_where_it_is(copy: Path, store: str) -> None:
    Path(".dvc").mkdir()
    md5 = RunRecord.read(copy / "run.json").checkpoint["md5"]
    note = f"outs:\n- md5: {md5}\n  hash: md5\n  path: best.ckpt\n"
    (copy / "checkpoints" / "best.ckpt.dvc").write_text(note)
    litpose("registry", "register", copy, "--name", "mouse", "--tracking-uri", store)
    done = litpose("registry", "promote", "mouse")
    assert "DVC tracks the champion already" in done.sentences
    assert not Path("champions").exists()
