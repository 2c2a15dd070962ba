"""A review as a table: rows of labelled images and of chosen frames, and what is computed."""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lightning_pose.contracts.errors import ConfigError, DataError, VideoError
from lightning_pose.data.labels import read_labels
from lightning_pose.mlops.results import RunResults
from lightning_pose.mlops.review import building
from lightning_pose.mlops.review.building import ReviewRequest, build_review, picture_sizes
from lightning_pose.mlops.review.carrying import Lost
from lightning_pose.mlops.review.dataset import Built
from lightning_pose.mlops.review.fields import model_fields
from lightning_pose.mlops.review.measures import measure, wrong_px
from lightning_pose.mlops.review.table import (
    PIXEL_ERROR,
    ReviewTable,
    check_pictures_are_there,
    joined,
    labelled_tables,
)
from lightning_pose.mlops.review.video_frames import (
    PredictedVideo,
    choose,
    frames_table,
    predicted_videos,
    write_pictures,
)
from tests.mlops.reviewed import (
    FRAMES,
    HEIGHT,
    LABELLED,
    NAMES,
    STEP,
    WIDTH,
    make_project,
    make_run,
    metric_in_csv,
)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[RunResults]:
    folder = tmp_path_factory.mktemp("review")
    project = make_project(folder / "data")
    return [make_run(project, folder / name, noise_px=px) for name, px in (("A", 1.0), ("B", 4.0))]


def whole(runs: list[RunResults], folder: Path) -> ReviewTable:
    tables = labelled_tables(runs)
    for video, frames in choose(predicted_videos(runs), 10):
        tables.append(frames_table(video, frames, folder))
    return joined(tables)


def test_errors_paths_and_splits_are_those_of_the_csv(runs: list[RunResults]) -> None:
    table = labelled_tables(runs)[0]
    for model, run in enumerate(runs):
        known = metric_in_csv(run.labeled[0].path, PIXEL_ERROR)
        np.testing.assert_array_equal(table.error[model], known.values)
        assert table.images == known.index
        assert table.splits == known.sets
    labels = read_labels(
        Path(str(runs[0].config.data.data_dir)) / "CollectedData.csv",
        data_dir=Path(str(runs[0].config.data.data_dir)),
    )
    np.testing.assert_array_equal(table.label_xy, labels.xy_img)
    assert table.files == tuple(labels.path(row) for row in range(LABELLED))


def test_a_chosen_frame_is_the_frame_of_its_number(runs: list[RunResults], tmp_path: Path) -> None:
    (video, frames), *_ = choose(predicted_videos(runs), 12)
    numbers = [one.frame for one in frames]
    paths = write_pictures(video.path, numbers, tmp_path)
    table = frames_table(video, frames, tmp_path)
    assert list(table.files) == paths
    for row, (number, path) in enumerate(zip(numbers, paths, strict=True)):
        picture = np.asarray(Image.open(path))
        assert picture.shape == (HEIGHT, WIDTH, 3)
        assert abs(float(picture.mean()) - number * STEP) < STEP / 2
        assert table.frames[row] == number
        for model, run in enumerate(runs):
            np.testing.assert_array_equal(
                table.xy[model, row], run.videos[0].predictions.xy_img[number]
            )


def test_measures_are_those_of_an_independent_reckoning(
    runs: list[RunResults], tmp_path: Path
) -> None:
    table = whole(runs, tmp_path)
    found = measure(table)
    a, b = (metric_in_csv(run.labeled[0].path, PIXEL_ERROR).values for run in runs)
    mean = np.nanmean(a, 1), np.nanmean(b, 1)
    np.testing.assert_allclose(found.mean[PIXEL_ERROR][0, :LABELLED], mean[0])
    np.testing.assert_allclose(found.difference[:LABELLED], mean[1] - mean[0])
    np.testing.assert_allclose(found.max_error[1, :LABELLED], np.nanmax(b, 1))
    np.testing.assert_array_equal(found.winner[:LABELLED], (mean[1] < mean[0]).astype(int))
    worst = np.nanargmax(np.fmax(a, b), 1)
    np.testing.assert_array_equal(found.worst_keypoint[:LABELLED], worst)
    apart = np.linalg.norm(table.xy[0] - table.xy[1], axis=-1).max(1) / 2
    np.testing.assert_allclose(found.disagreement, apart)
    assert np.isnan(found.difference[LABELLED:]).all()
    assert (found.winner[LABELLED:] == -1).all()
    norm = metric_in_csv(runs[0].videos[0].path, "temporal_norm").values[table.frames[LABELLED:]]
    late = table.frames[LABELLED:] > 0
    expected = norm[late].mean(1)
    np.testing.assert_allclose(found.mean["temporal_norm"][0, LABELLED:][late], expected)


def test_a_label_that_all_models_contradict_is_a_suspect(runs: list[RunResults]) -> None:
    table = labelled_tables(runs)[0]
    table.label_xy[4, 0] += 30.0
    table.xy[:, 4, 0] = table.label_xy[4, 0] - 30.0
    table.metrics[PIXEL_ERROR][:, 4, 0] = np.hypot(30, 30)
    suspects = measure(table).suspect_error
    assert np.nanargmax(suspects) == 4
    assert suspects[4] == pytest.approx(np.hypot(30, 30))


def test_confident_errors_count_confident_points_alone(runs: list[RunResults]) -> None:
    table = labelled_tables(runs)[0]
    table.confidence[:] = 0.5
    assert np.isnan(measure(table).confident_error).all()
    table.confidence[1, 3, 2] = 0.95
    assert measure(table).confident_error[3] == table.error[1, 3, 2]


