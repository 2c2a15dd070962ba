"""On a GPU: what is predicted does not hang on batches, stretches, company or the reader."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from lightning_pose.contracts.batches import VideoBatch
from lightning_pose.contracts.model_spec import ModelSpec
from lightning_pose.inference import network
from lightning_pose.inference.compute import Compute
from lightning_pose.inference.inputs import expand_inputs
from lightning_pose.inference.model import Model
from lightning_pose.inference.outputs import OutputSettings
from lightning_pose.inference.predict_files import predict_files
from lightning_pose.inference.session import PredictSettings
from lightning_pose.models.build import build_tracker
from lightning_pose.video import segments
from lightning_pose.video.batching import RawFrames
from lightning_pose.video.decode import Decoder
from lightning_pose.video.pyav_reader import PyAVReader
from tests.video.corpus import NUM_FRAMES

Corpus = Callable[[str], Path]
CLOSE = 0.05  # px, of the video
CLEAR = 0.003  # of a height or a confidence; what bf16 rounds away is less

pytestmark = pytest.mark.gpu


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("PyNvVideoCodec")
    monkeypatch.setattr(segments, "SEGMENT_FRAMES", 8)
    monkeypatch.setattr(segments, "_REACH", 4)


def tracker_model(
    kind: str = "heatmap", *, device: str = "cuda", precision: str = "auto"
) -> Model:
    torch.manual_seed(0)
    spec = ModelSpec(
        model_type=kind,
        backbone="resnet18",
        keypoint_names=("nose", "tail", "paw"),
        image_height=128,
        image_width=128,
    )
    compute = Compute.choose(device=device, precision=precision)
    return Model(build_tracker(spec), compute=compute)


def points(
    model: Model, videos: Sequence[Path], out: Path, *, size: int, reader: str = "auto"
) -> np.ndarray:
    settings = PredictSettings(reader=reader, batch_size=size)
    outcomes = predict_files(
        model, expand_inputs(list(videos)), out=out, outputs=OutputSettings(), settings=settings
    )
    assert [outcome.failed for outcome in outcomes] == [None] * len(videos)
    tables = [np.loadtxt(out / f"{v.stem}.csv", delimiter=",", skiprows=3) for v in videos]
    assert all(len(table) == NUM_FRAMES for table in tables)
    xy_likelihood = np.stack(tables)[:, :, 1:].reshape(len(videos), NUM_FRAMES, -1, 3)
    return xy_likelihood[..., :2]


def decided(kind: str, video: Path) -> np.ndarray:
    """Tell which points of a tracker with random weights no rounding can move elsewhere.

    The others have two pixels that are equally high, or two heads that are equally sure.
    """
    model = tracker_model(kind, device="cpu", precision="fp32")
    reader = PyAVReader(video, batch_size=NUM_FRAMES, halo=model.data_spec.halo)
    with torch.inference_mode():
        maps = model.tracker.predict_heatmaps(model.to_network(next(iter(reader))))  # pyright: ignore
        maps = maps if isinstance(maps, tuple) else (maps,)
        highest = torch.stack([one.flatten(2) for one in maps]).topk(2, -1).values
        sure = (highest[..., 1] < highest[..., 0] * (1 - CLEAR)).all(0)
        if len(maps) == 2:
            first, second = (model.tracker.read(one)[1] for one in maps)  # pyright: ignore
            sure &= (first - second).abs() > CLEAR * first
    assert sure.any(1).all()  # some of every frame
    return sure.numpy()


@pytest.mark.parametrize("kind", ["heatmap", "heatmap_mhcrnn"])
def test_batches_readers_and_company_change_nothing(
    corpus: Corpus, tmp_path: Path, kind: str
) -> None:
    model = tracker_model(kind)
    videos = [corpus(name) for name in ("plain.mp4", "gop10.mp4", "open_gop.mp4")]
    together = points(model, videos, tmp_path / "together", size=5)
    for number, video in enumerate(videos):
        sure = decided(kind, video)
        for size, reader in ((16, "pynvvc"), (3, "pyav")):
            alone = points(
                model, [video], tmp_path / f"{number}{reader}", size=size, reader=reader
            )
            assert np.abs(alone[0] - together[number])[sure].max() < CLOSE


def test_the_gpu_agrees_with_the_cpu_on_the_same_pixels() -> None:
    there = tracker_model(device="cpu", precision="fp32")
    here = tracker_model(precision="fp32")
    generator = torch.Generator().manual_seed(0)
    frames = torch.randint(0, 256, (6, 80, 112, 3), dtype=torch.uint8, generator=generator)
    batch = there.to_network(RawFrames(frames=frames, frame_ids=torch.arange(6)))
    with torch.inference_mode():
        expected = there.tracker.predict_batch(batch)[0]
        found = here.tracker.predict_batch(batch.to("cuda"))[0].cpu()
    assert (found - expected).abs().max() < CLOSE


def test_a_frame_alone_is_the_frame_of_the_video(corpus: Corpus, tmp_path: Path) -> None:
    model = tracker_model()
    table = points(model, [corpus("plain.mp4")], tmp_path / "out", size=8)[0]
    for number, picture in enumerate(Decoder(corpus("plain.mp4"))):
        one = model.predict_frame(picture.pixels.copy()).xy_img[0]
        assert np.abs(one - table[number]).max() < CLOSE


@pytest.mark.parametrize("failures", [1, network._TRIES])
def test_recordings_that_are_spoilt_change_nothing(
    monkeypatch: pytest.MonkeyPatch, failures: int
) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (500, 80, 112, 3), dtype=np.uint8)
    expected = tracker_model().predict_frames(frames)
    model, left = tracker_model(), [failures]
    predict = model.tracker.predict_batch

    def spoiling(batch: VideoBatch) -> tuple[torch.Tensor, torch.Tensor]:
        if left[0] and torch.cuda.is_current_stream_capturing():
            left[0] -= 1
            torch.cuda.synchronize()
        return predict(batch)

    monkeypatch.setattr(model.tracker, "predict_batch", spoiling)
    found = model.predict_frames(frames)
    assert left == [0]
    assert model._network._tries == network._TRIES - failures
    again = model.predict_frames(frames)
    for predictions in (found, again):
        assert np.abs(predictions.xy_img - expected.xy_img).max() < CLOSE
    assert torch.rand(3, device="cuda").shape == (3,)


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
def test_another_gpu_than_the_first_is_the_one_that_works(corpus: Corpus, tmp_path: Path) -> None:
    found = []
    for device in ("cuda:0", "cuda:1"):
        model = tracker_model(device=device)
        table = points(model, [corpus("plain.mp4")], tmp_path / device[-1], size=8)[0]
        picture = next(iter(Decoder(corpus("plain.mp4")))).pixels.copy()
        alone = model.predict_frame(picture).xy_img[0]
        raw = RawFrames(frames=torch.from_numpy(picture)[None], frame_ids=torch.zeros(1).long())
        assert model.to_network(raw).frames.device == torch.device(device)
        assert np.abs(alone - table[0]).max() < CLOSE
        found.append(table)
    assert np.abs(found[1] - found[0]).max() < CLOSE
