"""Any result leads to the labels behind it, labels lead to all results, and edits are told."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from lightning_pose.cli.main import main
from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.files import sampled_sha256
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.contracts.predictions import Predictions
from lightning_pose.contracts.run_record import RunRecord
from lightning_pose.data.fingerprint import data_fingerprint
from lightning_pose.data.labels import read_labels, write_labels
from lightning_pose.data.splits import Split
from lightning_pose.inference.outputs import Note
from lightning_pose.mlops.registry import RegisteredVersion
from lightning_pose.mlops.versions import origin
from lightning_pose.mlops.versions.archive import Archive
from lightning_pose.mlops.versions.descendants import descendants_of
from lightning_pose.mlops.versions.origin import origin_of
from lightning_pose.mlops.versions.tree import AS_RECORDED, CHANGED, MISSING, Node

RUN, VIDEO = "a" * 32, b"frames"
IMAGES = ("labeled-data/s/img0.png", "labeled-data/s/img1.png")


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def labels_in(data: Path, name: str = "CollectedData.csv") -> LabelTable:
    for image in IMAGES:
        (data / image).parent.mkdir(parents=True, exist_ok=True)
        (data / image).write_bytes(image.encode())
    table = LabelTable(
        images=IMAGES, xy_img=np.ones((2, 1, 2)), keypoint_names=("nose",), root=data
    )
    return read_labels(write_labels(table, data / name), data_dir=data)


def run_in(folder: Path, tables: list[LabelTable], run_id: str = RUN) -> Path:
    """Write a run directory as a training leaves it."""
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "tb_logs").mkdir()
    best = folder / "checkpoints" / "best.ckpt"
    best.write_bytes(f"weights of {run_id}".encode())
    (folder / "config.yaml").write_text("model: {}\n")
    for number, table in enumerate(tables):
        write_labels(
            table, folder / ("labels.csv" if len(tables) == 1 else f"labels_{number}.csv")
        )
    Split(images=IMAGES, sets=("train", "test")).write(folder / "splits.csv")
    predictions_of(2).write(folder / "predictions.csv")
    (folder / "metrics.json").write_text("{}\n")
    written = [*(path.name for path in folder.glob("*.csv")), "metrics.json"]
    RunRecord(
        run_id=run_id,
        data=data_fingerprint(tables),
        code={"version": "3.0.0"},
        config_sha256=sha256(folder / "config.yaml"),
        outcome="finished",
        checkpoint={"path": "checkpoints/best.ckpt", "sha256": sha256(best), "md5": "0" * 32},
        files={name: sha256(folder / name) for name in written},
        tracking={"run_id": "b" * 32},
    ).write(folder / "run.json")
    return folder


def predictions_of(rows: int) -> Predictions:
    return Predictions(
        xy_img=np.zeros((rows, 1, 2)),
        confidence=np.ones((rows, 1)),
        keypoint_names=("nose",),
        frame_ids=np.arange(rows),
    )


def predict(run: Path, video: Path, out: Path) -> Path:
    """Write what a prediction leaves; return the labelled video."""
    out.mkdir(parents=True, exist_ok=True)
    best = run / "checkpoints" / "best.ckpt"
    note = Note(
        key="k",
        source=str(video),
        made_from={
            "source": [sampled_sha256(video)],
            "model": sha256(best),
            "run": RunRecord.read(run / "run.json").run_id,
        },
        num_frames=3,
        model=str(best),
    )
    table = predictions_of(3).write(out / f"{video.stem}.csv")
    metric = out / f"{video.stem}_temporal_norm.csv"
    metric.write_text("0\n")
    drawn = out / f"{video.stem}_labeled.mp4"
    drawn.write_bytes(b"drawn")
    for path in (table, metric, drawn):
        note = note.with_file(path)
    note.write(out / f"{video.stem}.litpose.json")
    return drawn


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Return a folder with labels, a video, a run and predictions of the video."""
    root = tmp_path / "study"
    table = labels_in(root / "data")
    run = run_in(root / "outputs" / "first", [table])
    video = root / "data" / "videos" / "day1.mp4"
    video.parent.mkdir()
    video.write_bytes(VIDEO)
    predict(run, video, root / "predictions")
    return root


def up(thing: object, *folders: Path) -> Node:
    return origin_of(str(thing), Archive(folders, tracking_uri="sqlite:////nowhere/mlflow.db"))


def down(thing: object, *folders: Path) -> Node:
    archive = Archive(folders, tracking_uri="sqlite:////nowhere/mlflow.db")
    return descendants_of(origin_of(str(thing), archive), archive)


def kinds(node: Node) -> list[str]:
    return [found.kind for found in node.walk()]


def only(node: Node, kind: str) -> Node:
    (found,) = {found.path: found for found in node.walk() if found.kind == kind}.values()
    return found


def states(node: Node) -> dict[str, str]:
    return {found.kind: found.state for found in node.walk() if found.state}


