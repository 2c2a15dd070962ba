"""Labelled and unlabelled frames side by side: batches, importance, logs, early errors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from tiny import TinyLoader, TinyVideo, settings, tiny_tracker, tiny_video, train_tiny

from lightning_pose.config.schema import AnnealWeightConfig
from lightning_pose.contracts.batches import LabeledBatch, VideoBatch
from lightning_pose.contracts.errors import (
    ConfigError,
    DataError,
    ModelError,
    TrainingError,
    VideoError,
)
from lightning_pose.models.build import load_tracker
from lightning_pose.training.result import FINISHED
from lightning_pose.training.unlabeled import (
    PairedLoader,
    UnlabeledVideo,
    ValidationLoader,
    again_and_again,
)

ON_VIDEO = ("temporal",)


class Curves(pl.loggers.logger.DummyLogger):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.values: list[tuple[int | None, dict[str, float]]] = []

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.values.append((step, metrics))

    def of(self, name: str) -> list[float]:
        return [values[name] for _, values in self.values if name in values]


def train_on_video(run_dir: Path, **changes: Any) -> Any:
    config = changes.pop("config", settings())
    tracker = changes.pop("tracker", None) or tiny_tracker(config, on_video=ON_VIDEO)
    given = {"unlabeled": tiny_video()} | changes
    return train_tiny(run_dir, config, tracker=tracker, **given)


def paired(num_rows: int, *, steps: int = 10, importance: float = 1.0) -> PairedLoader:
    video = UnlabeledVideo(train=TinyVideo(steps), importance=lambda _: importance)
    return PairedLoader(TinyLoader(num_rows), video)


class VanishingVideo(TinyVideo):
    """Its file is deleted in the second epoch."""

    def __iter__(self) -> Iterator[VideoBatch]:
        for number, batch in enumerate(super().__iter__()):
            if self.epoch == 1 and number == 3:
                raise VideoError("walk.mp4 is no longer there: it was read from before.")
            yield batch


def test_a_video_that_vanishes_ends_training_with_its_last_checkpoint_kept(tmp_path: Path) -> None:
    video = UnlabeledVideo(train=VanishingVideo(), importance=lambda _: 1.0)
    with pytest.raises(
        TrainingError, match=r"walk\.mp4 is no longer there.* are kept in "
    ) as told:
        train_on_video(tmp_path, unlabeled=video, save_every_s=0.0)
    kept = sorted((tmp_path / "checkpoints").glob("*.ckpt"))
    assert kept
    assert str(tmp_path / "checkpoints") in str(told.value)
    load_tracker(kept[-1])


class TestPairedLoader:
    @pytest.mark.parametrize(
        ("num_rows", "video_steps", "steps"), [(12, 10, 10), (12, 3, 10), (100, 10, 25)]
    )
    def test_an_epoch_has_ten_steps_or_as_many_as_the_longer_loader(
        self, num_rows: int, video_steps: int, steps: int
    ) -> None:
        loader = paired(num_rows, steps=video_steps)
        batches = list(loader)
        assert len(loader) == len(batches) == steps
        assert all(set(batch) == {"labeled", "unlabeled"} for batch in batches)

    def test_without_labelled_frames_there_is_no_epoch(self) -> None:
        assert len(paired(0)) == 0

    def test_each_new_start_of_the_shorter_loader_is_an_epoch_of_its_own(self) -> None:
        loader = paired(12)
        for epoch in (0, 3):
            loader.set_epoch(epoch)
            rows = torch.cat([batch["labeled"].row_ids for batch in loader])
            assert all(set(some.tolist()) == set(range(12)) for some in rows[:36].split(12))
        assert loader.labeled.epochs_seen == [0, 1, 2, 3, 12, 13, 14, 15]
        assert loader.video.train.epochs_seen == [0, 3]

    def test_an_epoch_is_a_function_of_its_number(self) -> None:
        first, second = paired(12), paired(12)
        for epoch in (0, 1):
            first.set_epoch(epoch)
            batches = list(first)
        second.set_epoch(1)
        for one, other in zip(batches, second, strict=True):
            assert torch.equal(one["labeled"].row_ids, other["labeled"].row_ids)
            assert torch.equal(one["unlabeled"].frames, other["unlabeled"].frames)

    def test_video_that_does_not_count_is_not_read(self) -> None:
        loader = paired(12, importance=0.0)
        assert [type(batch) for batch in loader] == [LabeledBatch] * 10
        assert loader.video.train.epochs_seen == []

    def test_a_pass_is_cut_short_where_the_epoch_ends(self) -> None:
        assert len(list(again_and_again(TinyLoader(12), epoch=0, steps=4))) == 4


def test_validation_sees_the_labelled_frames_then_the_same_sequences() -> None:
    video = TinyVideo(2)
    loader = ValidationLoader(TinyLoader(5), video)
    first, second = list(loader), []
    loader.set_epoch(7)
    second = list(loader)
    assert len(loader) == 4
    assert video.epochs_seen == [0]
    assert [type(batch).__name__ for batch in first] == ["LabeledBatch"] * 2 + ["VideoBatch"] * 2
    for one, other in zip(first[2:], second[2:], strict=True):
        assert torch.equal(one.frames, other.frames)
    assert len(list(ValidationLoader(None, video))) == 2


class TestImportance:
    @pytest.mark.parametrize(
        ("epoch", "weight"),
        # by hand: 0.1 until epoch 5, then 0.25 an epoch, at most 0.8
        [(0, 0.1), (5, 0.1), (6, 0.35), (7, 0.6), (8, 0.8), (500, 0.8)],
    )
    def test_it_waits_then_rises_to_its_final_value(self, epoch: int, weight: float) -> None:
        anneal = AnnealWeightConfig(
            init_val=0.1, increase_factor=0.25, final_val=0.8, freeze_until_epoch=5
        )
        assert anneal.weight_at(epoch) == pytest.approx(weight)

    def test_by_default_it_is_half_at_epoch_110_of_300(self) -> None:
        anneal = AnnealWeightConfig(freeze_until_epoch=60)
        assert [anneal.weight_at(epoch) for epoch in (59, 60, 61, 110, 160, 299)] == [
            pytest.approx(value) for value in (0, 0, 0.01, 0.5, 1, 1)
        ]

    def test_each_epoch_trains_with_its_own(self, tmp_path: Path) -> None:
        curves = Curves()
        config = settings(max_epochs=4, log_every_n_steps=5)
        train_on_video(tmp_path, config=config, loggers=[curves])
        assert curves.of("total_unsupervised_importance") == [0, 0, 0.5, 0.5, 1, 1, 1, 1]
        weighted = curves.of("train_temporal_loss_weighted")
        assert len(weighted) == 6  # none in the first epoch
        totals = zip(
            curves.of("total_loss")[2:],
            curves.of("train_supervised_loss")[2:],
            curves.of("total_unsupervised_importance")[2:],
            weighted,
            strict=True,
        )
        for total, supervised, importance, term in totals:
            assert total == pytest.approx(supervised + importance * term, rel=1e-5)


class TestFit:
    def test_the_promised_names_are_logged(self, tmp_path: Path) -> None:
        curves = Curves()
        result = train_on_video(tmp_path, loggers=[curves])
        names = {name for _, values in curves.values for name in values}
        assert result.outcome == FINISHED
        assert result.steps == 40
        assert {
            "total_loss",
            "total_unsupervised_importance",
            "val_pixel_error",
            *(
                f"{stage}_{name}"
                for stage in ("train", "val")
                for name in ("supervised_loss", "temporal_loss", "temporal_loss_weighted")
            ),
        } <= names

    def test_the_loss_on_validation_video_falls(self, tmp_path: Path) -> None:
        curves = Curves()
        config = settings(max_epochs=8, unfreezing_epoch=0)
        train_on_video(tmp_path, config=config, loggers=[curves])
        values = curves.of("val_temporal_loss")
        assert len(values) == 8
        assert values[-1] < 0.8 * values[0]

    def test_training_on_labels_alone_is_the_same_beside_video_of_no_weight(
        self, tmp_path: Path
    ) -> None:
        """The only difference are the ten steps an epoch, so ten labelled batches are given."""
        weights = []
        for name in ("alone", "beside"):
            config, video = settings(max_epochs=3), tiny_video(lambda epoch: float(epoch > 1))
            kwargs: dict[str, Any] = {"train_loader": TinyLoader(40)}
            if name == "beside":
                tracker = tiny_tracker(config, on_video=ON_VIDEO)
                kwargs |= {"tracker": tracker, "unlabeled": video}
            train_tiny(tmp_path / name, config, callbacks=[KeepWeights(1, weights)], **kwargs)
        assert weights[0].keys() == weights[1].keys()
        assert all(torch.equal(value, weights[1][key]) for key, value in weights[0].items())

    def test_without_labelled_validation_frames_the_last_weights_are_kept(
        self, tmp_path: Path
    ) -> None:
        config = settings(early_stopping=True, early_stop_patience=1, min_epochs=1)
        result = train_on_video(tmp_path, config=config, val_loader=None)
        assert (result.outcome, result.epochs) == (FINISHED, 4)
        assert "no validation frames" in result.notes[0]
        assert result.best_checkpoint.is_file()

    def test_what_losses_learnt_is_in_the_checkpoints(self, tmp_path: Path) -> None:
        tracker = tiny_tracker(settings(), on_video=("pca_singleview", "temporal"))
        tracker.unsupervised_losses.fit(made_up_labels())
        result = train_on_video(tmp_path, tracker=tracker)
        for path in (result.best_checkpoint, result.last_checkpoint):
            content = torch.load(path, weights_only=True)
            kept = content.get("losses", content["state_dict"])
            assert any(key.startswith("unsupervised_losses.") for key in kept)
            assert load_tracker(path).unsupervised_losses is None


class KeepWeights(pl.Callback):
    """Keeps a copy of the weights at the end of an epoch."""

    def __init__(self, epoch: int, kept: list[dict[str, torch.Tensor]]) -> None:
        self.epoch = epoch
        self.kept = kept

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.current_epoch == self.epoch:
            state = pl_module.state_dict()
            self.kept.append({key: value.clone() for key, value in state.items()})


def made_up_labels() -> torch.Tensor:
    line = torch.rand(40, 1, 1, generator=torch.Generator().manual_seed(0))
    other = torch.rand(40, 2, 2, generator=torch.Generator().manual_seed(1))
    return 100 * line + other


class TestRefusals:
    def test_losses_that_never_count(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="would never count: callbacks"):
            train_on_video(tmp_path, unlabeled=tiny_video(lambda _: 0.0))

    def test_video_for_a_tracker_without_losses_on_it(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="the tracker has no losses for it"):
            train_tiny(tmp_path, unlabeled=tiny_video())

    def test_losses_on_video_without_video(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="the training was given none"):
            train_on_video(tmp_path, unlabeled=None)

    def test_no_labelled_frames(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="There is nothing to train on"):
            train_on_video(tmp_path, train_loader=TinyLoader(0))

    def test_no_video(self, tmp_path: Path) -> None:
        video = UnlabeledVideo(train=TinyVideo(0), importance=lambda _: 1.0)
        with pytest.raises(ConfigError, match="no unlabelled video to learn from"):
            train_on_video(tmp_path, unlabeled=video, save_every_s=0.0)

    def test_a_loss_that_was_not_fitted_before_the_first_step(self, tmp_path: Path) -> None:
        tracker = tiny_tracker(settings(), on_video=("pca_singleview",))
        steps: list[int] = []
        with pytest.raises(ModelError, match="has not learnt from labels yet"):
            train_on_video(
                tmp_path,
                tracker=tracker,
                unlabeled=tiny_video(lambda epoch: float(epoch > 2)),
                callbacks=[Count(steps)],
            )
        assert steps == []


class Count(pl.Callback):
    """Counts the steps."""

    def __init__(self, steps: list[int]) -> None:
        self.steps = steps

    def on_train_batch_start(self, *_: Any) -> None:
        self.steps.append(1)
