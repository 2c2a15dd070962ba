"""Unlabelled video beside labelled frames: which batches come when, and how much they count."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import lightning.pytorch as pl
import torch

from lightning_pose.contracts.batches import LabeledBatch, PairedBatch
from lightning_pose.contracts.errors import ConfigError
from lightning_pose.models.base import BaseSupervisedTracker, SemiSupervisedTrackerMixin
from lightning_pose.training.speed import Loader

FEWEST_STEPS = 10
Importance = Callable[[int], float]


@dataclass(frozen=True, kw_only=True)
class UnlabeledVideo:
    """What a training learns from unlabelled video.

    Attributes:
        train: sequences, other ones in each epoch.
        importance: the factor of all losses on them, by epoch.
        val: sequences, as they are, on which the losses are looked at in each validation; they are
            read once and kept. None = they are not looked at.
    """

    train: Loader
    importance: Importance
    val: Loader | None = None


def steps_per_epoch(num_labeled_batches: int) -> int:
    """Return the steps of an epoch with unlabelled video: few labels do not make it shorter.

    Example:
        >>> steps_per_epoch(5), steps_per_epoch(25)
        (10, 25)
    """
    return max(FEWEST_STEPS, num_labeled_batches)


class PairedLoader:
    """Labelled and unlabelled batches side by side; the shorter loader starts again.

    Each new start is an epoch of its own to the loader, with its own order and augmentation. While
    video does not count yet, in epochs of importance 0, labelled batches come alone: it is neither
    read nor predicted.

    Args:
        labeled: yields :class:`LabeledBatch`.
        video: what else is learnt from.
    """

    batch_sampler = None  # Lightning looks for it wherever there is a sampler

    def __init__(self, labeled: Loader, video: UnlabeledVideo) -> None:
        self.labeled = labeled
        self.video = video
        self.epoch = 0

    def __len__(self) -> int:
        """Return the number of steps an epoch; none without labelled batches."""
        if not len(self.labeled):
            return 0
        return max(steps_per_epoch(len(self.labeled)), len(self.video.train))

    @property
    def sampler(self) -> PairedLoader:
        """Return the loader: it is where Lightning looks for :meth:`set_epoch`."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that comes next, for both."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[LabeledBatch | PairedBatch]:
        steps = len(self)
        labeled = again_and_again(self.labeled, epoch=self.epoch, steps=steps)
        if not self.video.importance(self.epoch):
            yield from labeled
            return
        unlabeled = again_and_again(self.video.train, epoch=self.epoch, steps=steps)
        for ours, theirs in zip(labeled, unlabeled, strict=True):
            yield PairedBatch(labeled=ours, unlabeled=theirs)


def again_and_again(loader: Loader, *, epoch: int, steps: int) -> Iterator[Any]:
    """Yield exactly ``steps`` batches, a function of ``epoch`` if the loader's are.

    Passes over the loader are numbered through all epochs.
    """
    passes = -(-steps // len(loader))
    left = steps
    for number in range(epoch * passes, (epoch + 1) * passes):
        loader.set_epoch(number)
        for batch in loader:
            yield batch
            left -= 1
            if not left:
                return


class ValidationLoader:
    """Labelled batches, then the same sequences of video each time.

    Args:
        labeled: validation frames; None or empty = there are none.
        video: sequences; read once, and kept where they are.
    """

    batch_sampler = None  # Lightning looks for it wherever there is a sampler

    def __init__(self, labeled: Loader | None, video: Loader) -> None:
        self.labeled = labeled
        self.video = video
        self._kept: list[Any] | None = None

    def __len__(self) -> int:
        """Return the number of batches of both kinds."""
        return len(self.video) + (len(self.labeled) if self.labeled is not None else 0)

    @property
    def sampler(self) -> ValidationLoader:
        """Return the loader: it is where Lightning looks for :meth:`set_epoch`."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Tell the labelled loader; the sequences do not change."""
        if self.labeled is not None:
            self.labeled.set_epoch(epoch)

    def __iter__(self) -> Iterator[Any]:
        if self.labeled is not None and len(self.labeled):
            yield from self.labeled
        if self._kept is None:
            self._kept = list(self.video)
        yield from self._kept


class Annealing(pl.Callback):
    """Tells the tracker how much unlabelled video counts in each epoch."""

    def __init__(self, video: UnlabeledVideo) -> None:
        self.video = video

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Try the losses on one sequence: they may count only in an hour, but must work now."""
        if isinstance(pl_module, SemiSupervisedTrackerMixin):
            batch = next(iter(self.video.val or self.video.train))
            pl_module.eval()
            with torch.no_grad():
                pl_module.video_terms(batch.to(pl_module.device))
            pl_module.train()

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Set the importance by the number of the epoch alone."""
        if isinstance(pl_module, BaseSupervisedTracker):
            pl_module.unsupervised_importance = self.video.importance(trainer.current_epoch)


def check_video(
    tracker: BaseSupervisedTracker, video: UnlabeledVideo | None, *, epochs: int
) -> None:
    """Raise ConfigError if tracker and video do not belong together, or video never counts."""
    learns = isinstance(tracker, SemiSupervisedTrackerMixin)
    if learns and video is None:
        raise ConfigError(
            "The tracker has losses on unlabelled video, but the training was given none. Pass "
            "`unlabeled` to fit, or build the tracker without unsupervised_losses."
        )
    if video is None:
        return
    if not learns:
        raise ConfigError(
            "The training was given unlabelled video, but the tracker has no losses for it. Name "
            "some in model.losses_to_use, or pass `unsupervised_losses` to build_tracker."
        )
    if not len(video.train):
        raise ConfigError("There is no unlabelled video to learn from. Look at data.video_dir.")
    if max(video.importance(epoch) for epoch in range(epochs)) <= 0:
        raise ConfigError(
            f"The losses on unlabelled video would never count: callbacks.anneal_weight is 0 "
            f"through all {epochs} epochs of the training. Set its freeze_until_epoch below "
            f"{epochs - 1}, or init_val above 0."
        )
