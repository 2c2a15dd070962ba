"""What a training leaves behind, stops at and says."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny import TinyLoader, settings, tiny_tracker, train_tiny

from lightning_pose.contracts.errors import ConfigError, DataError, TrainingError, WriteError
from lightning_pose.models.build import load_tracker, network_weights
from lightning_pose.training import checkpoint_files
from lightning_pose.training.run_lock import locked


class Watcher(pl.Callback):
    """Notes what the optimiser looks like at the end of each epoch."""

    def __init__(self) -> None:
        self.rates: list[tuple[float, float]] = []
        self.backbone_moved: list[bool] = []
        self.backbone_has_statistics: list[bool] = []
        self.batches = 0
        self._before: list[torch.Tensor] = []

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        self._before = [p.detach().clone() for p in pl_module.backbone.parameters()]

    def on_train_batch_end(self, *_: Any) -> None:
        self.batches += 1

    def on_validation_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        (optimizer,) = trainer.optimizers
        now = list(pl_module.backbone.parameters())
        pairs = zip(self._before, now, strict=True)
        self.backbone_moved.append(any(not torch.equal(a, b) for a, b in pairs))
        self.backbone_has_statistics.append(any(p in optimizer.state for p in now))

    def on_train_epoch_start_rates(self, trainer: pl.Trainer) -> None:
        head, backbone = trainer.optimizers[0].param_groups
        self.rates.append((head["lr"], backbone["lr"]))

    def on_train_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        if self.batches % trainer.num_training_batches == 0:
            self.on_train_epoch_start_rates(trainer)


def values(run_dir: Path, tag: str) -> list[tuple[int, float]]:
    events = EventAccumulator(str(run_dir / "tb_logs")).Reload()
    return [(event.step, event.value) for event in events.Scalars(tag)]


def scalars(run_dir: Path) -> dict[str, list[int]]:
    tags = EventAccumulator(str(run_dir / "tb_logs")).Reload().Tags()["scalars"]
    return {tag: [step for step, _ in values(run_dir, tag)] for tag in tags}


def test_training_lowers_the_pixel_error(tmp_path: Path) -> None:
    config = settings(max_epochs=20)
    first = train_tiny(tmp_path / "short", settings(max_epochs=1))
    result = train_tiny(tmp_path / "long", config)
    assert result.outcome == "finished"
    assert (result.epochs, result.steps) == (20, 60)
    assert result.val_pixel_error < first.val_pixel_error / 2


def test_the_same_seeds_give_the_same_weights_bit_for_bit(tmp_path: Path) -> None:
    runs = [train_tiny(tmp_path / name).last_checkpoint for name in ("first", "second")]
    first, second = (torch.load(run, weights_only=True)["state_dict"] for run in runs)
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_another_seed_gives_other_weights(tmp_path: Path) -> None:
    first = train_tiny(tmp_path / "first")
    config = settings(rng_seed_model_pt=1)  # the initial weights stay: only dropout differs
    second = train_tiny(tmp_path / "second", config)
    assert first.val_pixel_error != second.val_pixel_error


def test_the_best_checkpoint_holds_the_weights_of_the_best_validation(tmp_path: Path) -> None:
    class Collect(pl.Callback):
        def __init__(self) -> None:
            self.seen: list[tuple[float, dict[str, torch.Tensor]]] = []

        def on_validation_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
            weights = {k: v.clone() for k, v in network_weights(pl_module).items()}
            self.seen.append((float(trainer.callback_metrics["val_pixel_error"]), weights))

    collect = Collect()
    config = settings(max_epochs=8, optimizer_params={"learning_rate": 0.2})
    result = train_tiny(tmp_path, config, callbacks=[collect])
    errors = [error for error, _ in collect.seen]
    best = errors.index(min(errors))
    assert (result.val_pixel_error, result.best_epoch) == (errors[best], best)
    loaded = load_tracker(result.best_checkpoint)
    weights = network_weights(loaded)
    assert all(torch.equal(weights[k], v) for k, v in collect.seen[best][1].items())


def test_every_checkpoint_opens_with_weights_only(tmp_path: Path) -> None:
    train_tiny(tmp_path, settings(ckpt_every_n_epochs=2))
    names = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert names == ["best.ckpt", "epoch_0002.ckpt", "epoch_0004.ckpt", "last.ckpt"]
    for name in names:
        path = tmp_path / "checkpoints" / name
        assert "litpose" in torch.load(path, weights_only=True)
        assert load_tracker(path).spec.keypoint_names == ("nose", "tail")


def test_the_backbone_is_frozen_until_its_epoch_and_then_warms_up(tmp_path: Path) -> None:
    watcher = Watcher()
    config = settings(
        max_epochs=9, unfreezing_epoch=2, lr_scheduler_params={"milestones": [5], "gamma": 0.5}
    )
    train_tiny(tmp_path, config, callbacks=[watcher])
    assert watcher.backbone_moved == [False, False] + [True] * 7
    assert watcher.backbone_has_statistics == [False, False] + [True] * 7
    head = [0.01] * 5 + [0.005] * 4
    shares = [0, 0, 0.1, 0.15, 0.225, 0.3375, 0.50625, 0.759375, 1.0]
    assert [rate for rate, _ in watcher.rates] == pytest.approx(head)
    assert [rate for _, rate in watcher.rates] == pytest.approx(
        [h * s for h, s in zip(head, shares, strict=True)]
    )


def test_training_may_be_given_in_steps(tmp_path: Path) -> None:
    config = settings(max_epochs=None, max_steps=7, unfreezing_epoch=None, unfreezing_step=4)
    watcher = Watcher()
    result = train_tiny(tmp_path, config, callbacks=[watcher])
    assert (result.steps, result.epochs, watcher.batches) == (7, 3, 7)
    assert watcher.backbone_moved == [False, False, True]
    assert result.val_pixel_error is not None


def test_batches_may_be_limited_and_gradients_accumulated(tmp_path: Path) -> None:
    watcher = Watcher()
    config = settings(
        max_epochs=2, limit_train_batches=4, accumulate_grad_batches=3, gradient_clip_val=0.1
    )
    loader = TinyLoader(20)
    result = train_tiny(tmp_path, config, train_loader=loader, callbacks=[watcher])
    assert (watcher.batches, result.steps) == (8, 4)


def test_the_last_epoch_is_validated_whatever_its_number(tmp_path: Path) -> None:
    result = train_tiny(tmp_path, settings(max_epochs=4, check_val_every_n_epoch=3))
    assert scalars(tmp_path)["val_pixel_error"] == [8, 11]
    assert result.epochs == 4


def test_early_stopping_waits_for_min_epochs(tmp_path: Path) -> None:
    blind = TinyLoader(5, nan_in_row=0)  # its error is NaN, so no validation is ever better
    config = settings(max_epochs=9, early_stopping=True, early_stop_patience=2, min_epochs=4)
    result = train_tiny(tmp_path, config, val_loader=blind)
    assert (result.outcome, result.epochs) == ("stopped early", 4)


def test_early_stopping_that_cannot_act_is_noted(tmp_path: Path) -> None:
    result = train_tiny(tmp_path, settings(max_epochs=2, early_stopping=True))
    assert "Early stopping could not act" in result.notes[0]


@pytest.mark.parametrize("empty", [None, TinyLoader(0)])
def test_without_validation_frames_the_last_weights_are_the_best(
    tmp_path: Path, empty: TinyLoader | None
) -> None:
    result = train_tiny(tmp_path, settings(max_epochs=2), val_loader=empty)
    best = torch.load(result.best_checkpoint, weights_only=True)["state_dict"]
    last = torch.load(result.last_checkpoint, weights_only=True)["state_dict"]
    assert all(torch.equal(best[key], last[key]) for key in best)
    assert result.val_pixel_error is None
    assert "There are no validation frames" in result.notes[0]


def test_curves_are_written_for_tensorboard(tmp_path: Path) -> None:
    config = settings(
        max_epochs=4, check_val_every_n_epoch=2, lr_scheduler_params={"milestones": [9]}
    )
    train_tiny(tmp_path, config)
    tags = scalars(tmp_path)
    assert tags["train_supervised_loss"] == [1, 3, 5, 7, 9, 11]
    assert tags["val_pixel_error"] == [5, 11]
    assert tags["lr_head"] == tags["lr_backbone"] == [2, 5, 8, 11]
    assert [round(rate, 5) for _, rate in values(tmp_path, "lr_backbone")] == [0, 0, 1e-3, 1.5e-3]
    assert {"train_heatmap_mse_loss", "train_heatmap_mse_loss_weighted", "total_loss"} <= set(tags)


def test_a_disk_that_refuses_the_curves_does_not_stop_training(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "tb_logs").write_text("in the way")
    assert train_tiny(tmp_path).outcome == "finished"
    assert [record.message for record in caplog.records if "curves" in record.message] == [
        f"No more curves are written to {tmp_path / 'tb_logs'}: [Errno 17] File exists: "
        f"'{tmp_path / 'tb_logs'}'"
    ]


def test_a_run_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match=r"run directory .*file/run cannot be written"):
        train_tiny(tmp_path / "file" / "run")


def test_a_broken_loss_names_the_images_and_keeps_the_good_checkpoint(tmp_path: Path) -> None:
    class Spoil(pl.Callback):
        def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
            loader.nan_in_row = 7 if trainer.current_epoch == 2 else -1

    loader = TinyLoader()
    with pytest.raises(TrainingError) as caught:
        train_tiny(
            tmp_path,
            train_loader=loader,
            callbacks=[Spoil()],
            name_rows=lambda rows: [f"img{row:03d}.png" for row in rows],
            save_every_s=0.0,
        )
    assert "The loss became nan in epoch 2" in str(caught.value)
    assert "img007.png" in str(caught.value)
    assert str(caught.value).count("img") == 4  # one batch, not all images
    assert "last good checkpoints are kept" in str(caught.value)
    kept = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    assert kept["epoch"] == 1
    assert all(v.isfinite().all() for v in kept["state_dict"].values())


def test_weights_broken_by_the_last_step_are_not_saved(tmp_path: Path) -> None:
    class Spoil(pl.Callback):
        def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
            if trainer.current_epoch == 2:
                next(pl_module.parameters()).data.fill_(float("inf"))

    with pytest.raises(
        TrainingError, match=r"weights became NaN or infinite in epoch 2.* of rows"
    ):
        train_tiny(tmp_path, callbacks=[Spoil()], save_every_s=0.0)
    kept = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    assert kept["epoch"] == 1


NO_SPACE = """
import resource, signal, sys
from pathlib import Path
from tiny import register_backbone, settings, train_tiny
from lightning_pose.contracts.errors import WriteError
register_backbone()
run_dir, most = Path(sys.argv[1]), int(sys.argv[2])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
try:
    train_tiny(run_dir, settings(max_epochs=2), resume_from=run_dir)
