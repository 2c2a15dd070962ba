"""Batches of unlabelled video hold the frames they say, changed as one, the same in every run."""

from __future__ import annotations

import dataclasses
import gc
import itertools
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from lightning_pose.config.schema.data import BaseTrainBatch, ContextTrainBatch
from lightning_pose.contracts.batches import DataSpec, VideoBatch
from lightning_pose.contracts.errors import DataError, VideoError
from lightning_pose.contracts.settings import rule_of
from lightning_pose.data.unlabeled import UnlabeledLoader
from lightning_pose.ops.affine import apply_affine, invert_affine
from lightning_pose.ops.resize import crop_frames, resize_frames
from lightning_pose.video import frame_index
from lightning_pose.video.decode import Decoder
from tests.video.corpus import HEIGHT, WIDTH, copy_packets, encode, read_number, truncate

SPEC = DataSpec(height=HEIGHT, width=WIDTH)
CONTEXT = DataSpec(context=5, height=64, width=96)
SHORTEN = (
    ". Take it out of data.video_dir, or shorten dali.base.train.sequence_length, which is 6."
)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return videos of numbered frames by their names."""
    folder = tmp_path_factory.mktemp("unlabeled")
    gop = {"x264-params": "keyint=10:min-keyint=10:scenecut=0"}
    return {
        "a": encode(folder / "a.mp4", range(80), options=gop),
        "b": encode(folder / "b.mp4", range(100, 160), options=gop),
        "large": encode(folder / "large.mp4", range(80), size=(160, 96), options=gop),
        "short": encode(folder / "short.mp4", range(5)),
    }


def make_loader(sessions: list[tuple[Path, ...]], **options: object) -> UnlabeledLoader:
    settings = {
        "spec": SPEC,
        "sequence_length": 6,
        "steps_per_epoch": 4,
        "seed": 7,
        "device": "cpu",
    }
    return UnlabeledLoader(sessions, **(settings | options))


def pictures(batch: VideoBatch, spec: DataSpec, view: int = 0) -> np.ndarray:
    """Return the frames of a batch as pictures of grey levels 0..255."""
    std, mean = torch.tensor(spec.std).view(3, 1, 1), torch.tensor(spec.mean).view(3, 1, 1)
    levels = (batch.frames[:, view] * std + mean) * 255
    return levels.clamp(0, 255).round().byte().permute(0, 2, 3, 1).numpy()


def assert_equal(first: VideoBatch, second: VideoBatch) -> None:
    assert torch.equal(first.frames, second.frames)
    assert torch.equal(first.net_to_image, second.net_to_image)
    assert torch.equal(first.frame_ids, second.frame_ids)


def test_a_batch_holds_the_frames_it_says(videos: dict[str, Path]) -> None:
    loader = make_loader([(videos["a"],)], augment=False, steps_per_epoch=12)
    assert len(loader) == 12
    for batch in loader:
        numbers = [read_number(frame) for frame in pictures(batch, SPEC)]
        assert numbers == batch.frame_ids.tolist()
        assert np.diff(numbers).tolist() == [1] * 5


def test_a_context_model_gets_the_neighbours_of_both_ends(videos: dict[str, Path]) -> None:
    spec = DataSpec(context=5, height=HEIGHT, width=WIDTH)
    for batch in make_loader([(videos["a"],)], spec=spec, augment=False):
        first, last = int(batch.frame_ids[0]), int(batch.frame_ids[-1])
        assert (batch.halo, last - first + 1) == (2, 6)
        numbers = [read_number(frame) for frame in pictures(batch, spec)]
        assert numbers == list(range(first - 2, last + 3))
        assert batch.net_to_image.shape == (6, 1, 2, 3)


def test_batches_are_a_function_of_seed_epoch_and_step(videos: dict[str, Path]) -> None:
    sessions = [(videos["a"],), (videos["b"],)]
    loader = make_loader(sessions)
    loader.sampler.set_epoch(1)
    second_epoch = list(loader)
    loader.set_epoch(0)
    list(itertools.islice(loader, 1))
    loader.set_epoch(1)
    for first, again in zip(second_epoch, loader, strict=True):
        assert_equal(first, again)
    other = make_loader(sessions, seed=8)
    other.set_epoch(1)
    assert not torch.equal(second_epoch[0].net_to_image, next(iter(other)).net_to_image)


def test_ranks_get_other_frames_and_other_changes(videos: dict[str, Path]) -> None:
    both = [
        make_loader([(videos["a"],)], rank=rank, world_size=2, steps_per_epoch=3)
        for rank in (0, 1)
    ]
    ids = [{int(i) for batch in loader for i in batch.frame_ids} for loader in both]
    assert not ids[0] & ids[1]
    first, second = (next(iter(loader)) for loader in both)
    assert not torch.equal(first.net_to_image, second.net_to_image)


@pytest.mark.parametrize("boxed", [False, True])
def test_changed_frames_are_led_back_to_the_original(
    videos: dict[str, Path], boxed: bool, tmp_path: Path
) -> None:
    """Read at the places the map says, a changed frame shows what the original shows there."""
    box_files = {videos["large"]: moving_boxes(tmp_path / "boxes.csv")} if boxed else {}
    parts = torch.tensor([moving_box(n) if boxed else (0, 0, 96, 160) for n in range(80)])
    original = [picture.pixels.astype(float) for picture in Decoder(videos["large"])]
    rows, columns = np.indices((96, 160))
    points = torch.tensor(np.stack([columns, rows], -1).reshape(-1, 2)).float()
    checked = 0
    options = {"spec": CONTEXT, "steps_per_epoch": 6, "box_files": box_files}
    for batch in make_loader([(videos["large"],)], **options):
        changed = pictures(batch, CONTEXT)[2].mean(-1)
        there = apply_affine(invert_affine(batch.net_to_image[0, 0]), points)
        x, y, height, width = parts[int(batch.frame_ids[0])]
        shown = (points >= torch.stack([x, y])) & (points < torch.stack([x + width, y + height]))
        inside = ((there > 2) & (there < torch.tensor([93.0, 61.0])) & shown).all(-1).numpy()
        x, y = there[inside].round().long().T.numpy()
        source = original[int(batch.frame_ids[0])].mean(-1).reshape(-1)[inside]
        assert np.corrcoef(changed[y, x], source)[0, 1] > 0.85
        checked += int(inside.sum())
    assert checked > 10_000


def moving_box(frame: int) -> tuple[int, int, int, int]:
    return frame // 2 - 4, frame // 8, 70 + frame % 9, 110 - frame % 7


def moving_boxes(path: Path, frames: int = 80) -> Path:
    """Write a box for each frame that moves and grows from frame to frame."""
    rows = [",".join(map(str, moving_box(n))) for n in range(frames)]
    path.write_text("\n".join(["x,y,h,w", *rows]) + "\n")
    return path


def test_each_frame_shows_its_own_box(videos: dict[str, Path], tmp_path: Path) -> None:
    boxes = [moving_box(n) for n in range(80)]
    files = {videos["large"]: moving_boxes(tmp_path / "boxes.csv")}
    original = [picture.pixels for picture in Decoder(videos["large"])]
    for batch in make_loader([(videos["large"],)], augment=False, box_files=files):
        for number, shown in zip(batch.frame_ids.tolist(), pictures(batch, SPEC), strict=True):
            frame = torch.from_numpy(original[number])[None]
            expected = resize_frames(crop_frames(frame, boxes[number]), HEIGHT, WIDTH)[0]
            np.testing.assert_allclose(shown.transpose(2, 0, 1), expected, atol=2)
        corner = apply_affine(batch.net_to_image[:, 0], torch.tensor([[-0.5, -0.5]]))[:, 0]
        corners = [[boxes[n][0] - 0.5, boxes[n][1] - 0.5] for n in batch.frame_ids.tolist()]
        torch.testing.assert_close(corner, torch.tensor(corners))


def test_a_box_of_the_whole_frame_changes_nothing(videos: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "boxes.csv"
    path.write_text("x,y,h,w\n" + "0,0,96,160\n" * 80)
    boxed = make_loader([(videos["large"],)], box_files={videos["large"]: path})
    for one, other in zip(boxed, make_loader([(videos["large"],)]), strict=True):
        torch.testing.assert_close(one.net_to_image, other.net_to_image)
        assert np.abs(pictures(one, SPEC).astype(int) - pictures(other, SPEC)).max() <= 2


def test_too_few_boxes_are_counted(videos: dict[str, Path], tmp_path: Path) -> None:
    files = {videos["a"]: moving_boxes(tmp_path / "boxes.csv", frames=7)}
    with pytest.raises(DataError, match=r"boxes\.csv has 7 rows where the video has 80 frames"):
        make_loader([(videos["a"],)], box_files=files)


def test_all_frames_of_a_batch_share_one_map(videos: dict[str, Path]) -> None:
    batches = list(make_loader([(videos["a"],)]))
    for batch in batches:
        assert (batch.net_to_image == batch.net_to_image[:1]).all()
    assert len({batch.net_to_image[0, 0, 0, 0].item() for batch in batches}) == len(batches)


def test_views_lie_side_by_side_and_show_the_same_moment(videos: dict[str, Path]) -> None:
    sessions = [(videos["a"], videos["large"])]
    for batch in make_loader(sessions, augment=False):
        assert batch.frames.shape == (6, 2, 3, HEIGHT, WIDTH)
        assert batch.net_to_image.shape == (6, 2, 2, 3)
        left, right = (pictures(batch, SPEC, view) for view in (0, 1))
        assert [read_number(frame) for frame in left] == batch.frame_ids.tolist()
        corner = apply_affine(batch.net_to_image[0], torch.tensor([[WIDTH - 0.5, HEIGHT - 0.5]]))
        expected = torch.tensor([[111.5, 79.5], [159.5, 95.5]])
        torch.testing.assert_close(corner[:, 0], expected, atol=1e-3, rtol=0)
        assert right.shape == left.shape


def test_frames_lie_as_channels_last_networks_want_them(videos: dict[str, Path]) -> None:
    batch = next(iter(make_loader([(videos["a"],)])))
    assert batch.frames[:, 0].is_contiguous(memory_format=torch.channels_last)


def test_the_threads_end_with_the_loader(videos: dict[str, Path]) -> None:
    def threads() -> set[threading.Thread]:
        return {t for t in threading.enumerate() if t.name.startswith("litpose-unl")}

    before = threads()
    loader = make_loader([(videos["a"],)], steps_per_epoch=50)
    next(iter(loader))
    mine = threads() - before
    assert mine
    del loader
    gc.collect()
    for thread in mine:
        thread.join(timeout=30)
    assert not any(thread.is_alive() for thread in mine)


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        ([], "at least one unlabelled video"),
        (
            [("a",), ("short",)],
            f"has 5 frames; a training batch needs 6 consecutive ones{SHORTEN}",
        ),
        ([("a", "b")], r"equally many frames.*a\.mp4 80, b\.mp4 60"),
        ([("a", "large"), ("b",)], "needs 2 videos, one a view"),
    ],
)
def test_sessions_that_cannot_be_used_are_refused_at_once(
    videos: dict[str, Path], names: list[tuple[str, ...]], reason: str
) -> None:
    with pytest.raises(DataError, match=reason):
        make_loader([tuple(videos[name] for name in session) for session in names])


def test_frames_without_sure_numbers_are_not_matched_with_boxes_or_views(
    videos: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frame_index, "SCANNED_BYTES_AT_MOST", 0)
    video = copy_packets(videos["a"], tmp_path / "a.mkv")
    boxes = tmp_path / "boxes.csv"
    boxes.write_text("x,y,h,w\n" + "0,0,40,40\n" * 80)
    assert len(make_loader([(video,)])) == 4
    for sessions, beside in (([(video,)], {video: boxes}), ([(video, video)], {})):
        with pytest.raises(DataError, match=r"a\.mkv has no index .*ffmpeg -i IN -c copy OUT"):
            make_loader(sessions, box_files=beside)


def test_a_window_with_context_needs_more_frames(videos: dict[str, Path]) -> None:
    least = "a training batch needs 6 consecutive ones, 2 and 4 frames of context. "
    with pytest.raises(DataError, match=f"{least}Take it out of data.video_dir.$"):
        make_loader([(videos["short"],)], spec=CONTEXT, sequence_length=1 + 1)
    more = ".*, or shorten dali.context.train.batch_size, which is 6.$"
    with pytest.raises(DataError, match=f"needs 10 consecutive ones, 6 and 4{more}"):
        make_loader([(videos["short"],)], spec=CONTEXT, sequence_length=6)
    assert make_loader([(videos["short"],)], spec=CONTEXT, sequence_length=1)


@pytest.mark.parametrize(("spec", "least"), [(SPEC, 2), (CONTEXT, 5)])
def test_nobody_is_told_to_go_below_what_the_configuration_allows(
    videos: dict[str, Path], tmp_path: Path, spec: DataSpec, least: int
) -> None:
    video = encode(tmp_path / "one.mp4", range(1))
    section = BaseTrainBatch if spec is SPEC else ContextTrainBatch
    (field,) = dataclasses.fields(section)
    assert rule_of(field).minimum == least
    for length, told in ((least, False), (least + 1, True)):
        with pytest.raises(DataError, match="1 frame;") as refused:
            make_loader([(video,)], spec=spec, sequence_length=length)
        assert ("or shorten dali." in str(refused.value)) is told


def test_a_broken_video_is_named_before_training(videos: dict[str, Path], tmp_path: Path) -> None:
    broken = truncate(videos["a"], tmp_path / "broken.mp4", keep=0.5)
    text, empty = tmp_path / "text.mp4", tmp_path / "empty.mp4"
    text.write_text("no video")
    empty.touch()
    for video in (broken, text, empty):
        with pytest.raises(VideoError, match=f"{video.name} .*take it out of data.video_dir"):
            make_loader([(videos["a"],), (video,)])


def test_a_video_that_vanishes_is_an_error_not_a_hang(
    videos: dict[str, Path], tmp_path: Path
) -> None:
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(videos["a"].read_bytes())
    loader = make_loader([(copy,)])
    copy.unlink()
    with pytest.raises(VideoError, match=r"copy\.mp4"):
        list(loader)


def test_network_input_is_made_by_the_engine_asked_for(videos: dict[str, Path]) -> None:
    pytest.importorskip("nvidia.dali")
    by_torch, by_dali = (
        make_loader([(videos["a"],)], engine=engine, augment=False) for engine in ("auto", "dali")
    )
    assert type(by_dali._input).__name__ == "DaliSequenceInput"
    for ours, theirs in zip(by_torch, by_dali, strict=True):
        assert torch.equal(ours.frame_ids, theirs.frame_ids)
        assert np.abs(pictures(ours, SPEC).astype(int) - pictures(theirs, SPEC)).max() <= 2


def test_loaders_of_the_same_sessions_share_what_is_held_of_them(videos: dict[str, Path]) -> None:
    sessions = [(videos["a"],), (videos["b"],)]
    first = make_loader(sessions)
    second = make_loader(sessions, seed=8, augment=False, videos=first.videos)
    alone = make_loader(sessions, seed=8, augment=False)
    assert second.videos is first.videos
    for ours, theirs in zip(second, alone, strict=True):
        assert_equal(ours, theirs)


@pytest.mark.gpu
def test_batches_on_a_gpu_are_those_of_the_cpu(videos: dict[str, Path]) -> None:
    sessions = [(videos["a"],), (videos["large"],)]
    pairs = zip(
        make_loader(sessions, augment=False),
        make_loader(sessions, augment=False, device="cuda"),
        strict=True,
    )
    for on_cpu, on_gpu in pairs:
        assert on_gpu.frames.is_cuda
        assert torch.equal(on_cpu.frame_ids, on_gpu.frame_ids.cpu())
        torch.testing.assert_close(on_cpu.net_to_image, on_gpu.net_to_image.cpu())
        assert (on_cpu.frames - on_gpu.frames.cpu()).abs().mean() < 0.01