def test_a_labelled_video_leads_to_label_rows(study: Path) -> None:
    tree = up(study / "predictions" / "day1_labeled.mp4")
    assert kinds(tree)[:4] == ["labelled video", "predictions", "model", "run"]
    labels = only(tree, "labels")
    assert labels.facts["rows"] == 2
    assert labels.facts["sha256"] == sha256(study / "data" / "CollectedData.csv")
    assert only(tree, "split").facts == {"train": 1, "test": 1}
    assert set(states(tree).values()) == {AS_RECORDED}


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        ("predictions/day1.csv", "predictions"),
        ("predictions/day1_labeled.mp4", "labelled video"),
        ("predictions/day1_temporal_norm.csv", "metric"),
        ("outputs/first/predictions.csv", "predictions"),
        ("outputs/first/metrics.json", "metrics"),
        ("outputs/first/config.yaml", "configuration"),
        ("outputs/first/checkpoints/best.ckpt", "model"),
        ("data/CollectedData.csv", "labels"),
        ("data/videos/day1.mp4", "video"),
    ],
)
def test_an_edited_file_is_told(study: Path, file: str, kind: str) -> None:
    path = study / file
    path.write_bytes(path.read_bytes() + b"\n")
    tree = up(study / "predictions" / "day1_labeled.mp4", study)
    if not any(node.path == str(path) for node in tree.walk()):
        tree = up(path, study)
    assert {node.path for node in tree.walk() if node.state == CHANGED} == {str(path)}
    assert next(node for node in tree.walk() if node.path == str(path)).kind == kind


def test_an_image_that_changed_since_the_training_is_told(study: Path) -> None:
    (study / "data" / IMAGES[0]).write_bytes(b"other")
    assert states(up(study / "outputs" / "first"))["images"] == CHANGED


@pytest.mark.parametrize("thing", ["a" * 32, "b" * 32])
def test_a_run_is_found_by_either_id(study: Path, thing: str) -> None:
    assert up(thing, study).path == str(study / "outputs" / "first")