except WriteError as error:
    sys.exit(f"refused: {error}")
"""


@pytest.mark.parametrize("full_for", ["best.ckpt", "last.ckpt"])
def test_a_full_disk_keeps_what_was_there(tmp_path: Path, checkout: Path, full_for: str) -> None:
    result = train_tiny(tmp_path, settings(max_epochs=1))
    before = result.last_checkpoint.read_bytes()
    most = (tmp_path / "checkpoints" / full_for).stat().st_size * 9 // 10
    done = subprocess.run(
        [sys.executable, "-c", NO_SPACE, str(tmp_path), str(most)],
        env=os.environ | {"PYTHONPATH": f"{Path(__file__).parent}:{checkout}"},
        capture_output=True,
        text=True,
    )
    assert f"refused: {tmp_path / 'checkpoints' / full_for} was not written" in done.stderr
    assert result.last_checkpoint.read_bytes() == before
    assert {p.name for p in (tmp_path / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt"}


def test_files_are_saved_only_now_and_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []
    save = torch.save
    monkeypatch.setattr(
        checkpoint_files.torch,
        "save",
        lambda content, path: (written.append(1), save(content, path)),
    )
    train_tiny(tmp_path, settings(max_epochs=15))
    assert len(written) == 4  # best.ckpt and last.ckpt, after the first epoch and at the end


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_polite_interruption_is_reported_and_can_be_resumed(
    tmp_path: Path, number: signal.Signals
) -> None:
    class Interrupt(pl.Callback):
        def on_train_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
            if trainer.current_epoch == 2:
                os.kill(os.getpid(), number)

    before = signal.getsignal(signal.SIGINT)
    result = train_tiny(tmp_path, callbacks=[Interrupt()], save_every_s=0.0)
    assert (result.outcome, result.epochs) == ("interrupted", 2)
    assert signal.getsignal(signal.SIGINT) is before
    assert train_tiny(tmp_path, resume_from=tmp_path).epochs == 4


def test_an_interruption_soon_after_the_first_epoch_leaves_that_to_carry_on_from(
    tmp_path: Path,
) -> None:
    class Interrupt(pl.Callback):
        def on_train_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
            if trainer.current_epoch == 2:
                os.kill(os.getpid(), signal.SIGINT)

    result = train_tiny(tmp_path, callbacks=[Interrupt()])
    assert result.outcome == "interrupted"
    assert torch.load(result.last_checkpoint, weights_only=True)["epoch"] == 0
    loader = TinyLoader()
    train_tiny(tmp_path, train_loader=loader, resume_from=tmp_path)
    assert loader.epochs_seen == [1, 2, 3]


HOLDER = """
import sys
from pathlib import Path
from lightning_pose.training.run_lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_run_directory_in_use_is_refused_and_free_after_a_kill(
    tmp_path: Path, checkout: Path
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=checkout,
        text=True,
    ) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(TrainingError, match=f"is being trained by process {holder.pid} on"):
            train_tiny(tmp_path)
        holder.kill()
    assert train_tiny(tmp_path, settings(max_epochs=1)).outcome == "finished"


