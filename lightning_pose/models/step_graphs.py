"""Replaying all that a training step computes, from the images to the losses, as a CUDA graph."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from lightning_pose.contracts.batches import Batch, LabeledBatch, PairedBatch
from lightning_pose.contracts.loss_inputs import LossTerm, StepTerms
from lightning_pose.models.cuda_graphs import TrainingGraphs

if TYPE_CHECKING:
    from lightning_pose.models.base import BaseSupervisedTracker


class StepGraphs:
    """The losses of a tracker's training steps, captured per kind and shape of batch.

    Args:
        tracker: whose ``training_terms`` is captured; its class and its losses must be replayable.
    """

    def __init__(self, tracker: BaseSupervisedTracker) -> None:
        self._step = _Step(tracker)
        self._graphs = TrainingGraphs(self._step, what="The training step")

    def replay(self, batch: LabeledBatch | PairedBatch) -> StepTerms | None:
        """Return the terms of a batch, or None: see :meth:`TrainingGraphs.replay`."""
        parts: tuple[Batch, ...]
        if isinstance(batch, LabeledBatch):
            parts = (batch,)
        else:
            parts = batch["labeled"], batch["unlabeled"]
        self._step.parts = parts  # looked at while capturing
        result = self._graphs.replay(*(tensor for part in parts for tensor in part.tensors()))
        if result is None:
            return None
        weighted, raw = (values.clone() for values in result)  # the next replay overwrites these
        names, num_labeled = self._step.terms[len(parts)]
        terms = [LossTerm(*term) for term in zip(names, raw, weighted, strict=True)]
        return StepTerms(terms[:num_labeled], terms[num_labeled:])


class _Step(nn.Module):
    """From the tensors of a batch to the weighted and the raw values of all terms.

    Attributes:
        parts: batches like those that the tensors come from.
        terms: names of the terms, and how many of them are of labelled frames, by how many
            batches make one step.
    """

    def __init__(self, tracker: BaseSupervisedTracker) -> None:
        super().__init__()
        self.tracker = tracker
        self.parts: tuple[Batch, ...] = ()
        self.terms: dict[int, tuple[list[str], int]] = {}

    def forward(self, *tensors: Tensor) -> tuple[Tensor, Tensor]:
        left = iter(tensors)
        parts: list[Any] = [part.with_tensors(left) for part in self.parts]
        batch = parts[0] if len(parts) == 1 else PairedBatch(labeled=parts[0], unlabeled=parts[1])
        with _without_graphs(self.tracker):
            labeled, video = self.tracker.training_terms(batch)
        terms = [*labeled, *video]
        self.terms[len(parts)] = [term.name for term in terms], len(labeled)
        return (
            torch.stack([term.weighted for term in terms]),
            torch.stack([term.raw for term in terms]),
        )


@contextmanager
def _without_graphs(tracker: BaseSupervisedTracker) -> Iterator[None]:
    """Keep the backbone from being captured for itself meanwhile."""
    tracker.use_cuda_graphs = False
    try:
        yield
    finally:
        tracker.use_cuda_graphs = True