def test_of_a_registered_model_the_versions_of_its_own_name_are_told(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same weights may be registered under another name, with which this one begins."""
    versions = [RegisteredVersion(name=name, version=1) for name in ("mouse", "mouse_fast")]
    archive = Archive([study], tracking_uri=f"sqlite:///{study}/none.db")
    monkeypatch.setattr(origin, "local_model", lambda name, **_: study / "outputs" / "first")
    monkeypatch.setattr(archive, "versions_of", lambda sha256: versions)
    found = origin_of("models:/mouse_fast@champion", archive)
    assert dict(found.facts) == {"models:/mouse_fast/1": "no alias"}


def test_a_moved_study_is_whole(study: Path, tmp_path: Path) -> None:
    moved = tmp_path / "archive" / "2026"
    moved.parent.mkdir()
    study.rename(moved)
    tree = up(moved / "predictions" / "day1_labeled.mp4", moved)
    assert set(states(tree).values()) == {AS_RECORDED}
    assert only(tree, "labels").path == str(moved / "data" / "CollectedData.csv")
    assert only(tree, "video").path == str(moved / "data" / "videos" / "day1.mp4")


def test_a_copied_and_renamed_table_is_known_by_its_content(study: Path, tmp_path: Path) -> None:
    copy = tmp_path / "to_dlc.csv"
    shutil.copy(study / "predictions" / "day1.csv", copy)
    tree = up(copy, study)
    assert kinds(tree)[:3] == ["predictions", "model", "run"]
    assert tree.state == AS_RECORDED


def test_a_deleted_table_is_missing_and_its_origin_is_known(study: Path) -> None:
    (study / "predictions" / "day1.csv").unlink()
    tree = up(study / "predictions" / "day1_labeled.mp4")
    assert states(tree)["predictions"] == MISSING
    assert only(tree, "labels").state == AS_RECORDED
    assert up(study / "predictions" / "day1.csv").state == MISSING


def test_a_deleted_run_leaves_its_id(study: Path) -> None:
    shutil.rmtree(study / "outputs")
    tree = up(study / "predictions" / "day1_labeled.mp4", study)
    assert only(tree, "run").facts == {"run": RUN}
    assert states(tree)["run"] == states(tree)["model"] == MISSING


def test_a_run_without_git_and_without_its_data(study: Path) -> None:
    shutil.rmtree(study / "data")
    tree = up(study / "outputs" / "first")
    assert only(tree, "code").name == "version 3.0.0"
    assert states(tree)["labels"] == states(tree)["images"] == MISSING


def test_a_run_of_several_views(tmp_path: Path) -> None:
    tables = [
        labels_in(tmp_path / "data", f"CollectedData_{view}.csv") for view in ("top", "side")
    ]
    run = run_in(tmp_path / "outputs" / "views", tables)
    nodes = [node for node in up(run).links if node.kind == "labels"]
    assert [node.name for node in nodes] == ["CollectedData_top.csv", "CollectedData_side.csv"]
    assert only(up(run), "images").state == AS_RECORDED


def test_a_sweep_is_made_of_its_runs(study: Path) -> None:
    table = read_labels(study / "data" / "CollectedData.csv", data_dir=study / "data")
    for number in range(2):
        run_in(study / "multirun" / "s" / str(number), [table], f"{number}" * 32)
    (study / "multirun" / "s" / "sweep.json").write_text("{}")
    tree = up(study / "multirun" / "s")
    assert kinds(tree) == ["sweep", "run", "run", "labels", "images"]


def test_from_labels_down_to_everything(study: Path) -> None:
    tree = down(study / "data" / "CollectedData.csv", study)
    found = {node.name for node in tree.walk()}
    assert {"first", "best.ckpt", "predictions.csv", "day1.csv", "day1_labeled.mp4"} <= found
    digest = sha256(study / "data" / "CollectedData.csv")
    assert {node.name for node in down(digest[:12], study).walk()} == found


def test_another_version_of_the_labels_has_made_nothing(study: Path) -> None:
    labels = study / "data" / "CollectedData.csv"
    labels.write_text(labels.read_text().replace("1.0", "2.0"))
    assert down(labels, study).links == ()


@pytest.mark.parametrize(
    ("thing", "below"),
    [
        ("data/videos/day1.mp4", "day1_labeled.mp4"),
        ("outputs/first", "day1.csv"),
        ("outputs/first/checkpoints/best.ckpt", "day1_temporal_norm.csv"),
        ("predictions/day1.csv", "day1_labeled.mp4"),
    ],
)
def test_down_from_what_something_is_made_of(study: Path, thing: str, below: str) -> None:
    assert below in {node.name for node in down(study / thing, study).walk()}


def test_nothing_is_made_from_a_drawing(study: Path) -> None:
    with pytest.raises(DataError, match="Nothing is made from a file such as day1_labeled"):
        down(study / "predictions" / "day1_labeled.mp4", study)


@pytest.mark.parametrize("thing", ["gone.csv", "f" * 32, "notes.txt", "README"])
def test_what_is_nothing_we_know_is_one_sentence(
    thing: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").write_text("buy milk\n")
    assert main(["lineage", thing, "--in", str(tmp_path)]) == 1
    said = " ".join(capsys.readouterr().err.split())
    assert said.endswith("Name other folders to search with --in.")
    assert thing in said


def test_the_command_prints_json_and_draws(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (study / "predictions" / "day1.csv").write_text("edited\n")
    drawing = str(study / "predictions" / "day1_labeled.mp4")
    words = ["lineage", drawing, "--in", str(study), "--json"]
    assert main([*words, "--picture", str(tmp_path / "p.svg")]) == 0
    said = capsys.readouterr()
    tree = json.loads(said.out)
    assert tree["kind"] == "labelled video"
    assert tree["made_from"][0]["state"] == CHANGED
    assert "day1.csv: changed since it was made or used." in " ".join(said.err.split())
    assert "<svg" in (tmp_path / "p.svg").read_text()
    assert main([*words[:-1], "--picture", "p.gif"]) == 2
    assert main(words[:-1]) == 0
    assert "predictions day1.csv CHANGED" in capsys.readouterr().out


def test_a_note_without_hashes_claims_nothing(study: Path) -> None:
    path = study / "predictions" / "day1.litpose.json"
    note = Note.read(path)
    assert note is not None
    dataclasses.replace(note, hashes={}).write(path)
    assert up(study / "predictions" / "day1.csv").state == ""


def test_one_record_and_one_note_that_are_broken_hide_nothing_else(study: Path) -> None:
    run = study / "outputs" / "broken"
    shutil.copytree(study / "outputs" / "first", run)
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**record, "data": "moved"}))
    note = study / "more" / "day1.litpose.json"
    shutil.copytree(study / "predictions", note.parent)
    values = json.loads(note.read_text())
    note.write_text(json.dumps({**values, "hashes": ["none"]}))
    assert "labelled video" in kinds(down(study / "data" / "CollectedData.csv", study))
    with pytest.raises(DataError, match=r"broken/run\.json is not a run record: data is not"):
        up(run, study)


@pytest.mark.parametrize("broken", [True, False])
def test_predictions_without_their_note_are_not_called_labels(study: Path, broken: bool) -> None:
    table = study / "predictions" / "day1.csv"
    table.write_text(table.read_text().replace("0.0", "0.5"))
    note = table.with_name("day1.litpose.json")
    note.write_text("{") if broken else note.unlink()
    message = r"day1\.litpose\.json is not readable" if broken else "Nothing is known of"
    with pytest.raises(DataError, match=message):
        up(table, study)


def test_weights_put_into_the_folder_of_another_run_are_not_called_its_own(study: Path) -> None:
    other = run_in(study / "outputs" / "other", [labels_in(study / "data")], "b" * 32)
    best = other / "checkpoints" / "best.ckpt"
    best.write_bytes(b"other weights")
    record = RunRecord.read(other / "run.json")
    checkpoint = {**record.checkpoint, "sha256": sha256(best)}
    dataclasses.replace(record, checkpoint=checkpoint).write(other / "run.json")
    foreign = shutil.copy(best, study / "outputs" / "first" / "checkpoints" / "old.ckpt")
    assert only(up(foreign, study), "run").name == "other"


def test_a_hash_may_be_written_in_capitals(study: Path) -> None:
    digest = sha256(study / "data" / "CollectedData.csv").upper()
    assert up(digest, study).kind == "labels"
