"""A training killed with SIGKILL and resumed ends bit for bit where an uninterrupted one ends."""

from __future__ import annotations

import dataclasses
import multiprocessing
import random
import signal
import time
from collections.abc import Mapping
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import pytest
import torch
import victims
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny import TinyLoader, settings, tiny_tracker, tiny_video, train_tiny

from lightning_pose.contracts.errors import TrainingError
from lightning_pose.data.toy import make_toy_dataset

PROCESSES = multiprocessing.get_context("forkserver")


@pytest.fixture(scope="module", autouse=True)
def _children_start_with_everything_imported() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{Path(__file__).parent}:{Path(__file__).parents[2]}")
        PROCESSES.set_forkserver_preload(["victims"])
        forkserver.ensure_running()


def start(run_dir: Path, **kwargs: Any) -> multiprocessing.Process:
    target = victims.train_on_toy_data if "data" in kwargs else victims.train
    process = PROCESSES.Process(target=target, args=(run_dir,), kwargs=kwargs)
    process.start()
    return process


def finish(run_dir: Path, **kwargs: Any) -> int | None:
    process = start(run_dir, **kwargs)
    process.join(120)
    return process.exitcode


def checkpoint(run_dir: Path, name: str) -> dict[str, Any]:
    return torch.load(run_dir / "checkpoints" / name, weights_only=True)


def tensors(content: Any, prefix: str = "") -> dict[str, Any]:
    """Return every leaf of nested mappings and lists by its path."""
    if isinstance(content, Mapping):
        pairs = list(content.items())
    elif isinstance(content, list | tuple):
        pairs = list(enumerate(content))
    else:
        return {prefix: content}
    return {k: v for key, value in pairs for k, v in tensors(value, f"{prefix}/{key}").items()}


def assert_same(first: dict[str, Any], second: dict[str, Any]) -> None:
    ours, theirs = tensors(first), tensors(second)
    assert ours.keys() == theirs.keys()
    for key, value in ours.items():
        equal = torch.equal(value, theirs[key]) if torch.is_tensor(value) else value == theirs[key]
        assert equal, key


def curve(run_dir: Path, tag: str) -> list[tuple[int, float]]:
    events = EventAccumulator(str(run_dir / "tb_logs")).Reload()
    return [(event.step, event.value) for event in events.Scalars(tag)]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run_dir = tmp_path_factory.mktemp("uninterrupted")
    assert finish(run_dir) == 0
    return run_dir


@pytest.mark.parametrize("moment", victims.MOMENTS)
def test_a_training_killed_and_resumed_ends_bit_for_bit_the_same(
    uninterrupted: Path, tmp_path: Path, moment: str
) -> None:
    assert finish(tmp_path, killed=moment) == -signal.SIGKILL
    assert finish(tmp_path, resume=True) == 0
    for name in ("last.ckpt", "best.ckpt"):
        assert_same(checkpoint(tmp_path, name), checkpoint(uninterrupted, name))
    for tag in ("val_pixel_error", "train_supervised_loss", "lr_backbone"):
        assert curve(tmp_path, tag) == curve(uninterrupted, tag)


@pytest.fixture(scope="module")
def uninterrupted_on_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run_dir = tmp_path_factory.mktemp("uninterrupted_on_video")
    assert finish(run_dir, video=True) == 0
    return run_dir


@pytest.mark.parametrize("moment", ["in a training batch", "while writing last.ckpt"])
def test_so_does_one_that_learns_from_video(
    uninterrupted_on_video: Path, tmp_path: Path, moment: str
) -> None:
    assert finish(tmp_path, killed=moment, video=True) == -signal.SIGKILL
    assert finish(tmp_path, resume=True, video=True) == 0
    for name in ("last.ckpt", "best.ckpt"):
        assert_same(checkpoint(tmp_path, name), checkpoint(uninterrupted_on_video, name))
    for tag in ("total_loss", "train_temporal_loss", "val_temporal_loss", "val_pixel_error"):
        assert curve(tmp_path, tag) == curve(uninterrupted_on_video, tag)


def test_so_does_one_on_augmented_frames_in_half_precision(tmp_path: Path) -> None:
    data = make_toy_dataset(
        tmp_path / "toy",
        num_labeled=26,
        num_video_frames=2,
        num_new_labeled=2,
        num_new_video_frames=2,
    )
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert finish(whole, data=data) == 0
    assert finish(killed, data=data, killed="in a training batch") == -signal.SIGKILL
    assert finish(killed, data=data, resume=True) == 0
    for name in ("last.ckpt", "best.ckpt"):
        assert_same(checkpoint(killed, name), checkpoint(whole, name))


def test_a_training_killed_at_random_moments_ends_bit_for_bit_the_same(
    uninterrupted: Path, tmp_path: Path
) -> None:
    moments = random.Random()
    for attempt in range(3):
        process = start(tmp_path, resume=attempt > 0)
        time.sleep(moments.uniform(0.3, 1.5))
        process.kill()
        process.join()
    assert finish(tmp_path, resume=True) == 0
    assert_same(checkpoint(tmp_path, "last.ckpt"), checkpoint(uninterrupted, "last.ckpt"))


def test_a_finished_training_resumed_stays_as_it_is(uninterrupted: Path, tmp_path: Path) -> None:
    assert finish(tmp_path) == 0
    assert finish(tmp_path, resume=True) == 0
    assert_same(checkpoint(tmp_path, "last.ckpt"), checkpoint(uninterrupted, "last.ckpt"))


