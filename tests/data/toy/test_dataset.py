"""The toy data set is a project folder that our own readers open, the same for the same seed."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from lightning_pose.contracts.errors import DataError, WriteError
from lightning_pose.contracts.registry import READERS
from lightning_pose.data.labels import read_labels
from lightning_pose.data.toy import (
    KEYPOINT_NAMES,
    Labeller,
    make_toy_dataset,
    read_truth,
    truth_path,
)
from lightning_pose.data.toy.scene import Scene
from lightning_pose.video.info import probe
from tests.data.toy.conftest import make_small


def pictures(folder: Path) -> dict[str, np.ndarray]:
    files = sorted((folder / "labeled-data").rglob("*.png"))
    return {str(f.relative_to(folder)): cv2.imread(str(f), cv2.IMREAD_UNCHANGED) for f in files}


@pytest.mark.parametrize(("csv", "rows"), [("CollectedData.csv", 6), ("CollectedData_new.csv", 2)])
def test_labels_are_read_with_names_and_visibility(toy: Path, csv: str, rows: int) -> None:
    table = read_labels(toy / csv, data_dir=toy, keypoint_names=KEYPOINT_NAMES)
    assert len(table) == rows
    assert table.visible is not None
    assert set(np.unique(table.visible)) <= {0, 1, 2}
    np.testing.assert_array_equal(np.isnan(table.xy_img[..., 0]), table.visible == 0)


def test_every_labelled_image_and_its_neighbours_are_there(toy: Path) -> None:
    for csv in ("CollectedData.csv", "CollectedData_new.csv"):
        table = read_labels(toy / csv, data_dir=toy)
        for row in range(len(table)):
            path = table.path(row)
            number = int(path.stem.removeprefix("img"))
            for neighbour in range(number - 2, number + 3):
                assert path.with_name(f"img{neighbour:08d}.png").is_file()


def test_labels_are_true_to_the_labellers_noise(toy: Path) -> None:
    table = read_labels(toy / "CollectedData.csv", data_dir=toy)
    for row, image in enumerate(table.images):
        session, number = int(Path(image).parent.name[-1]), int(Path(image).stem[3:])
        truth = Scene(seed=3, session=session).truth(np.array([number]))
        error = np.abs(table.xy_img[row] - truth.xy_img[0])
        assert np.nanmax(error) < 4.5
        assert np.nanmedian(error) < 0.5


def test_several_sessions_are_labelled(toy: Path) -> None:
    table = read_labels(toy / "CollectedData.csv", data_dir=toy)
    assert {Path(image).parent.name for image in table.images} == {"walk1", "walk2"}


def test_the_new_labels_are_of_another_session(toy: Path) -> None:
    table = read_labels(toy / "CollectedData_new.csv", data_dir=toy)
    assert {Path(image).parent.name for image in table.images} == {"new1"}


def test_the_same_seed_gives_the_same_labels_and_pixels(toy: Path, toy_again: Path) -> None:
    texts = [sorted(folder.rglob("*.csv")) for folder in (toy, toy_again)]
    assert [t.name for t in texts[0]] == [t.name for t in texts[1]]
    for first, second in zip(*texts, strict=True):
        assert first.read_bytes() == second.read_bytes()
    first_pictures, second_pictures = pictures(toy), pictures(toy_again)
    assert first_pictures.keys() == second_pictures.keys()
    for name, picture in first_pictures.items():
        np.testing.assert_array_equal(picture, second_pictures[name])


def test_another_seed_gives_other_labels(toy: Path, tmp_path: Path) -> None:
    other = make_small(tmp_path / "other", seed=4)
    csv = "CollectedData.csv"
    assert (other / csv).read_bytes() != (toy / csv).read_bytes()


@pytest.mark.parametrize(("video", "frames"), [("walk3", 7), ("new1", 5)])
def test_a_video_has_a_true_row_for_every_frame(toy: Path, video: str, frames: int) -> None:
    path = toy / "videos" / f"{video}.mp4"
    truth = read_truth(path)
    assert truth.images == tuple(str(frame) for frame in range(frames))
    reader = READERS.get("pyav")(path, batch_size=4)
    decoded = sum(len(chunk.frame_ids) for chunk in reader)
    assert decoded == frames


def test_a_video_shows_what_its_session_shows(toy: Path) -> None:
    reader = READERS.get("pyav")(toy / "videos" / "walk3.mp4", batch_size=16)
    frames = np.concatenate([chunk.frames for chunk in reader])
    scene = Scene(seed=3, session=3)
    for number in (0, 6):
        expected = scene.render(number, noise=False).astype(float)
        assert np.abs(frames[number].mean(axis=-1) - expected).mean() < 8


def test_a_video_without_truth_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="other_truth"):
        read_truth(tmp_path / "other.mp4")
    assert truth_path(Path("a/b.mp4")) == Path("a/b_truth.csv")


def test_an_existing_data_set_is_not_overwritten(toy: Path) -> None:
    with pytest.raises(DataError, match="choose another folder"):
        make_small(toy)


@pytest.mark.parametrize(
    "numbers",
    [
        {"num_sessions": 0},
        {"num_labeled": 3, "num_sessions": 4},
        {"num_new_labeled": 0},
        {"num_video_frames": 0},
        {"num_new_video_frames": 0},
    ],
)
def test_too_small_numbers_are_refused_before_anything_is_written(
    tmp_path: Path, numbers: dict[str, int]
) -> None:
    with pytest.raises(DataError, match="needs"):
        make_toy_dataset(tmp_path / "set", **numbers)
    assert not (tmp_path / "set").exists()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(WriteError, match="img"):
        make_small(tmp_path / "file")


def test_a_perfect_labeller_gives_the_truth() -> None:
    truth = Scene(seed=0, session=1).truth(np.arange(30))
    perfect = Labeller(noise_px=0.0, hidden_noise_px=0.0, hidden_skipped=0.0, missed=0.0)
    labels = perfect.label(truth, np.random.default_rng(0))
    np.testing.assert_array_equal(labels.xy_img, truth.xy_img)
    np.testing.assert_array_equal(labels.visible, truth.visible)


def test_a_labeller_skips_more_hidden_points_than_visible_ones() -> None:
    truth = Scene(seed=0, session=1).truth(np.arange(250))
    labels = Labeller().label(truth, np.random.default_rng(0))
    hidden, visible = truth.visible == 1, truth.visible == 2
    assert 0.15 < (labels.visible[hidden] == 0).mean() < 0.45
    assert 0 < (labels.visible[visible] == 0).mean() < 0.03


def test_enough_frames_are_fully_labelled_for_the_pca_losses() -> None:
    complete = 0
    for session in range(1, 6):
        truth = Scene(seed=0, session=session).truth(np.arange(5, 250, 14))
        labels = Labeller().label(truth, np.random.default_rng(session))
        complete += np.isfinite(labels.xy_img).all(axis=(1, 2)).sum()
    assert complete > 0.8 * 2 * len(KEYPOINT_NAMES)


@pytest.fixture(scope="module")
def cameras(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the data set of the other tests, each view as a camera of its own."""
    return make_small(tmp_path_factory.mktemp("toy") / "cameras", separate_cameras=True)


