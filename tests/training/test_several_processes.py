"""Two processes with half a batch each do what one does with the whole."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import pytest
import several
import torch
from torch.distributed import TCPStore

from lightning_pose.contracts.batches import VideoBatch
from lightning_pose.losses.terms import is_sure

PROCESSES = multiprocessing.get_context("forkserver")
TOLERANCE = 1e-4


@pytest.fixture(scope="module", autouse=True)
def _children_start_with_everything_imported() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{Path(__file__).parent}:{Path(__file__).parents[2]}")
        PROCESSES.set_forkserver_preload(["several"])
        forkserver.ensure_running()


@contextmanager
def started(target: Callable[..., None], out: Path, *, size: int, **kwargs: Any) -> Iterator[Any]:
    """Run a function in every process of a world; none outlives the context."""
    out.mkdir(exist_ok=True)
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    processes = [
        PROCESSES.Process(target=target, args=(out, rank, size, store.port), kwargs=kwargs)
        for rank in range(size)
    ]
    try:
        for process in processes:
            process.start()
        yield processes
    finally:
        for process in processes:
            process.kill()


def results(target: Callable[..., None], out: Path, *, size: int, **kwargs: Any) -> list[Any]:
    """Return what the function wrote in every process."""
    with started(target, out, size=size, **kwargs) as processes:
        for process in processes:
            process.join(100)
        assert [process.exitcode for process in processes] == [0] * size
    files = [out / f"{size}-{rank}.pt" for rank in range(size)]
    return [torch.load(file, weights_only=False) for file in files]


def largest_difference(first: dict[str, Any], second: dict[str, Any]) -> float:
    """Return the largest difference of two sets of tensors, relative to the size of each.

    A gradient that is zero but for rounding (a bias in front of a batch norm) is compared with
    the largest one.
    """
    assert first.keys() == second.keys()
    sizes = {name: float(value.float().norm()) for name, value in second.items()}
    most = max(sizes.values())
    return max(
        float((first[name] - second[name]).float().norm()) / (size if size > most / 1e3 else most)
        for name, size in sizes.items()
    )


@pytest.mark.parametrize(
    "loss", ["heatmap_mse", pytest.param("regression", marks=pytest.mark.long)]
)
def test_the_first_gradient_is_that_of_the_whole_batch(tmp_path: Path, loss: str) -> None:
    [(alone, norms, error)] = results(several.first_gradients, tmp_path, size=1, loss=loss)
    both = results(several.first_gradients, tmp_path, size=2, loss=loss)
    assert any(name.startswith("backbone") for name in alone)
    for gradients, statistics, over_all_rows in both:
        assert largest_difference(gradients, alone) < TOLERANCE
        assert largest_difference(statistics, norms) < TOLERANCE
        assert largest_difference(over_all_rows, error) < TOLERANCE


def test_so_is_that_of_labels_and_of_one_sequence_each(tmp_path: Path) -> None:
    both = results(several.first_gradients, tmp_path, size=2, loss="heatmap_mse", video=True)
    expected = gradient_on_two_sequences()
    for gradients, *_ in both:
        assert largest_difference(gradients, expected) < TOLERANCE


def gradient_on_two_sequences() -> dict[str, torch.Tensor]:
    """Return the gradient of labels and two sequences in one process, losses pooled over both."""
    config = several.settings(max_steps=1, max_epochs=None, unfreezing_epoch=0)
    tracker = several.tracker_for(config, loss="heatmap_mse", video=True).train()
    labeled = next(iter(several.SharedLoader(8, batch_size=8, rank=0, size=1)))
    videos = [next(iter(several.TinyVideo(10, seed=seed))) for seed in (0, 1)]
    frames = len(videos[0].frame_ids)
    both = VideoBatch(
        frames=torch.cat([video.frames for video in videos]),
        net_to_image=torch.cat([video.net_to_image for video in videos]),
        frame_ids=torch.arange(2 * frames),
    )
    terms, counts = [], []
    with tracker.one_pass(labeled, both):
        total = tracker.losses(tracker.get_loss_inputs_labeled(labeled))[0].weighted
        inputs = tracker.get_loss_inputs_unlabeled(both)
    for part in (slice(0, frames), slice(frames, None)):
        own = {name: value[part] for name, value in inputs.items()}
        terms.append(tracker.unsupervised_losses(own)[0].weighted)
        sure = is_sure(own["confidences"], threshold=several.UNSURE)
        counts.append((sure[1:] & sure[:-1]).sum())
    assert counts[0] != counts[1]
    pooled = sum(t * n for t, n in zip(terms, counts, strict=True)) / sum(counts)
    assert pooled.detach() > 0
    (total + pooled).backward()
    return {n: p.grad for n, p in tracker.named_parameters() if p.grad is not None}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Any]]:
    out = tmp_path_factory.mktemp("pair")
    return out, results(several.whole_training, out, size=2)


def test_all_processes_end_with_the_same_weights(pair: tuple[Path, list[Any]]) -> None:
    first, second = pair[1]
    assert first["weights"].keys() == second["weights"].keys()
    for name, value in first["weights"].items():
        assert torch.equal(value, second["weights"][name]), name


def test_all_see_the_validation_error_over_all_rows(pair: tuple[Path, list[Any]]) -> None:
    out, (first, second) = pair
    assert first["seen"]["val_pixel_error"] == second["seen"]["val_pixel_error"]
    best = torch.load(out / "run/checkpoints/last.ckpt", weights_only=True)["callbacks"]
    kept = next(state for name, state in best.items() if "Checkpoints" in name)
    assert kept["best_error"] == min(first["seen"]["val_pixel_error"])


def test_each_draws_random_numbers_of_its_own(pair: tuple[Path, list[Any]]) -> None:
    first, second = pair[1]
    assert not set(first["seen"]["drawn"]) & set(second["seen"]["drawn"])


def test_one_of_them_writes(pair: tuple[Path, list[Any]]) -> None:
    run = pair[0] / "run"
    assert sorted(file.name for file in (run / "checkpoints").iterdir()) == [
        "best.ckpt",
        "last.ckpt",
    ]
    assert len(list((run / "tb_logs").iterdir())) == 1


def test_a_resumed_training_ends_where_the_whole_one_does(
    pair: tuple[Path, list[Any]], tmp_path: Path
) -> None:
    length = {"lr_scheduler_params": {"milestones": []}}
    whole = results(several.whole_training, tmp_path / "a", size=2, **length)
    results(several.whole_training, tmp_path / "b", size=2, epochs=3, **length)
    carried_on = results(several.whole_training, tmp_path / "b", size=2, resume=True, **length)
    for first, second in zip(carried_on, whole, strict=True):
        for name, value in first["weights"].items():
            assert torch.equal(value, second["weights"][name]), name


def test_a_loss_that_breaks_in_one_process_stops_all_with_its_images(tmp_path: Path) -> None:
    first, second = results(several.whole_training, tmp_path, size=2, nan_in_row=7)
    assert first["error"] == second["error"]
    assert "The loss became nan" in first["error"]
    assert "7" in first["error"]


@pytest.mark.long
def test_early_stopping_is_agreed_on(tmp_path: Path) -> None:
    changes = {"early_stopping": True, "early_stop_patience": 1, "min_epochs": 1, "epochs": 30}
    changes |= {"optimizer_params": {"learning_rate": 1e-9}}
    first, second = results(several.whole_training, tmp_path, size=2, **changes)
    assert first["outcome"] == second["outcome"] == "stopped early"
    assert first["epochs"] == second["epochs"] < 30