def test_a_stopped_training_resumed_stays_stopped(tmp_path: Path) -> None:
    config = settings(max_epochs=9, early_stopping=True, early_stop_patience=1, min_epochs=1)
    blind = TinyLoader(5, nan_in_row=0)  # its error is NaN, so no validation is ever better
    first = train_tiny(tmp_path, config, val_loader=blind)
    again = train_tiny(tmp_path, config, val_loader=blind, resume_from=tmp_path)
    assert (first.outcome, first.epochs) == ("stopped early", 1)
    assert (again.outcome, again.epochs, again.steps) == ("stopped early", 1, first.steps)


def test_the_first_resumed_epoch_has_its_own_order_of_frames(tmp_path: Path) -> None:
    train_tiny(tmp_path, settings(max_epochs=2))
    loader = TinyLoader()
    train_tiny(tmp_path, settings(max_epochs=4), train_loader=loader, resume_from=tmp_path)
    assert loader.epochs_seen == [2, 3]


def test_a_training_resumed_into_another_folder_brings_its_best_weights(tmp_path: Path) -> None:
    first = train_tiny(tmp_path / "first", settings(max_epochs=2))
    blind = TinyLoader(5, nan_in_row=0)
    second = train_tiny(
        tmp_path / "second",
        settings(max_epochs=3),
        val_loader=blind,
        resume_from=tmp_path / "first",
    )
    assert second.val_pixel_error == first.val_pixel_error
    assert_same(
        torch.load(first.best_checkpoint, weights_only=True),
        torch.load(second.best_checkpoint, weights_only=True),
    )


def test_a_missing_run_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="nowhere cannot be resumed: there is no such run"):
        train_tiny(tmp_path, resume_from=tmp_path / "nowhere")


def test_a_checkpoint_of_weights_only_is_refused(tmp_path: Path) -> None:
    result = train_tiny(tmp_path, settings(max_epochs=1))
    with pytest.raises(TrainingError, match=r"best\.ckpt holds weights only"):
        train_tiny(tmp_path, resume_from=result.best_checkpoint)


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    result = train_tiny(tmp_path, settings(max_epochs=1))
    result.last_checkpoint.write_bytes(result.last_checkpoint.read_bytes()[:2000])
    with pytest.raises(TrainingError, match=r"last\.ckpt cannot be resumed from: it is damaged"):
        train_tiny(tmp_path, resume_from=tmp_path)


def test_another_model_is_refused_with_the_difference(tmp_path: Path) -> None:
    train_tiny(tmp_path, settings(max_epochs=1))
    tracker = tiny_tracker(settings())
    tracker.spec = type(tracker.spec)(**{**vars(tracker.spec), "keypoint_names": ("a", "b")})
    with pytest.raises(TrainingError, match=r"keypoint_names is .*nose.* there and .*'a'.* here"):
        train_tiny(tmp_path, tracker=tracker, resume_from=tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"downsample_factor": 3}, "downsample_factor is 2 there and 3 here"),
        ({"params": {"sigma": 2.0}}, "params is {} there and {'sigma': 2.0} here"),
        ({"view_names": ("top",)}, r"view_names is \(\) there and \('top',\) here"),
    ],
)
def test_every_difference_of_the_recipe_counts(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    train_tiny(tmp_path, settings(max_epochs=1))
    tracker = tiny_tracker(settings())
    tracker.spec = dataclasses.replace(tracker.spec, **change, version="of another day")
    with pytest.raises(TrainingError, match=rf"last\.ckpt cannot be carried on: {said}\."):
        train_tiny(tmp_path, tracker=tracker, resume_from=tmp_path)


@pytest.mark.parametrize("on_video", [("temporal",), ("pca_singleview",)])
def test_other_losses_are_refused_in_a_sentence(tmp_path: Path, on_video: tuple[str, ...]) -> None:
    train_tiny(tmp_path, settings(max_epochs=1))
    tracker = tiny_tracker(settings(), on_video=on_video)
    said = f"its losses are heatmap_mse there and heatmap_mse, {on_video[0]} here"
    with pytest.raises(TrainingError, match=said):
        train_tiny(tmp_path, tracker=tracker, unlabeled=tiny_video(), resume_from=tmp_path)


def test_lost_best_weights_are_told_before_training(tmp_path: Path) -> None:
    train_tiny(tmp_path, settings(max_epochs=1)).best_checkpoint.unlink()
    loader = TinyLoader()
    with pytest.raises(TrainingError, match=r"has no best\.ckpt, the best weights so far"):
        train_tiny(tmp_path, train_loader=loader, resume_from=tmp_path)
    assert loader.epochs_seen == []


@pytest.mark.parametrize(
    "length",
    [
        {"max_epochs": 2},
        {"max_epochs": None, "max_steps": 5, "unfreezing_epoch": None},
        {"max_epochs": 9, "early_stopping": True, "early_stop_patience": 1, "min_epochs": 2},
    ],
)
def test_a_finished_training_says_that_nothing_is_left(
    tmp_path: Path, length: dict[str, Any]
) -> None:
    config = settings(**length)
    blind = TinyLoader(5, nan_in_row=0)  # no validation is ever better
    assert train_tiny(tmp_path, config, val_loader=blind).notes == ()
    (note,) = train_tiny(tmp_path, config, val_loader=blind, resume_from=tmp_path).notes
    assert note.startswith("Nothing is left to train: 2 epochs (")


def test_fewer_epochs_than_already_trained_are_refused(tmp_path: Path) -> None:
    train_tiny(tmp_path, settings(max_epochs=3))
    with pytest.raises(
        TrainingError, match=r"has trained 3 epochs, more than training.max_epochs 2"
    ):
        train_tiny(tmp_path, settings(max_epochs=2), resume_from=tmp_path)
