"""The review in a real FiftyOne with a real database: run with LITPOSE_LONG_TESTS=1."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lightning_pose.contracts.errors import ConfigError, DataError
from lightning_pose.contracts.predictions import Predictions
from lightning_pose.data.labels import read_labels, write_labels
from lightning_pose.inference.outputs import Note
from lightning_pose.mlops.results import Result, RunResults, read_result
from lightning_pose.mlops.review.building import ReviewRequest, build_review
from lightning_pose.mlops.review.carrying import Lost
from lightning_pose.mlops.review.database import FOLDER, URI, fiftyone_of, find_mongod
from lightning_pose.mlops.review.dataset import ABOUT, find_ours
from lightning_pose.mlops.review.exporting import write_worklists
from lightning_pose.mlops.review.marked import marked_pictures
from lightning_pose.mlops.versions.archive import Archive
from lightning_pose.mlops.versions.origin import origin_of
from lightning_pose.video.writer import VideoWriter
from tests.cli.conftest import litpose
from tests.mlops.reviewed import HEIGHT, NAMES, STEP, WIDTH, make_project, make_run, metric_in_csv

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore")]  # theirs
FRAMES = 15
VIEWS = ("side", "top")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = find_mongod()
    if found is None or found.problem:
        pytest.skip("there is no mongod (litpose doctor)")
    return tmp_path_factory.mktemp("review")


@pytest.fixture(scope="module")
def fo(project: Path) -> Any:
    pytest.MonkeyPatch().delenv(URI, raising=False)
    return fiftyone_of(project)


@pytest.fixture(scope="module")
def runs(project: Path) -> list[RunResults]:
    data = make_project(project / "data")
    return [make_run(data, project / name, noise_px=px) for name, px in (("A", 1.0), ("B", 5.0))]


@pytest.fixture(scope="module")
def request_of(project: Path, runs: list[RunResults]) -> ReviewRequest:
    return ReviewRequest(name="mouse", runs=runs, project=project, frames=FRAMES)


@pytest.fixture
def dataset(fo: Any, request_of: ReviewRequest) -> Any:
    build_review(request_of)
    return find_ours(fo, "mouse")


def test_fifty_random_pictures_are_those_of_the_csv(
    fo: Any, project: Path, runs: list[RunResults]
) -> None:
    build_review(ReviewRequest(name="many", runs=runs, project=project, frames=40))
    dataset = find_ours(fo, "many")
    labels = read_labels(project / "data/CollectedData.csv", data_dir=project / "data")
    for sample in dataset.take(50, seed=1):
        picture = np.asarray(Image.open(sample.filepath))
        assert (sample.metadata.height, sample.metadata.width) == picture.shape[:2]
        for run in runs:
            points = sample[run.name].keypoints[0]
            pixels = np.array(points.points) * (WIDTH, HEIGHT)
            if sample.labelled:
                row = labels.images.index(sample.image)
                assert Path(sample.filepath) == labels.path(row).resolve()
                result = run.labeled[0]
                errors = metric_in_csv(result.path, "pixel_error").values[row]
                np.testing.assert_array_equal(points.pixel_error, errors)
                mean = sample[f"{run.name}_pixel_error"]
                assert mean == pytest.approx(np.nanmean(errors), abs=1e-12)
                truth = np.array(sample.ground_truth.keypoints[0].points) * (WIDTH, HEIGHT)
                np.testing.assert_allclose(truth, labels.xy_img[row], atol=1e-9)
            else:
                row, result = sample.frame, run.videos[0]
                assert Path(sample.filepath).name == f"img{row:08d}.png"
                assert abs(float(picture.mean()) - row * STEP) < STEP / 2
                assert sample.ground_truth is None
            np.testing.assert_allclose(pixels, result.predictions.xy_img[row], atol=1e-9)
            np.testing.assert_array_equal(points.confidence, result.predictions.confidence[row])


def test_documents_are_as_fiftyone_writes_them(fo: Any, dataset: Any) -> None:
    ours = dataset._sample_collection.find_one({"image": "labeled-data/day1/img0002.png"})
    copy = fo.Dataset("copy", overwrite=True)
    copy.add_sample(dataset[str(ours["_id"])].copy(), dynamic=True)
    theirs = copy._sample_collection.find_one({})
    assert set(ours) == set(theirs)
    for document in (ours, theirs):
        for key in ("_id", "_rand", "_dataset_id", "created_at", "last_modified_at"):
            document.pop(key)
        for field in ("ground_truth", "A", "B"):
            document[field]["keypoints"][0].pop("_id")
    np.testing.assert_equal(without_nothing(ours), without_nothing(theirs))
    assert dataset.exists("ground_truth").count() == 12
    schema = dataset.get_field_schema(flat=True)
    assert {"A.keypoints.pixel_error", "B.keypoints.spread"} <= set(schema)


def without_nothing(value: Any) -> Any:
    """Return a document without its empty values, which FiftyOne writes or leaves out."""
    if isinstance(value, dict):
        return {k: without_nothing(v) for k, v in value.items() if v is not None}
    return [without_nothing(one) for one in value] if isinstance(value, list) else value


def test_a_point_without_a_label_is_stored_as_no_place(dataset: Any) -> None:
    sample = dataset.match({"image": "labeled-data/day1/img0002.png"}).first()
    points = np.array(sample.ground_truth.keypoints[0].points)
    assert np.isnan(points[1]).all()
    assert not np.isnan(points[[0, 2]]).any()
    assert np.isnan(sample.A.keypoints[0].pixel_error[1])


def test_it_opens_looking_right(dataset: Any) -> None:
    assert dataset.persistent
    assert dataset.default_skeleton.labels == ["nose", "ear", "tail"]
    assert len(dataset.default_skeleton.edges) == 2
    assert dataset.app_config.color_scheme.show_skeletons
    assert dataset.app_config.active_fields.paths == ["ground_truth", "A", "B"]
    told = {path for group in dataset.app_config.sidebar_groups for path in group.paths}
    unknown = set(dataset.get_field_schema()) - told - {"metadata"}
    assert not unknown


def test_views_show_what_their_names_say(dataset: Any) -> None:
    limit = dataset.info[ABOUT]["wrong_px"]
    assert set(dataset.list_saved_views()) == {
        "A much better",
        "B much better",
        "both wrong",
        "confident but wrong",
        "disagree, unlabelled",
        "label suspects",
    }
    better = dataset.load_saved_view("A much better")
    expected = [d for d in dataset.values("difference") if d is not None and d >= limit / 2]
    assert better.values("difference") == sorted(expected, reverse=True)
    assert expected
    worse = dataset.load_saved_view("B much better").values("difference")
    assert all(value <= -limit / 2 for value in worse)
    unlabelled = dataset.load_saved_view("disagree, unlabelled")
    assert set(unlabelled.values("split")) == {"video"}
    assert min(unlabelled.values("disagreement")) >= limit / 2


def test_a_rebuild_keeps_tags_tagged_frames_and_views_of_people(
    fo: Any, dataset: Any, request_of: ReviewRequest
) -> None:
    frames = dataset.match({"labelled": False})
    last = frames.sort_by("frame").last()
    last.tags = ["to_label"]
    last.save()
    labelled = dataset.match({"image": "labeled-data/day1/img0003.png"}).first()
    labelled.ground_truth.keypoints[0].tags = ["bad_label"]
    labelled.save()
    dataset.save_view("mine", dataset.match({"split": "test"}))
    built = build_review(dataclasses.replace(request_of, frames=2))
    again = find_ours(fo, "mouse")
    assert built.kept == 2
    kept = again.match_tags("to_label")
    assert kept.values("frame") == [last.frame]
    assert again.match({"image": labelled.image}).first().ground_truth.keypoints[0].tags == [
        "bad_label"
    ]
    assert len(again.match({"labelled": False})) == 3  # two, and the one that was tagged
    assert len(again.load_saved_view("mine")) == 3
    assert not [name for name in fo.list_datasets() if "(" in name]


def test_a_tagged_frame_stays_though_no_frames_are_asked_for(
    fo: Any, dataset: Any, request_of: ReviewRequest
) -> None:
    last = dataset.match({"labelled": False}).sort_by("frame").last()
    last.tags = ["to_label"]
    last.save()
    built = build_review(dataclasses.replace(request_of, frames=0))
    assert built.lost == Lost()
    assert find_ours(fo, "mouse").match_tags("to_label").values("frame") == [last.frame]


def test_tags_without_a_place_stay_in_the_former_review(
    fo: Any, runs: list[RunResults], project: Path
) -> None:
    request = ReviewRequest(name="less", runs=runs, project=project, frames=3)
    build_review(request)
    dataset = find_ours(fo, "less")
    frame = dataset.match({"labelled": False}).first()
    frame.tags = ["to_label"]
    frame.save()
    labelled = dataset.match({"labelled": True}).first()
    labelled.tags = ["swap"]
    labelled.B.keypoints[0].tags = ["bad"]
    labelled.save()
    dataset.save_view("of B", dataset.filter_labels("B", fo.ViewField("tags").contains("bad")))
    dataset.save_view("picked", dataset.select([labelled.id]), description="look here")
    alone = dataclasses.replace(runs[0], videos=())
    built = build_review(dataclasses.replace(request, runs=[alone]))
    assert set(built.lost.pictures) == {frame.image, labelled.image}
    assert built.lost.views == ("of B",)
    assert built.lost.former == "less-former"
    assert built.kept == 1
    former = find_ours(fo, "less-former")
    assert former.persistent
    assert former.match_tags("to_label").values("image") == [frame.image]
    assert former.load_saved_view("of B").values("image") == [labelled.image]
    assert {one.image for one in marked_pictures(former, ["to_label", "bad"])} == {
        frame.image,
        labelled.image,
    }
    again = find_ours(fo, "less")
    assert again.match_tags("swap").values("image") == [labelled.image]
    assert again.load_saved_view("picked").values("image") == [labelled.image]
    assert again.get_saved_view_info("picked")["description"] == "look here"
    assert "B much better" not in again.list_saved_views()
    assert build_review(dataclasses.replace(request, runs=[alone])).lost == Lost()
    assert len([name for name in fo.list_datasets() if name.startswith("less")]) == 2


def test_two_former_reviews_have_a_name_each(
    fo: Any, runs: list[RunResults], project: Path
) -> None:
    alone = [dataclasses.replace(runs[0], videos=())]
    formers = []
    for _ in range(2):
        request = ReviewRequest(name="twice", runs=runs, project=project, frames=2)
        build_review(request)
        frame = find_ours(fo, "twice").match({"labelled": False}).first()
        frame.tags = ["to_label"]
        frame.save()
        formers.append(build_review(dataclasses.replace(request, runs=alone)).lost.former)
    assert formers == ["twice-former", "twice-former-2"]


def test_tagged_clips_stay_and_so_do_tags_in_their_frames(
    fo: Any, runs: list[RunResults], project: Path
) -> None:
    runs = [dataclasses.replace(run, videos=(long_video(run, project),)) for run in runs]
    request = ReviewRequest(name="film", runs=runs, project=project, frames=0, clips=4)
    build_review(request)
    clips = find_ours(fo, "film-clips", clips=True)
    assert len(clips) == 4
    clip = clips.sort_by("first_frame").skip(2).first()
    clip.tags = ["look"]
    clip.frames[3].B.keypoints[0].tags = ["bad"]
    clip.save()
    clips.save_view("mine", clips.match_tags("look"))
    built = build_review(dataclasses.replace(request, clips=1))
    assert built.lost_clips == Lost()
    again = find_ours(fo, "film-clips", clips=True)
    assert len(again) == 2
    kept = again.load_saved_view("mine").first()
    assert (kept.filepath, kept.first_frame) == (clip.filepath, clip.first_frame)
    assert kept.frames[3].B.keypoints[0].tags == ["bad"]
    assert kept.frames[4].B.keypoints[0].tags == []
    lost = build_review(dataclasses.replace(request, clips=1, runs=runs[:1])).lost_clips
    assert lost == Lost(pictures=(Path(clip.filepath).name,), former="film-clips-former")
    former = find_ours(fo, "film-clips-former", clips=True)
    assert former.match_tags("look").first().frames[3].B.keypoints[0].tags == ["bad"]


def long_video(run: RunResults, project: Path) -> Result:
    """Return what a run says of a video that is longer than four clips."""
    rng = np.random.default_rng(1)
    video = project / "videos" / "long.mp4"
    number = 300
    if not video.is_file():
        with VideoWriter(video, fps=25, width=WIDTH, height=HEIGHT) as writer:
            for _ in range(number):
                writer.write(np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8))
    predictions = Predictions(
        xy_img=rng.uniform(5, HEIGHT, (number, len(NAMES), 2)),
        confidence=rng.random((number, len(NAMES))),
        keypoint_names=NAMES,
        frame_ids=np.arange(number),
    )
    path = predictions.to_csv(run.folder / "video_preds" / "long.csv")
    note = Note(key="", source=str(video), made_from={"run": run.record.run_id})
    note.with_file(path).write(path.with_name(f"{path.stem}.litpose.json"))
    return read_result(path)


def test_a_build_that_was_killed_as_it_took_the_name_costs_nothing(
    fo: Any, dataset: Any, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = dataset.first()
    sample.tags = ["killed"]
    sample.save()
    dataset.name = "mouse (before)"
    monkeypatch.chdir(project)
    done = litpose(
        "review", "export", "mouse", "--tag", "killed", "--out", "monday/list.csv", "--json"
    )
    assert done.code == 0, done.err
    assert [one["image"] for one in done.json["images"]] == [sample.image]
    assert "mouse (before)" not in fo.list_datasets()
    fo.Dataset("new (being built)", overwrite=True)
    done = litpose("review", "export", "new", "--out", "tuesday/list.csv")
    assert "There is no review 'new'" in done.sentences
    assert "(being built)" not in done.sentences


def test_a_name_of_somebody_else_is_refused(fo: Any, request_of: ReviewRequest) -> None:
    fo.Dataset("theirs", persistent=True, overwrite=True)
    with pytest.raises(DataError, match="'theirs' is the name of a FiftyOne data set that"):
        build_review(dataclasses.replace(request_of, name="theirs"))
    assert len(fo.load_dataset("theirs")) == 0


def test_it_says_what_it_was_made_from(
    dataset: Any, project: Path, runs: list[RunResults], monkeypatch: pytest.MonkeyPatch
) -> None:
    about = dataset.info[ABOUT]
    assert [entry["run_id"] for entry in about["runs"]] == [r.record.run_id for r in runs]
    assert str(project / "data/CollectedData.csv") in about["labels"]
    monkeypatch.chdir(project)
    node = origin_of("review:mouse", Archive([project]))
    kinds = {one.kind for one in node.walk()}
    assert {"review", "predictions", "model", "labels", "video"} <= kinds
    picture = next((project / "review/mouse").rglob("*.png"))
    assert origin_of(str(picture), Archive([project])).name == "mouse"


@pytest.mark.parametrize("layout", ["litpose", "dlc", "sleap", "label-studio"])
def test_tagged_pictures_go_to_a_label_tool_and_come_back(
    fo: Any, runs: list[RunResults], project: Path, tmp_path: Path, layout: str
) -> None:
    build_review(ReviewRequest(name=layout, runs=runs, project=project, frames=4))
    dataset = find_ours(fo, layout)
    old = dataset.match({"image": "labeled-data/day1/img0005.png"}).first()
    new = dataset.match({"labelled": False}).first()
    for sample in (old, new):
        sample.tags = ["to_label"]
        sample.save()
    pictures = marked_pictures(dataset, ["to_label"], proposals="A")
    out = tmp_path / "worklist" / "list.csv"
    files = write_worklists(
        pictures,
        out,
        keypoint_names=dataset.default_skeleton.labels,
        layout=layout,
        source="a test",
    )
    beside = len(list((out.parent / new.image).parent.glob("img*.png")))
    assert beside == (1 if layout == "dlc" else 5 - max(0, 2 - new.frame))
    for one in files:
        move_nose(one.file)
    labels = tmp_path / "labels" / "CollectedData.csv"
    labels.parent.mkdir()
    labels.write_bytes((project / "data/CollectedData.csv").read_bytes())
    for folder in ("labeled-data",):
        (labels.parent / folder).symlink_to(project / "data" / folder)
    before = read_labels(labels, data_dir=labels.parent)
    for one in files:
        done = litpose("labels", "merge", labels, one.file, "--in-place", "--json")
        assert done.code == 0, done.err
    after = read_labels(labels, data_dir=labels.parent)
    assert after.images == (*before.images, new.image)
    row = before.images.index(old.image)
    np.testing.assert_allclose(after.xy_img[row, 0], before.xy_img[row, 0] + 3.0, atol=1e-6)
    np.testing.assert_allclose(after.xy_img[row, 1:], before.xy_img[row, 1:], atol=1e-6)
    expected = np.array(new.A.keypoints[0].points) * (WIDTH, HEIGHT)
    np.testing.assert_allclose(after.xy_img[-1, 1:], expected[1:], atol=1e-6)
    np.testing.assert_allclose(after.xy_img[-1, 0], expected[0] + 3.0, atol=1e-6)
    others = [i for i in range(len(before)) if i != row]
    np.testing.assert_array_equal(after.xy_img[others], before.xy_img[others])
    copied = list((project / "data" / new.image).parent.glob("img*.png"))
    assert len(copied) == beside
    for image in copied:
        image.unlink()


def move_nose(file: Path) -> None:
    """Correct a worklist as a label tool does: the nose goes three pixels right and down."""
    if file.suffix == ".json":
        tasks = json.loads(file.read_text())
        for task in tasks:
            for point in task["annotations"][0]["result"]:
                if point["value"]["keypointlabels"] == ["nose"]:
                    point["value"]["x"] += 300.0 / point["original_width"]
                    point["value"]["y"] += 300.0 / point["original_height"]
        file.write_text(json.dumps(tasks))
        return
    table = read_labels(file, data_dir=file.parent)
    table.xy_img[:, 0] += 3.0
    write_labels(table, file)


def test_a_tag_that_nobody_set_is_told_with_those_that_are(dataset: Any) -> None:
    sample = dataset.first()
    sample.tags = ["swap"]
    sample.save()
    with pytest.raises(DataError, match=r"tagged unheard_of \(tags there: .*swap"):
        marked_pictures(dataset, ["unheard_of"])
    with pytest.raises(ConfigError, match="shows no such model"):
        marked_pictures(dataset, ["swap"], proposals="C")


def test_cameras_are_grouped_moment_by_moment(fo: Any, project: Path) -> None:
    data = make_project(project / "cameras", views=VIEWS)
    runs = [
        make_run(data, project / f"cameras_{name}", noise_px=px, views=VIEWS)
        for name, px in (("A", 1.0), ("B", 5.0))
    ]
    build_review(ReviewRequest(name="cameras", runs=runs, project=project, frames=6))
    dataset = find_ours(fo, "cameras")
    assert dataset.group_slices == list(VIEWS)
    assert len(dataset.select_group_slices()) == 2 * (12 + 6)
    for group in dataset.iter_groups():
        moment = [(sample.session, sample.frame, sample.view) for sample in group.values()]
        assert {view for *_, view in moment} == set(VIEWS)
        assert len({place[:2] for place in moment}) == 1
    frames = [s.frame for s in dataset.match({"labelled": False})]
    assert len(set(frames)) == 6
    better = dataset.load_saved_view("cameras_A much better")
    assert len(better) > 0


def test_frames_of_a_clip_have_the_numbers_of_the_video(
    fo: Any, project: Path, runs: list[RunResults]
) -> None:
    build_review(ReviewRequest(name="cut", runs=runs, project=project, frames=0, clips=2))
    clips = find_ours(fo, "cut-clips", clips=True)
    assert clips.media_type == "video"
    assert len(clips) == 2
    with pytest.raises(DataError, match="'cut-clips' is a review of clips, not of pictures"):
        build_review(ReviewRequest(name="cut-clips", runs=runs, project=project, frames=0))
    for clip in clips:
        assert len(clip.frames) == 50  # two seconds at 25 frames/s
        for number, frame in clip.frames.items():
            assert frame.frame == clip.first_frame + number - 1
            pixels = np.array(frame.A.keypoints[0].points) * (WIDTH, HEIGHT)
            expected = runs[0].videos[0].predictions.xy_img[frame.frame]
            np.testing.assert_allclose(pixels, expected, atol=1e-9)


def test_two_processes_share_a_database_that_ends_with_the_last(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; import sys, time\n"
        "from lightning_pose.mlops.review.database import fiftyone_of\n"
        "fo = fiftyone_of(Path('.'))\n"
        "fo.Dataset(sys.argv[1], persistent=True); print('there', flush=True)\n"
        "sys.stdin.readline(); print(','.join(sorted(fo.list_datasets())), flush=True)\n"
    )
    env = {name: value for name, value in os.environ.items() if name != URI}
    first, second = (
        subprocess.Popen(
            [sys.executable, "-c", code, name],
            cwd=tmp_path,
            env=env,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for name in ("a", "b")
    )
    for process in (first, second):
        assert process.stdout is not None
        assert process.stdout.readline() == "there\n"
    pid = json.loads((tmp_path / FOLDER / "mongod.json").read_text())["pid"]
    assert first.communicate("\n", timeout=60)[0] == "a,b\n"
    assert Path(f"/proc/{pid}").exists()
    assert second.communicate("\n", timeout=60)[0] == "a,b\n"
    state = Path(f"/proc/{pid}/stat")
    assert not state.exists() or state.read_text().split()[2] == "Z"


@pytest.mark.parametrize("order", ["mlflow, fiftyone", "fiftyone, mlflow"])
def test_fiftyone_is_imported_after_mlflow_and_before_it(order: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"import {order}; fiftyone.KeypointSkeleton(edges=[])"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
