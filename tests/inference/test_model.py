"""Every frame of a video is predicted once, whatever the file is like."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from lightning_pose.contracts.errors import ConfigError, DataError, ModelError, VideoError
from lightning_pose.inference.compute import Compute
from lightning_pose.inference.frames import check_frames
from lightning_pose.inference.model import Model
from lightning_pose.inference.progress import Progress
from lightning_pose.models.heads.heatmap import HeatmapHead
from lightning_pose.video.decode import count_frames
from lightning_pose.video.reader import open_reader
from tests.inference.number_tracker import CORNER_NET, number_tracker
from tests.video.corpus import DAMAGED, HEIGHT, NUM_FRAMES, READABLE, WIDTH, numbered_frame

Corpus = Callable[[str], Path]
EXACT = Compute.choose(device="cpu", precision="fp32")


def number_model(**wishes: object) -> Model:
    return Model(number_tracker(**wishes), compute=EXACT)


UPRIGHT = {"plain.mp4", "plain.mkv", "plain.ts", "vp9.webm", "mpeg4.avi", "uneven.mp4"}


@pytest.mark.parametrize("context", [False, True])
@pytest.mark.parametrize("name", sorted(UPRIGHT))
def test_each_row_is_its_frame(corpus: Corpus, name: str, context: bool) -> None:
    predictions = number_model(context=context).predict_video(corpus(name), batch_size=7)
    assert predictions.frame_ids.tolist() == list(range(NUM_FRAMES))
    assert predictions.xy_img[:, 0, 0].tolist() == list(range(NUM_FRAMES))


@pytest.mark.parametrize("name", READABLE)
def test_there_is_a_row_for_every_decodable_frame(corpus: Corpus, name: str) -> None:
    assert len(number_model().predict_video(corpus(name))) == count_frames(corpus(name))


@pytest.mark.parametrize("context", [False, True])
@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 6])
def test_the_shortest_videos_are_predicted(context: bool, length: int) -> None:
    frames = np.stack([numbered_frame(number) for number in range(length)])
    predictions = number_model(context=context).predict_frames(frames)
    assert predictions.xy_img[:, 0, 0].tolist() == list(range(length))


@pytest.mark.parametrize("batch_size", [1, 8, 59, 60, 61, 200])
def test_the_batch_size_does_not_matter(corpus: Corpus, batch_size: int) -> None:
    model = number_model(context=True)
    predictions = model.predict_video(corpus("plain.mp4"), batch_size=batch_size)
    assert predictions.xy_img[:, 0, 0].tolist() == list(range(NUM_FRAMES))


def test_coordinates_are_in_pixels_of_the_video(corpus: Corpus) -> None:
    model = number_model(size=(2 * WIDTH, HEIGHT // 2))
    corner = model.predict_video(corpus("plain.mp4")).xy_img[:, 1]
    expected = [(CORNER_NET[0] + 0.5) / 2 - 0.5, (CORNER_NET[1] + 0.5) * 2 - 0.5]
    np.testing.assert_allclose(corner, np.tile(expected, (NUM_FRAMES, 1)), atol=1e-4)


def test_boxes_are_cut_out_and_led_back(corpus: Corpus) -> None:
    boxes = np.tile(np.array([[0, 0, HEIGHT, WIDTH]]), (NUM_FRAMES, 1))
    boxes[30:, :2] = (4, 6)
    model = number_model()
    corner = model.predict_video(corpus("plain.mp4"), boxes=boxes).xy_img[:, 1]
    np.testing.assert_allclose(corner[:30], np.tile(CORNER_NET, (30, 1)), atol=1e-4)
    moved = np.add(CORNER_NET, (4, 6))
    np.testing.assert_allclose(corner[30:], np.tile(moved, (30, 1)), atol=1e-4)


@pytest.mark.parametrize("rows", [NUM_FRAMES - 1, NUM_FRAMES + 1])
def test_a_wrong_number_of_boxes_is_an_error(corpus: Corpus, rows: int) -> None:
    boxes = np.tile(np.array([[0, 0, HEIGHT, WIDTH]]), (rows, 1))
    with pytest.raises(VideoError, match=f"{rows} boxes"):
        number_model().predict_video(corpus("plain.mp4"), boxes=boxes)


@pytest.mark.parametrize("name", sorted(DAMAGED & set(READABLE) - {"cut.ts"}))
def test_damage_is_warned_of(corpus: Corpus, name: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        number_model().predict_video(corpus(name))
    assert name in caplog.text


def test_progress_is_told_and_ends_at_the_last_frame(corpus: Corpus) -> None:
    told: list[Progress] = []
    number_model().predict_video(corpus("plain.mp4"), batch_size=8, on_progress=told.append)
    done = [progress.done for progress in told]
    assert done == sorted(done)
    assert done[-1] == NUM_FRAMES
    assert {progress.total for progress in told} == {NUM_FRAMES}
    assert 0 <= told[-1].waited_s <= told[-1].seconds
    assert told[-1].fps > 0


def test_views_are_predicted_together_and_come_apart(corpus: Corpus) -> None:
    model = number_model(view_names=("top", "side"))
    readers = [open_reader(corpus(name), batch_size=8) for name in ("plain.mp4", "gop10.mp4")]
    result = model.predict_views(readers)
    assert len(result.predictions) == 2
    for predictions in result.predictions:
        assert predictions.keypoint_names == ("number", "corner")
        assert predictions.xy_img[:, 0, 0].tolist() == list(range(NUM_FRAMES))


def test_views_of_different_length_are_refused(corpus: Corpus) -> None:
    model = number_model(view_names=("top", "side"))
    readers = [open_reader(corpus(name), batch_size=8) for name in ("plain.mp4", "edit_list.mp4")]
    numbers = r"plain\.mp4 has at least \d+ frames, .*edit_list\.mp4 has \d+ frames"
    reason = rf"differ in length: .*{numbers}\. Cut .* take the session out"
    with pytest.raises(VideoError, match=reason):
        model.predict_views(readers)


def test_a_model_of_two_views_asks_for_both(corpus: Corpus) -> None:
    with pytest.raises(ModelError, match=r"2 camera view\(s\) at a time \(top, side\), got 1"):
        number_model(view_names=("top", "side")).predict_video(corpus("plain.mp4"))


def test_a_reader_that_drops_a_frame_is_caught(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = open_reader(corpus("plain.mp4"), batch_size=8)
    kind = type(reader)
    read = kind.read

    def lossy(self: object, segments: object) -> object:
        yield from (raw for raw in read(self, segments) if 16 not in raw.frame_ids)

    monkeypatch.setattr(kind, "read", lossy)
    with pytest.raises(VideoError, match="52 frames were predicted where the video has 60"):
        number_model().predict_views([reader])


def test_no_gradient_is_kept_and_the_tracker_stays_in_evaluation_mode(corpus: Corpus) -> None:
    model = number_model()
    model.predict_video(corpus("plain.mp4"))
    assert not model.tracker.training
    assert torch.is_grad_enabled()


@pytest.mark.parametrize(
    ("wish", "reason"),
    [
        ({"device": "tpu"}, "auto, cpu, cuda or cuda:N"),
        ({"device": "cpu:x"}, "auto, cpu, cuda or cuda:N"),
        ({"device": "cuda:x"}, "auto, cpu, cuda or cuda:N"),
        ({"precision": "int8"}, "fp32, bf16, fp16"),
        ({"device": "cpu", "precision": "fp16"}, "needs a GPU"),
    ],
)
def test_impossible_devices_and_precisions_are_refused(wish: dict[str, str], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        Compute.choose(**wish)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match="no CUDA device"):
        Compute.choose(device="cuda")


def test_what_says_so_stays_in_32_bits() -> None:
    head = HeatmapHead(in_channels=16, stride=32, num_keypoints=2, factor=2)
    Compute(device=torch.device("cuda"), precision="bf16").with_weights(head)
    dtypes = {name.split(".")[0]: weight.dtype for name, weight in head.named_parameters()}
    assert dtypes["upsample"] == torch.float32
    assert head.mix[0].weight.dtype == torch.bfloat16


def test_a_gpu_beyond_the_last_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ConfigError, match=r"no cuda:7 here; the last device is cuda:1"):
        Compute.choose(device="cuda:7", precision="fp32")
    assert Compute.choose(device="cuda:1", precision="fp32").device == torch.device("cuda:1")
    assert Compute.choose(device=torch.device("cpu")).device.type == "cpu"


PICTURE = np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("frame", "got"),
    [
        (PICTURE / 255, f"{HEIGHT} x {WIDTH} x 3 of float64"),
        (PICTURE.astype(np.int64), "of int64"),
        (PICTURE[..., 0], f"{HEIGHT} x {WIDTH} of uint8"),
        (PICTURE.transpose(2, 0, 1), f"3 x {HEIGHT} x {WIDTH}"),
        (PICTURE[..., :1], f"{HEIGHT} x {WIDTH} x 1"),
        (PICTURE[None], f"1 x {HEIGHT} x {WIDTH} x 3"),
        (PICTURE[:0], f"0 x {WIDTH} x 3"),
        (None, "a single value of NoneType"),
    ],
)
def test_what_is_no_picture_is_refused(frame: object, got: str) -> None:
    with pytest.raises(DataError, match=got):
        check_frames([frame])


def test_a_model_looks_at_frames_before_it_predicts_them() -> None:
    with pytest.raises(DataError, match="0 x 112 x 3"):
        number_model().predict_frame(PICTURE[:0])
    with pytest.raises(DataError, match="0 x 112 x 3"):
        number_model().predict_frames(PICTURE[None, :0])
    with pytest.raises(DataError, match="of one size, got 112 x 78 and 112 x 80"):
        check_frames([PICTURE, PICTURE[:-2]])
    for nothing in (None, 3, iter([PICTURE])):
        with pytest.raises(DataError, match="an array of n x height x width x 3"):
            check_frames(nothing)


@pytest.mark.filterwarnings("error")
def test_frames_in_memory_may_lie_there_in_any_way() -> None:
    model, frame = number_model(), numbered_frame(37)
    locked = frame.copy()
    locked.flags.writeable = False
    for same in (locked, frame[::-1].copy()[::-1]):
        assert model.predict_frame(same).xy_img[0, 0].tolist() == [37, 37]
        assert model.predict_frames(same[None]).xy_img[0, 0].tolist() == [37, 37]
    assert len(model.predict_frames(PICTURE[None][:0])) == 0