def test_a_lock_held_twice_by_one_process_is_held_until_the_outer_end(
    tmp_path: Path, checkout: Path
) -> None:
    with locked(tmp_path):
        with locked(tmp_path):
            pass
        done = subprocess.run(
            [sys.executable, "-c", HOLDER, str(tmp_path)],
            cwd=checkout,
            capture_output=True,
            text=True,
        )
    assert f"is being trained by process {os.getpid()} on" in done.stderr


def test_no_training_frames_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="There is nothing to train on"):
        train_tiny(tmp_path, train_loader=TinyLoader(0))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_gpus": 2}, "ask for 2 processes, but `fit` was told of 1"),
        ({"num_gpus": 99, "accelerator": "auto"}, "num_gpus is 99, but this machine has"),
        ({"precision": "fp16"}, "fp16 needs a GPU"),
    ],
)
def test_a_device_that_is_not_there_is_refused(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        train_tiny(tmp_path, settings(**change))


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
@pytest.mark.parametrize("optimizer", ["Adam", "AdamW", "SGD"])
def test_every_optimiser_trains_in_every_arithmetic(
    tmp_path: Path, optimizer: str, precision: str
) -> None:
    config = settings(max_epochs=2, optimizer=optimizer, precision=precision)
    result = train_tiny(tmp_path, config, tracker=tiny_tracker(config))
    assert result.steps == 6
    assert load_tracker(result.best_checkpoint).spec.backbone == "tiny_for_test"


def test_nothing_is_left_running(tmp_path: Path) -> None:
    before = threading.active_count()
    train_tiny(tmp_path, settings(max_epochs=1))
    assert threading.active_count() <= before


def test_a_disk_that_knows_no_locks_is_told_from_another_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.lockf", refuse)
    with pytest.raises(WriteError, match="cannot be locked for the training: No locks available"):
        locked(tmp_path).__enter__()


def test_a_judge_hears_every_validation_and_ends_the_training(tmp_path: Path) -> None:
    heard: list[int] = []

    def judge(epochs_done: int, error_px: float) -> bool:
        heard.append(epochs_done)
        return epochs_done == 2

    config = settings(max_epochs=5, check_val_every_n_epoch=1)
    result = train_tiny(tmp_path, config, judge=judge)
    assert (heard, result.epochs, result.outcome) == ([1, 2], 2, "pruned")
    assert result.last_checkpoint is not None


def test_a_training_that_is_at_its_end_is_not_pruned(tmp_path: Path) -> None:
    config = settings(max_epochs=2, check_val_every_n_epoch=1)
    result = train_tiny(tmp_path, config, judge=lambda epochs_done, _: epochs_done == 2)
    assert (result.epochs, result.outcome) == (2, "finished")