def test_wrong_is_two_percent_of_the_diagonal() -> None:
    assert wrong_px(np.array([[300, 400]])) == 10.0


def test_names_of_models_become_fields_that_differ() -> None:
    assert model_fields(["runs/A", "tags", "2 nets"]) == ("runs_A", "m_tags", "m_2_nets")
    with pytest.raises(ConfigError, match="--names"):
        model_fields(["a b", "a-b"])


def test_sizes_are_read_from_the_pictures(runs: list[RunResults], tmp_path: Path) -> None:
    (video, frames), *_ = choose(predicted_videos(runs), 3)
    write_pictures(video.path, [one.frame for one in frames], tmp_path)
    sizes = picture_sizes(frames_table(video, frames, tmp_path))
    assert sizes.tolist() == [[HEIGHT, WIDTH]] * 3


def test_models_of_different_keypoints_are_refused(runs: list[RunResults], tmp_path: Path) -> None:
    project = Path(str(runs[0].config.data.data_dir))
    other = make_run_with(project, tmp_path)
    with pytest.raises(DataError, match=r"A and C predict different keypoints .*tail only in A"):
        labelled_tables([runs[0], other])


def make_run_with(project: Path, tmp_path: Path) -> RunResults:
    import dataclasses

    run = make_run(project, tmp_path / "C", noise_px=2.0)
    result = run.labeled[0]
    fewer = dataclasses.replace(
        result.predictions,
        xy_img=result.predictions.xy_img[:, :2],
        confidence=result.predictions.confidence[:, :2],
        keypoint_names=NAMES[:2],
    )
    return dataclasses.replace(
        run, labeled=(dataclasses.replace(result, predictions=fewer, metrics={}),)
    )


def test_pictures_that_were_moved_are_named(runs: list[RunResults], tmp_path: Path) -> None:
    project = make_project(tmp_path / "data")
    run = make_run(project, tmp_path / "D", noise_px=1.0)
    (project / "labeled-data").rename(project / "elsewhere")
    table = labelled_tables([run])[0]
    with pytest.raises(DataError, match=r"12 of 12 pictures .*img0000.png .*--data-dir"):
        check_pictures_are_there(table)


def test_a_video_that_a_model_did_not_predict_is_named(runs: list[RunResults]) -> None:
    with pytest.raises(DataError, match=r"was not predicted with A, B. First: litpose predict"):
        predicted_videos(runs, [Path("other.mp4")])
    assert predicted_videos(runs)[0].num_frames == FRAMES


def test_frames_that_people_tagged_are_shown_whatever_is_asked_for(
    runs: list[RunResults],
) -> None:
    videos = predicted_videos(runs)

    def frames(count: int, shown: list[PredictedVideo], tagged: dict[str, list[int]]) -> list[int]:
        request = ReviewRequest(name="mouse", runs=runs, project=Path.cwd(), frames=count)
        chosen = building._choose(request, shown, count, tagged)
        return [one.frame for _, found in chosen for one in found]

    assert frames(0, [], {"day2": [3, 41]}) == [3, 41]
    assert frames(5, [], {"day2": [3, 41]}) == [3, 41]  # of a video that is not named now
    both = frames(5, videos, {"day2": [3, 41]})
    assert {3, 41} <= set(both)
    assert len(both) == 7
    assert frames(0, [], {"day2": [FRAMES], "day9": [1]}) == []  # not there any more


def test_predictions_of_another_video_of_that_name_are_not_taken(tmp_path: Path) -> None:
    runs = [make_run(make_project(tmp_path / "data"), tmp_path / "A", noise_px=1.0)]
    video = predicted_videos(runs, None)[0].path
    copy = Path(shutil.copy(video, tmp_path / video.name))
    assert predicted_videos(runs, [copy])[0].path == copy
    with copy.open("ab") as file:
        file.write(b"more")
    with pytest.raises(DataError, match=r"of another video of that name.* litpose predict"):
        predicted_videos(runs, [copy])
    video.unlink()  # the one that was predicted is gone: it may have become this one
    assert predicted_videos(runs, [copy])[0].path == copy


def test_two_videos_of_one_name_are_not_mixed_up(runs: list[RunResults], tmp_path: Path) -> None:
    video = predicted_videos(runs, None)[0].path
    with pytest.raises(VideoError, match=r"have one name, and so would the pictures of their"):
        predicted_videos(runs, [video, tmp_path / video.name])
    assert len(predicted_videos(runs, [video, video.parent / "." / video.name])) == 1


@pytest.mark.parametrize("name", ["a/b", "", "my review", "-x"])
def test_a_name_that_is_no_file_name_is_refused(runs: list[RunResults], name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be the name of a review"):
        build_review(ReviewRequest(name=name, runs=runs, project=Path.cwd()))


def test_two_builds_of_a_project_take_turns(
    runs: list[RunResults], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = Built(dataset=None, pictures=0, kept=0, lost=Lost(), views={}, wrong_px=1.0)

    def build(*_: object) -> Built:
        handle = os.open(tmp_path, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(handle)
        return built

    monkeypatch.setattr(building, "fiftyone_of", lambda _: None)
    monkeypatch.setattr(building, "_build", build)
    request = ReviewRequest(name="mouse", runs=runs, project=tmp_path, frames=0)
    assert build_review(request) is built
