"""A box is a camera that sees only that part: it gives what the cut-out video gives, moved."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from lightning_pose.contracts.errors import DataError, VideoError
from lightning_pose.contracts.model_spec import ModelSpec
from lightning_pose.contracts.predictions import Predictions
from lightning_pose.data.toy.scene import Scene
from lightning_pose.inference.compute import Compute
from lightning_pose.inference.inputs import expand_inputs
from lightning_pose.inference.model import Model
from lightning_pose.inference.predict_files import predict_files
from lightning_pose.inference.session import PredictSettings
from lightning_pose.models.build import build_tracker

FRAMES = 14
HEIGHT, WIDTH = 208, 256
BOX = (33, 17, 101, 143)  # x, y, height, width


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    """Return frames of the toy mouse, every fourth of its walk."""
    scene = Scene(seed=0, session=2)
    return np.stack([scene.render(4 * frame) for frame in range(FRAMES)])


@pytest.fixture(scope="module")
def whole(pixels: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lossless(tmp_path_factory.mktemp("videos") / "whole.mkv", list(pixels))


@pytest.fixture(scope="module", params=["heatmap", "heatmap_mhcrnn"])
def model(request: pytest.FixtureRequest) -> Model:
    """Return a tracker of the toy mouse that is sharper than an untrained one."""
    torch.manual_seed(1)
    spec = ModelSpec(
        model_type=request.param,
        backbone="resnet18",
        keypoint_names=("nose", "paw", "tail"),
        image_height=64,
        image_width=96,
    )
    tracker = build_tracker(spec, pretrained=False)
    with torch.no_grad():
        for name, values in tracker.named_parameters():
            if "head" in name and values.ndim == 4:
                values.mul_(8)
    return Model(tracker, compute=Compute.choose(device="cpu", precision="fp32"))


def lossless(path: Path, pictures: list[np.ndarray]) -> Path:
    """Write grey pictures as a video that loses nothing."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.height, stream.width = pictures[0].shape
        stream.pix_fmt = "gray"
        for picture in pictures:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="gray")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_a_box_of_the_whole_frame_changes_nothing(model: Model, whole: Path) -> None:
    boxes = np.tile([0, 0, HEIGHT, WIDTH], (FRAMES, 1))
    boxed, plain = model.predict_video(whole, boxes=boxes), model.predict_video(whole)
    np.testing.assert_allclose(boxed.xy_img, plain.xy_img, atol=1e-3)
    np.testing.assert_allclose(boxed.confidence, plain.confidence, atol=1e-5)


def test_a_box_gives_what_the_cut_out_video_gives_moved_by_its_corner(
    model: Model, whole: Path, pixels: np.ndarray, tmp_path: Path
) -> None:
    x, y, height, width = BOX
    part = lossless(tmp_path / "part.mkv", list(pixels[:, y : y + height, x : x + width]))
    boxed = model.predict_video(whole, boxes=np.tile(BOX, (FRAMES, 1)), batch_size=5)
    cut = model.predict_video(part, batch_size=5)
    np.testing.assert_allclose(boxed.xy_img, cut.xy_img + np.array([x, y]), atol=0.05)
    moved = np.abs(boxed.xy_img - model.predict_video(whole, batch_size=5).xy_img)
    assert np.median(moved) > 1


def test_a_box_that_moves_is_taken_frame_by_frame(
    model: Model, whole: Path, pixels: np.ndarray, tmp_path: Path
) -> None:
    corners = [(5 * frame, 2 * frame) for frame in range(FRAMES)]
    boxes = np.array([(x, y, 90, 150) for x, y in corners])
    parts = [
        picture[y : y + 90, x : x + 150] for picture, (x, y) in zip(pixels, corners, strict=True)
    ]
    cut = model.predict_video(lossless(tmp_path / "part.mkv", parts))
    boxed = model.predict_video(whole, boxes=boxes)
    np.testing.assert_allclose(boxed.xy_img, cut.xy_img + np.array(corners)[:, None], atol=0.05)


def predicted(model: Model, video: Path, out: Path, settings: PredictSettings) -> Predictions:
    (outcome,) = predict_files(model, expand_inputs([video]), out=out, settings=settings)
    assert outcome.failed is None, outcome.failed
    return Predictions.read(outcome.predictions[0])


def test_named_boxes_come_before_those_beside_the_video(
    model: Model, pixels: np.ndarray, tmp_path: Path
) -> None:
    video = lossless(tmp_path / "whole.mkv", list(pixels))
    row = "{},{},{},{}\n"
    (tmp_path / "whole_bbox.csv").write_text("x,y,h,w\n" + row.format(0, 0, 50, 50) * FRAMES)
    (tmp_path / "other.csv").write_text("x,y,h,w\n" + row.format(*BOX) * FRAMES)
    settings = PredictSettings(video_bbox_files={video: tmp_path / "other.csv"})
    named = predicted(model, video, tmp_path / "named", settings)
    expected = model.predict_video(video, boxes=np.tile(BOX, (FRAMES, 1))).xy_img
    np.testing.assert_allclose(named.xy_img, expected, atol=1e-3)
    beside = predicted(model, video, tmp_path / "beside", PredictSettings())
    assert np.abs(beside.xy_img - named.xy_img).max() > 1


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (5, "There are 5 boxes for .*, which has more"),
        (20, "There are 20 boxes for the 14 frames"),
    ],
)
def test_a_wrong_number_of_boxes_is_told_with_the_video(
    model: Model, whole: Path, number: int, sentence: str
) -> None:
    with pytest.raises(VideoError, match=sentence) as caught:
        model.predict_video(whole, boxes=np.tile(BOX, (number, 1)), batch_size=4)
    assert "whole.mkv" in str(caught.value)


@pytest.mark.parametrize(
    ("box", "sentence"),
    [
        ((0, 0, 60000, 60000), "frame 0 of whole.mkv is too large"),
        ((256, 0, 9, 9), "shows nothing"),
    ],
)
def test_boxes_that_do_not_suit_the_video_are_refused(
    model: Model, whole: Path, box: tuple[int, ...], sentence: str
) -> None:
    with pytest.raises(DataError, match=sentence):
        model.predict_video(whole, boxes=np.tile(box, (FRAMES, 1)))


def dangling(path: Path) -> None:
    path.symlink_to("gone.csv")


def huge(path: Path) -> None:
    path.write_text("x,y,h,w\n" + "0,0,5,5\n" * 2 + "0,0,60000,60000\n" * (FRAMES - 2))


def short(path: Path) -> None:
    path.write_text("x,y,h,w\n0,0,5,5\n")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (dangling, "a_bbox.csv is a link to gone.csv, where there is no file. Put a csv"),
        (Path.mkdir, "a_bbox.csv cannot be read: Is a directory"),
        (short, "There are 1 boxes for"),
        (huge, "The box of frame 2 of a.mkv is too large"),
    ],
)
def test_boxes_beside_a_video_that_cannot_be_read_are_told_of(
    model: Model, whole: Path, tmp_path: Path, make: Callable[[Path], None], said: str
) -> None:
    for name in ("a.mkv", "b.mkv"):
        shutil.copyfile(whole, tmp_path / name)
    make(tmp_path / "a_bbox.csv")
    inputs = expand_inputs([tmp_path / "a.mkv", tmp_path / "b.mkv"])
    outcomes = predict_files(model, inputs, out=tmp_path / "out")
    told = {one.inputs[0].path.name: str(one.failed) for one in outcomes}
    assert said in told["a.mkv"]
    assert told["b.mkv"] == "None"