@pytest.mark.parametrize(("view", "rows"), [("side", slice(0, 96)), ("below", slice(96, 208))])
def test_a_camera_sees_its_part_of_the_drawn_image(
    toy: Path, cameras: Path, view: str, rows: slice
) -> None:
    whole = pictures(toy)
    own = {
        name.replace(f"_{view}/", "/"): p for name, p in pictures(cameras).items() if view in name
    }
    assert own.keys() == whole.keys()
    assert all(np.array_equal(own[name], whole[name][rows]) for name in whole)


@pytest.mark.parametrize(("view", "top"), [("side", 0), ("below", 96)])
@pytest.mark.parametrize("csv", ["CollectedData{}.csv", "CollectedData{}_new.csv"])
def test_a_camera_has_its_own_labels_in_its_own_pixels(
    toy: Path, cameras: Path, view: str, top: int, csv: str
) -> None:
    own = read_labels(cameras / csv.format(f"_{view}"), data_dir=cameras)
    whole = read_labels(toy / csv.format(""), data_dir=toy)
    columns = [whole.keypoint_names.index(f"{name}_{view}") for name in own.keypoint_names]
    np.testing.assert_allclose(
        own.xy_img + np.array([0, top]), whole.xy_img[:, columns], atol=1e-3
    )
    assert own.images == tuple(image.replace("/img", f"_{view}/img") for image in whole.images)


def test_a_camera_has_its_own_video_with_the_truth(toy: Path, cameras: Path) -> None:
    own, whole = (
        read_truth(cameras / "videos/walk3_below.mp4"),
        read_truth(toy / "videos/walk3.mp4"),
    )
    np.testing.assert_allclose(own.xy_img + np.array([0, 96]), whole.xy_img[:, 7:], atol=1e-3)
    info = probe(cameras / "videos/walk3_below.mp4")
    assert (info.height, info.width) == (112, 256)
