"""Predicting files: what is written, what is kept, and what happens when something fails."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lightning_pose.contracts import csv_tables
from lightning_pose.contracts.errors import ConfigError, DataError, WriteError
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.contracts.metric_table import MetricTable
from lightning_pose.contracts.predictions import Predictions
from lightning_pose.contracts.run_record import RunRecord
from lightning_pose.inference import products
from lightning_pose.inference.compute import Compute
from lightning_pose.inference.inputs import expand_inputs
from lightning_pose.inference.model import Model
from lightning_pose.inference.model_files import BEST, ModelFiles
from lightning_pose.inference.outcome import Outcome
from lightning_pose.inference.outputs import Note, OutputSettings, ResultFiles, unique_stems
from lightning_pose.inference.predict_files import predict_files
from lightning_pose.inference.progress import Progress
from lightning_pose.inference.row_store import RowStore
from lightning_pose.inference.rows import TableRows
from lightning_pose.inference.session import PredictSettings
from lightning_pose.video.decode import count_frames
from lightning_pose.video.info import probe
from tests.inference.number_tracker import number_tracker
from tests.video.corpus import NUM_FRAMES, numbered_frame

Corpus = Callable[[str], Path]


@dataclass(frozen=True)
class Speed:
    """A metric: how far each keypoint moved."""

    name: str = "temporal_norm"
    unit: str = "px"
    needs_labels: bool = False
    needs_video: bool = False
    broken: bool = False

    def __call__(self, predictions: Predictions, labels: LabelTable | None = None) -> MetricTable:
        if self.broken:
            raise DataError("The metric cannot be computed.")
        steps = np.linalg.norm(np.diff(predictions.xy_img, axis=0, prepend=np.nan), axis=-1)
        index = predictions.images or tuple(predictions.frame_ids.tolist())
        return MetricTable(
            name=self.name,
            unit=self.unit,
            values=steps.astype(np.float64),
            keypoint_names=predictions.keypoint_names,
            index=index,
            sets=predictions.sets,
        )


@pytest.fixture
def model(tmp_path: Path) -> Model:
    return number_model(tmp_path / "run")


def number_model(run: Path, *, weights: bytes = b"weights", **wishes: object) -> Model:
    """Return a model that believes it came from a run directory."""
    (run / BEST).parent.mkdir(parents=True)
    (run / BEST).write_bytes(weights)
    (run / "config.yaml").write_text("")
    RunRecord(run_id="cd" * 16).write(run / "run.json")
    compute = Compute.choose(device="cpu", precision="fp32")
    return Model(number_tracker(**wishes), compute=compute, files=ModelFiles.find(run))


def predict(model: Model, *paths: Path, out: Path, **wishes: object) -> list[Outcome]:
    outputs = OutputSettings(**wishes)
    return list(predict_files(model, expand_inputs(paths), out=out, outputs=outputs))


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


def numbers(path: Path) -> list[float]:
    return Predictions.read(path).xy_img[:, 0, 0].tolist()


def test_a_video_leaves_predictions_metrics_and_a_note(
    model: Model, corpus: Corpus, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    (outcome,) = predict(model, corpus("plain.mp4"), out=out, metrics=(Speed(),))
    assert names_in(out) == {"plain.csv", "plain_temporal_norm.csv", "plain.litpose.json"}
    assert set(outcome.files) == {out / "plain.csv", out / "plain_temporal_norm.csv"}
    assert outcome.failed is None
    assert not outcome.skipped
    assert outcome.num_frames == NUM_FRAMES
    assert outcome.seconds > 0
    assert numbers(out / "plain.csv") == list(range(NUM_FRAMES))
    speed = pd.read_csv(out / "plain_temporal_norm.csv", index_col=0)
    assert speed["number"].isna().tolist() == [True] + [False] * (NUM_FRAMES - 1)
    note = json.loads((out / "plain.litpose.json").read_text())
    assert note["source"] == str(corpus("plain.mp4"))
    assert note["made_from"]["run"] == "cd" * 16


def test_all_formats_hold_the_same(model: Model, corpus: Corpus, tmp_path: Path) -> None:
    predict(model, corpus("plain.mp4"), out=tmp_path / "o", formats=("csv", "h5", "parquet"))
    tables = [numbers(tmp_path / "o" / f"plain.{kind}") for kind in ("csv", "h5", "parquet")]
    assert tables[0] == tables[1] == tables[2]


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(ConfigError, match="csv, h5, parquet, got xlsx"):
        OutputSettings(formats=("csv", "xlsx"))


def test_what_is_there_is_not_made_again(
    model: Model, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    predict(model, corpus("spoilt.avi"), out=out)
    before = (out / "spoilt.csv").stat().st_mtime_ns
    monkeypatch.setattr(Model, "predict_views", None)
    (outcome,) = predict(model, corpus("spoilt.avi"), out=out)
    assert outcome.skipped
    assert outcome.num_frames == NUM_FRAMES - 1
    assert "1 of 60 frames" in outcome.problems[0]
    assert outcome.files == (out / "spoilt.csv",)
    assert (out / "spoilt.csv").stat().st_mtime_ns == before


def test_what_is_asked_for_later_is_made_from_the_predictions_there(
    model: Model, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    predict(model, corpus("plain.mp4"), out=out)
    monkeypatch.setattr(Model, "predict_views", None)
    (outcome,) = predict(
        model,
        corpus("plain.mp4"),
        out=out,
        formats=("csv", "parquet"),
        metrics=(Speed(),),
        labeled_video=True,
        snippet=True,
    )
    assert outcome.failed is None
    endings = {".csv", ".parquet", "_temporal_norm.csv", "_labeled.mp4", "_snippet.mp4"}
    assert names_in(out) == {f"plain{ending}" for ending in endings} | {"plain.litpose.json"}
    assert count_frames(out / "plain_labeled.mp4") == NUM_FRAMES


@pytest.mark.parametrize("wish", ["labeled_video", "snippet"])
def test_a_drawing_is_made_again_with_other_dots(
    model: Model, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wish: str
) -> None:
    looks: list[tuple[object, object]] = []

    def draw(video: Path, path: Path, predictions: Predictions, **wishes: object) -> Path:
        looks.append((wishes["confidence_threshold"], wishes["colormap"]))
        path.write_text(f"drawing {len(looks)}")
        return path

    monkeypatch.setattr(products, "draw_labeled_video", draw)
    out, video = tmp_path / "out", corpus("plain.mp4")
    skipped = [
        predict(model, video, out=out, confidence_threshold=0.9, **{wish: True})[0].skipped,
        predict(model, video, out=out, confidence_threshold=0.3, **{wish: True})[0].skipped,
        predict(model, video, out=out, confidence_threshold=0.3, **{wish: True})[0].skipped,
        predict(model, video, out=out, confidence_threshold=0.3)[0].skipped,
        predict(
            model, video, out=out, confidence_threshold=0.3, colormap="viridis", **{wish: True}
        )[0].skipped,
    ]
    assert skipped == [False, False, True, True, False]
    assert looks == [(0.9, "cool"), (0.3, "cool"), (0.3, "viridis")]
    note = Note.read(out / "plain.litpose.json")
    assert note is not None
    assert len(note.files) == 2


def test_a_drawing_that_a_kill_left_half_noted_is_not_taken_for_the_one_before(
    model: Model, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: object) -> None:
        raise Killed

    out, video = tmp_path / "out", corpus("plain.mp4")
    predict(model, video, out=out, labeled_video=True)
    with monkeypatch.context() as patch:
        patch.setattr(Note, "with_file", die)
        with pytest.raises(Killed):
            predict(model, video, out=out, labeled_video=True, confidence_threshold=0.3)
    assert not predict(model, video, out=out, labeled_video=True)[0].skipped


def test_a_copy_of_the_video_elsewhere_has_the_same_key(
    model: Model, corpus: Corpus, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    predict(model, corpus("plain.mp4"), out=out)
    copy = tmp_path / "elsewhere" / "plain.mp4"
    copy.parent.mkdir()
    copy.write_bytes(corpus("plain.mp4").read_bytes())
    assert predict(model, copy, out=out)[0].skipped


def test_results_of_another_model_are_not_replaced_unasked(
    model: Model, corpus: Corpus, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    predict(model, corpus("plain.mp4"), out=out, metrics=(Speed(),))
    other = number_model(tmp_path / "other", weights=b"other weights")
    (refused,) = predict(other, corpus("plain.mp4"), out=out)
    assert isinstance(refused.failed, WriteError)
    assert "plain.csv" in str(refused.failed)
    assert "--overwrite" in str(refused.failed)
    (replaced,) = predict(other, corpus("plain.mp4"), out=out, overwrite=True)
    assert replaced.failed is None
    assert names_in(out) == {"plain.csv", "plain.litpose.json"}  # nothing of the old model


def test_predictions_of_another_program_are_not_replaced_unasked(
    model: Model, corpus: Corpus, tmp_path: Path
) -> None:
    (tmp_path / "plain.csv").write_text("mine")
    (outcome,) = predict(model, corpus("plain.mp4"), out=tmp_path)
    assert "made by something else" in str(outcome.failed)
    assert (tmp_path / "plain.csv").read_text() == "mine"


def test_one_bad_video_does_not_stop_the_others(
    model: Model, corpus: Corpus, tmp_path: Path
) -> None:
    names = ["empty.mp4", "two_sizes.ts", "plain.mp4", "sound.mp4"]
    outcomes = predict(model, *(corpus(name) for name in names), out=tmp_path / "out")
    failed = {outcome.inputs[0].path.name: outcome.failed for outcome in outcomes}
    assert failed.pop("plain.mp4") is None
    assert set(failed) == {"empty.mp4", "two_sizes.ts", "sound.mp4"}
    assert all(name in str(error) for name, error in failed.items())
    assert names_in(tmp_path / "out") == {"plain.csv", "plain.litpose.json"}


def test_a_metric_that_fails_says_so_and_the_predictions_stay(
    model: Model, corpus: Corpus, tmp_path: Path
) -> None:
    metrics = (Speed(name="bad", broken=True), Speed())
    (outcome,) = predict(model, corpus("plain.mp4"), out=tmp_path / "out", metrics=metrics)
    assert "cannot be computed" in str(outcome.failed)
    assert {path.name for path in outcome.files} == {"plain.csv", "plain_temporal_norm.csv"}


def test_a_full_disk_leaves_nothing_half_written(
    model: Model, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(batch: object, file: BinaryIO, options: object) -> None:
        file.write(b"0,")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(csv_tables, "write_csv", full)
    (outcome,) = predict(model, corpus("plain.mp4"), out=tmp_path / "out")
    assert isinstance(outcome.failed, WriteError)
    assert "the disk is full" in str(outcome.failed)
    assert names_in(tmp_path / "out") == {".plain.litpose-rows"}  # they need not be made again
    monkeypatch.undo()
    assert predict(model, corpus("plain.mp4"), out=tmp_path / "out")[0].failed is None
    assert names_in(tmp_path / "out") == {"plain.csv", "plain.litpose.json"}


def test_a_disk_that_fills_up_before_the_note_is_no_trap(
    model: Model, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Note, path: Path) -> Path:
        raise WriteError("The disk is full.")

    monkeypatch.setattr(Note, "write", full)
    (outcome,) = predict(model, corpus("plain.mp4"), out=tmp_path / "out")
    assert "full" in str(outcome.failed)
    assert names_in(tmp_path / "out") == {".plain.litpose-rows"}
    monkeypatch.undo()
    assert predict(model, corpus("plain.mp4"), out=tmp_path / "out")[0].failed is None


def test_inputs_that_share_a_stem_get_names_of_their_own(
    model: Model, corpus: Corpus, tmp_path: Path
) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "day.mp4").write_bytes(corpus("plain.mp4").read_bytes())
    predict(model, tmp_path / "a", tmp_path / "b", out=tmp_path / "out")
    assert {"day_a.csv", "day_b.csv"} <= names_in(tmp_path / "out")


@pytest.mark.parametrize(
    ("paths", "stems"),
    [
        (["a/x.mp4", "a/y.mp4"], ["x", "y"]),
        (["a/x.mp4", "a/x.avi"], ["x_mp4", "x_avi"]),
        (["a/x.mp4", "b/x.mp4"], ["x_a", "x_b"]),
        (["a/x.mp4", "b/x.mp4", "b/x.avi"], ["x_a_mp4", "x_b_mp4", "x_b_avi"]),
        (["a/c/x.mp4", "b/c/x.mp4"], ["x_a_c", "x_b_c"]),
        (["/b/c/x.mp4", "/a/c/x.mp4", "/c/x.mp4"], ["x_b_c", "x_a_c", "x_c"]),
        (["a/x.mp4", "b/x.mp4", "b/x_a.mp4"], ["x_a_1", "x_b", "x_a_2"]),
    ],
)
def test_stems_are_unique(paths: list[str], stems: list[str]) -> None:
    assert unique_stems([Path(path) for path in paths]) == stems


def test_boxes_beside_a_video_are_used(model: Model, corpus: Corpus, tmp_path: Path) -> None:
    video = tmp_path / "plain.mp4"
    video.write_bytes(corpus("plain.mp4").read_bytes())
    boxes = pd.DataFrame({"x": 4, "y": 6, "h": 80, "w": 112}, index=range(NUM_FRAMES))
    boxes.to_csv(tmp_path / "plain_bbox.csv")
    predict(model, video, out=tmp_path / "out")
    corner = Predictions.read(tmp_path / "out" / "plain.csv").xy_img[:, 1]
    np.testing.assert_allclose(corner, np.tile([14.0, 26.0], (NUM_FRAMES, 1)), atol=1e-4)


def test_an_image_folder_is_predicted_in_natural_order(model: Model, tmp_path: Path) -> None:
    folder = tmp_path / "session"
    folder.mkdir()
    for number in range(12):
        Image.fromarray(numbered_frame(number)).save(folder / f"img{number}.png")
    predict(model, folder, out=tmp_path / "out")
    found = Predictions.read(tmp_path / "out" / "session.csv")
    assert found.images == tuple(f"img{number}.png" for number in range(12))
    assert found.xy_img[:, 0, 0].tolist() == list(range(12))


def test_renamed_images_are_not_taken_for_those_before(model: Model, tmp_path: Path) -> None:
    folder = tmp_path / "session"
    folder.mkdir()
    for number in range(3):
        Image.fromarray(numbered_frame(number)).save(folder / f"img{number}.png")
    predict(model, folder, out=tmp_path / "out")
    assert predict(model, folder, out=tmp_path / "out")[0].skipped
    for number in range(3):
        (folder / f"img{number}.png").rename(folder / f"img{number + 7}.png")
    (refused,) = predict(model, folder, out=tmp_path / "out")
    assert "--overwrite" in str(refused.failed)
    predict(model, folder, out=tmp_path / "out", overwrite=True)
    found = Predictions.read(tmp_path / "out" / "session.csv")
    assert found.images == ("img7.png", "img8.png", "img9.png")


def test_boxes_of_another_view_are_not_taken_for_those_before(
    corpus: Corpus, tmp_path: Path
) -> None:
    model = number_model(tmp_path / "run", view_names=("top", "side"))
    folder, out = tmp_path / "videos", tmp_path / "out"
    folder.mkdir()
    for view in ("side", "top"):
        (folder / f"s1_{view}.mp4").write_bytes(corpus("plain.mp4").read_bytes())
    boxes = pd.DataFrame({"x": 4, "y": 6, "h": 80, "w": 112}, index=range(NUM_FRAMES))
    boxes.to_csv(folder / "s1_top_bbox.csv")
    videos = [folder / "s1_top.mp4", folder / "s1_side.mp4"]
    predict(model, *videos, out=out)
    assert predict(model, *videos, out=out)[0].skipped
    (folder / "s1_top_bbox.csv").rename(folder / "s1_side_bbox.csv")
    assert "--overwrite" in str(predict(model, *videos, out=out)[0].failed)


def test_other_code_of_a_metric_costs_its_csv_alone(
    model: Model, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, video = tmp_path / "out", corpus("plain.mp4")
    predict(model, video, out=out, metrics=(Speed(),))
    assert predict(model, video, out=out, metrics=(Speed(),))[0].skipped
    before = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    monkeypatch.setattr(products, "code_of", lambda value: "changed")
    (again,) = predict(model, video, out=out, metrics=(Speed(),))
    assert (again.failed, again.skipped) == (None, False)
    changed = {path.name for path in out.iterdir() if path.stat().st_mtime_ns != before[path.name]}
    assert changed == {"plain_temporal_norm.csv", "plain.litpose.json"}


@pytest.mark.parametrize("threshold", [0.3, 0.9])
def test_a_snippet_is_of_one_window_whatever_is_drawn(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threshold: float
) -> None:
    drawn: list[range] = []

    def draw(video: Path, path: Path, predictions: Predictions, **wishes: Any) -> Path:
        drawn.append(wishes["frames"])
        return path

    x = np.cumsum([1.0] * 20 + [9.0] * 5 + [1.0] * 15 + [3.0] * 20)
    confidence = np.where((x > 15) & (x < 70), 0.5, 1.0)  # 9 px a frame, but unsure
    table = Predictions(
        xy_img=np.stack([x, x], axis=-1)[:, None],
        confidence=confidence[:, None],
        keypoint_names=("nose",),
        frame_ids=np.arange(60),
    )
    monkeypatch.setattr(products, "draw_labeled_video", draw)
    monkeypatch.setattr(products, "probe", lambda path: replace(probe(path), fps=Fraction(2, 3)))
    wanted = products.Products(
        files=ResultFiles(tmp_path, "plain"),
        settings=OutputSettings(snippet=True, confidence_threshold=threshold),
        source=expand_inputs([corpus("plain.mp4")])[0],
    ).wanted()
    wanted[tmp_path / "plain_snippet.mp4"].write(TableRows([table]))
    assert drawn == [range(39, 59)]


def test_images_of_different_size_are_named(model: Model, tmp_path: Path) -> None:
    Image.fromarray(numbered_frame(0)).save(tmp_path / "img0.png")
    Image.fromarray(numbered_frame(1, width=200)).save(tmp_path / "img1.png")
    (outcome,) = predict(model, tmp_path / "img0.png", tmp_path / "img1.png", out=tmp_path)[:1]
    assert outcome.failed is None
    folder = tmp_path / "session"
    folder.mkdir()
    for name in ("img0.png", "img1.png"):
        (tmp_path / name).rename(folder / name)
    (outcome,) = predict(model, folder, out=tmp_path / "out")
    assert "img1.png is 200 x 80" in str(outcome.failed)


def labelled_set(folder: Path) -> Path:
    """Write a label file of four numbered images."""
    (folder / "labeled-data" / "s1").mkdir(parents=True)
    rows = {}
    for number in range(4):
        image = f"labeled-data/s1/img{number}.png"
        Image.fromarray(numbered_frame(number)).save(folder / image)
        rows[image] = [1.0, 2.0, 3.0, 4.0]
    columns = pd.MultiIndex.from_product(
        [["me"], ["number", "corner"], ["x", "y"]], names=["scorer", "bodyparts", "coords"]
    )
    pd.DataFrame.from_dict(rows, orient="index", columns=columns).to_csv(
        folder / "CollectedData.csv"
    )
    return folder / "CollectedData.csv"


def test_a_label_file_without_images_costs_no_other(model: Model, tmp_path: Path) -> None:
    csv = labelled_set(tmp_path / "data")
    header = "".join(csv.read_text().splitlines(keepends=True)[:3])
    (empty := csv.with_name("empty.csv")).write_text(header)
    first, second = predict(model, empty, csv, out=tmp_path / "out")
    assert str(first.failed) == f"{empty} names no image; label some, or leave the file out."
    assert second.failed is None
    assert not list((tmp_path / "out").glob(".*"))


def test_an_image_name_that_is_too_long_is_told(model: Model, tmp_path: Path) -> None:
    csv = labelled_set(tmp_path / "data")
    text = csv.read_text().replace("img0.png", f"{'a' * 300}.png")
    (long := csv.with_name("long.csv")).write_text(text)
    first, second = predict(model, long, csv, out=tmp_path / "out")
    assert isinstance(first.failed, DataError)
    assert "File name too long" in str(first.failed)
    assert second.failed is None


def test_a_label_file_is_predicted_with_the_part_of_each_image(
    model: Model, tmp_path: Path
) -> None:
    csv = labelled_set(tmp_path / "data")
    (tmp_path / "run" / "splits.csv").write_text(
        "image,set\nlabeled-data/s1/img0.png,train\nlabeled-data/s1/img2.png,validation\n"
    )
    (outcome,) = predict(model, csv, out=tmp_path / "out", metrics=(Speed(needs_labels=True),))
    assert outcome.failed is None
    found = Predictions.read(tmp_path / "out" / "CollectedData.csv")
    assert found.images == tuple(f"labeled-data/s1/img{n}.png" for n in range(4))
    assert found.sets == ("train", "test", "validation", "test")
    assert found.xy_img[:, 0, 0].tolist() == [0, 1, 2, 3]
    header = (tmp_path / "out" / "CollectedData.csv").read_text().splitlines()
    assert header[0].endswith(",set")
    assert header[3].endswith(",train")
    assert (tmp_path / "out" / "CollectedData_temporal_norm.csv").exists()


def test_a_disk_that_is_full_for_a_label_file_costs_no_video(
    model: Model, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = RowStore.add

    def add_or_fail(store: RowStore, frame_ids: np.ndarray, *values: np.ndarray) -> None:
        if len(frame_ids) == 4:
            raise WriteError("no more space")
        add(store, frame_ids, *values)

    monkeypatch.setattr(RowStore, "add", add_or_fail)
    csv = labelled_set(tmp_path / "data")
    found = predict(model, csv, corpus("plain.mp4"), out=tmp_path / "out")
    assert {o.inputs[0].path.suffix: str(o.failed) for o in found} == {
        ".csv": "no more space",
        ".mp4": "None",
    }


def test_a_label_file_elsewhere_is_told_where_its_images_are(model: Model, tmp_path: Path) -> None:
    csv = labelled_set(tmp_path / "data").rename(tmp_path / "labels.csv")
    (lost,) = predict(model, csv, out=tmp_path / "out")
    assert "img0.png" in str(lost.failed)
    settings = PredictSettings(data_dir=tmp_path / "data")
    (found,) = predict_files(model, expand_inputs([csv]), out=tmp_path / "out", settings=settings)
    assert found.failed is None


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_label_file_is_never_replaced_by_its_predictions(
    model: Model, tmp_path: Path, overwrite: bool
) -> None:
    csv = labelled_set(tmp_path / "data")
    before = csv.read_bytes()
    (outcome,) = predict(model, csv, out=csv.parent, overwrite=overwrite)
    assert isinstance(outcome.failed, WriteError)
    assert csv.read_bytes() == before


def test_a_file_that_is_gone_is_named(model: Model, corpus: Corpus, tmp_path: Path) -> None:
    gone = tmp_path / "gone.mp4"
    gone.write_bytes(corpus("plain.mp4").read_bytes())
    inputs = expand_inputs([gone])
    gone.unlink()
    (outcome,) = predict_files(model, inputs, out=tmp_path / "out")
    assert "gone.mp4 cannot be read" in str(outcome.failed)


def test_metrics_that_need_labels_are_passed_over_for_videos(
    model: Model, corpus: Corpus, tmp_path: Path
) -> None:
    wish = (Speed(name="pixel_error", needs_labels=True),)
    predict(model, corpus("plain.mp4"), out=tmp_path / "out", metrics=wish)
    assert "plain_pixel_error.csv" not in names_in(tmp_path / "out")


def test_metrics_that_need_a_video_are_passed_over_for_labels(
    model: Model, tmp_path: Path
) -> None:
    csv = labelled_set(tmp_path / "data")
    predict(model, csv, out=tmp_path / "out", metrics=(Speed(needs_video=True),))
    assert names_in(tmp_path / "out") == {"CollectedData.csv", "CollectedData.litpose.json"}


def test_the_views_of_a_session_are_predicted_together(corpus: Corpus, tmp_path: Path) -> None:
    model = number_model(tmp_path / "run", view_names=("top", "side"))
    folder = tmp_path / "videos"
    folder.mkdir()
    for view in ("side", "top"):
        (folder / f"s1_{view}.mp4").write_bytes(corpus("plain.mp4").read_bytes())
    (outcome,) = predict(model, folder, out=tmp_path / "out")
    assert outcome.failed is None
    assert {"s1_top.csv", "s1_side.csv"} <= names_in(tmp_path / "out")
    assert numbers(tmp_path / "out" / "s1_side.csv") == list(range(NUM_FRAMES))


def test_a_session_without_a_view_does_not_stop_the_others(corpus: Corpus, tmp_path: Path) -> None:
    model = number_model(tmp_path / "run", view_names=("top", "side"))
    folder = tmp_path / "videos"
    folder.mkdir()
    for name in ("s1_top", "s2_side", "s2_top"):
        (folder / f"{name}.mp4").write_bytes(corpus("plain.mp4").read_bytes())
    lacking, whole = predict(model, folder, out=tmp_path / "out")
    assert [item.path.name for item in lacking.inputs] == ["s1_top.mp4"]
    assert "has no file for the view side" in str(lacking.failed)
    assert whole.failed is None
    assert names_in(tmp_path / "out") >= {"s2_top.csv", "s2_side.csv"}
    assert "s1_top.csv" not in names_in(tmp_path / "out")


def test_start_and_progress_are_told(model: Model, corpus: Corpus, tmp_path: Path) -> None:
    started: list[Path] = []
    told: list[Progress] = []
    outcomes = predict_files(
        model,
        expand_inputs([corpus("plain.mp4")]),
        out=tmp_path / "out",
        outputs=OutputSettings(labeled_video=True),
        on_start=lambda inputs: started.extend(item.path for item in inputs),
        on_progress=lambda inputs, progress: told.append(progress),
    )
    assert len(list(outcomes)) == 1
    assert started == [corpus("plain.mp4")]
    stages = [progress.stage for progress in told]
    assert stages == sorted(stages, reverse=True)  # predicting, then drawing
    assert set(stages) == {"predicting", "drawing"}
    assert told[-1].done == told[-1].total == NUM_FRAMES
