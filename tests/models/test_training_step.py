"""What a tracker does inside Lightning: logged names, exact means, checkpoints, broken losses."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch

from lightning_pose.contracts.batches import LabeledBatch
from lightning_pose.contracts.model_spec import ModelSpec
from lightning_pose.models.base import BaseSupervisedTracker
from lightning_pose.models.build import load_tracker
from lightning_pose.models.running_means import RunningMeans

Build = Callable[..., BaseSupervisedTracker]
Spots = Callable[..., LabeledBatch]


class Logged(pl.loggers.logger.DummyLogger):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.values: list[tuple[int | None, dict[str, float]]] = []

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.values.append((step, metrics))

    def of(self, name: str) -> list[float]:
        return [values[name] for _, values in self.values if name in values]


def trainer(logger: Logged, **settings: Any) -> pl.Trainer:
    return pl.Trainer(
        accelerator="cpu",
        logger=logger,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        **{"enable_checkpointing": False, "max_epochs": 2, "log_every_n_steps": 2} | settings,
    )


class Loader:
    """Yields the same batches in every epoch."""

    def __init__(self, batches: list[LabeledBatch]) -> None:
        self.batches = batches

    def __iter__(self) -> Iterator[LabeledBatch]:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)


def batches(tracker: BaseSupervisedTracker, spots: Spots, *sizes: int) -> list[LabeledBatch]:
    return [spots(tracker.data_spec, rows=n, seed=i) for i, n in enumerate(sizes)]


@pytest.mark.filterwarnings("ignore:You defined a `validation_step` but have no `val_dataloader`")
@pytest.mark.filterwarnings("ignore:The number of training batches")
@pytest.mark.filterwarnings("ignore:`isinstance.treespec")  # Lightning 2.6 on torch 2.15
class TestFit:
    def test_the_promised_names_are_logged(
        self, spec: ModelSpec, build: Build, spots: Spots
    ) -> None:
        tracker, logger = build(spec), Logged()
        data = batches(tracker, spots, 4, 4, 4)
        trainer(logger).fit(tracker, Loader(data), Loader(data[:1]))
        names = {name for _, values in logger.values for name in values}
        assert names == {
            "epoch",
            "total_loss",
            *(f"{stage}_supervised_loss" for stage in ("train", "val")),
            *(f"{stage}_heatmap_mse_loss" for stage in ("train", "val")),
            *(f"{stage}_heatmap_mse_loss_weighted" for stage in ("train", "val")),
            "val_pixel_error",
        }
        assert [step for step, values in logger.values if "total_loss" in values] == [1, 3, 5]
        for raw, weighted in zip(
            logger.of("train_heatmap_mse_loss"),
            logger.of("train_heatmap_mse_loss_weighted"),
            strict=True,
        ):
            assert weighted == pytest.approx(raw / 2)

    def test_validation_means_are_exact_over_batches_of_unequal_size(
        self, spec: ModelSpec, build: Build, spots: Spots
    ) -> None:
        tracker, logger = build(spec), Logged()
        data = batches(tracker, spots, 5, 2, 1)
        data[0].keypoints_net[1, 0, 0] = torch.nan
        data[2].keypoints_net[:] = torch.nan
        trainer(logger).validate(tracker, Loader(data), verbose=False)
        distances, losses = [], []
        with torch.inference_mode():
            for batch in data:
                found, _ = tracker.eval().predict_batch(batch)
                distances.append((found - 2 * batch.keypoints_net[:, 0]).norm(dim=-1).flatten())
                losses.append(len(batch.row_ids) * tracker.evaluate_labeled(batch, "val").item())
        together = torch.cat(distances)
        assert logger.of("val_pixel_error") == [pytest.approx(together.nanmean().item(), rel=1e-5)]
        assert together.isnan().sum() == 3
        assert logger.of("val_supervised_loss") == [pytest.approx(sum(losses) / 8, rel=1e-5)]

    def test_without_any_label_the_pixel_error_is_unknown(
        self, spec: ModelSpec, build: Build, spots: Spots
    ) -> None:
        tracker, logger = build(spec), Logged()
        data = batches(tracker, spots, 2)
        data[0].keypoints_net[:] = torch.nan
        trainer(logger).validate(tracker, Loader(data), verbose=False)
        assert math.isnan(logger.of("val_pixel_error")[0])

    def test_the_test_set_has_names_of_its_own(
        self, spec: ModelSpec, build: Build, spots: Spots
    ) -> None:
        tracker, logger = build(spec), Logged()
        trainer(logger).test(tracker, Loader(batches(tracker, spots, 2)), verbose=False)
        assert logger.of("test_pixel_error")
        assert logger.of("test_supervised_loss")

    def test_a_lightning_checkpoint_loads_without_anything_else(
        self, spec: ModelSpec, build: Build, spots: Spots, tmp_path: Path
    ) -> None:
        tracker = build(spec)
        data = batches(tracker, spots, 4)
        run = trainer(Logged(), max_epochs=1)
        run.fit(tracker, Loader(data))
        run.save_checkpoint(tmp_path / "last.ckpt")
        torch.load(tmp_path / "last.ckpt", weights_only=True)
        loaded = load_tracker(tmp_path / "last.ckpt")
        assert loaded.spec == spec
        with torch.inference_mode():
            theirs, ours = (t.eval().predict_batch(data[0])[0] for t in (loaded, tracker))
        assert torch.equal(theirs, ours)

    def test_the_pixel_error_falls_in_training(
        self, spec: ModelSpec, build: Build, spots: Spots
    ) -> None:
        tracker, logger = build(spec, pretrained=True), Logged()
        data = batches(tracker, spots, 8)
        run = trainer(logger, max_epochs=30, check_val_every_n_epoch=10)
        run.fit(tracker, Loader(data), Loader(data))
        first, *_, last = logger.of("val_pixel_error")
        assert last < 0.5 * first


class TestBrokenLoss:
    def test_the_rows_of_the_first_broken_step_are_told(
        self, spec: ModelSpec, build: Build, spots: Spots
    ) -> None:
        tracker = build(spec).train()
        good = spots(tracker.data_spec, rows=2)
        images = torch.full_like(good.images, torch.nan)
        bad = dataclasses.replace(good, images=images, row_ids=torch.tensor([7, 11]))
        for batch in (good, bad, good):
            tracker.training_step(batch)
        broken = tracker.take_broken_step()
        assert broken is not None
        assert math.isnan(broken.loss)
        assert broken.row_ids == (7, 11)
        assert tracker.take_broken_step() is None

    def test_sound_steps_are_not_reported(
        self, spec: ModelSpec, build: Build, spots: Spots
    ) -> None:
        tracker = build(spec).train()
        assert tracker.last_row_ids is None
        tracker.training_step(spots(tracker.data_spec, rows=2))
        assert tracker.last_row_ids is not None
        assert tracker.last_row_ids.tolist() == [0, 1]
        assert tracker.take_broken_step() is None


class TestRunningMeans:
    def test_means_weigh_by_count_and_start_again(self) -> None:
        means = RunningMeans()
        means.add("error", torch.tensor(6.0), 3)
        means.add("error", torch.tensor(10.0), torch.tensor(1))
        means.add("nothing", torch.tensor(0.0), 0)
        taken = means.take()
        assert taken["error"].item() == 4.0
        assert taken["nothing"].isnan()
        assert means.take() == {}
