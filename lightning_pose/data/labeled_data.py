"""A labelled data set ready to train on: tables, split, decoded images, loaders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lightning_pose.config.schema import DataConfig, TrainingConfig
from lightning_pose.contracts.batches import DataSpec
from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.data.augmentation import build_augmenter, find_hflip_pairs
from lightning_pose.data.bboxes import Box, boxes_of, read_bboxes
from lightning_pose.data.context import inspect_context
from lightning_pose.data.fingerprint import data_fingerprint
from lightning_pose.data.image_cache import ImageCache, OnProgress
from lightning_pose.data.label_checks import (
    LabelReport,
    inspect_positions,
    inspect_table,
    without_outside,
)
from lightning_pose.data.labels import read_labels
from lightning_pose.data.loaders import Augment, LabeledLoader
from lightning_pose.data.out_of_distribution import read_ood_tables
from lightning_pose.data.splits import TRAIN, VALIDATION, Split, split_rows
from lightning_pose.data.views import check_views_match


@dataclass(frozen=True, kw_only=True)
class LabeledData:
    """A labelled data set: what is labelled, who trains on it, and its decoded images.

    Attributes:
        tables: one a view, with the same rows.
        split: which rows train, validate, test.
        cache: the decoded images.
        augment: random changes of training frames; None = none.
        batch_sizes: rows a batch in train, validation and test.
        seed: of the order and augmentation of training frames.
        ood_tables: labels of new sessions, one table a view, by suffix ("new", "test").
        warnings: what the user should know about the data.
    """

    tables: tuple[LabelTable, ...]
    split: Split
    cache: ImageCache
    augment: Augment | None = None
    batch_sizes: tuple[int, int, int] = (16, 32, 32)
    seed: int = 0
    ood_tables: Mapping[str, tuple[LabelTable, ...]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def keypoint_names(self) -> tuple[str, ...]:
        """Return the keypoints of a view, in column order."""
        return self.tables[0].keypoint_names

    def train_loader(self, *, rank: int = 0, world_size: int = 1) -> LabeledLoader:
        """Return batches of the training rows, shuffled and augmented anew each epoch.

        Args:
            rank: which of the processes that train together asks.
            world_size: how many there are; they share each batch.
        """
        return LabeledLoader(
            self.cache,
            self.split.rows(TRAIN),
            batch_size=self.batch_sizes[0],
            shuffle=True,
            seed=self.seed,
            augment=self.augment,
            rank=rank,
            world_size=world_size,
        )

    def val_loader(self, *, rank: int = 0, world_size: int = 1) -> LabeledLoader:
        """Return batches of the validation rows, as they are and in table order.

        Several processes share the rows; where there are fewer rows than processes each takes
        all, so that none waits for one without any. The means over them are the same.
        """
        rows = self.split.rows(VALIDATION)
        if len(rows) < world_size:
            rank, world_size = 0, 1
        return LabeledLoader(
            self.cache,
            rows,
            batch_size=self.batch_sizes[1],
            rank=rank,
            world_size=world_size,
        )

    def predict_loader(self) -> LabeledLoader:
        """Return batches of all rows, as they are and in table order."""
        return LabeledLoader(
            self.cache, np.arange(len(self.cache)), batch_size=self.batch_sizes[2]
        )

    @property
    def images(self) -> tuple[Path, ...]:
        """Return the labelled images of all views."""
        return tuple(table.path(row) for table in self.tables for row in range(len(table)))

    def fingerprint(self) -> dict[str, dict[str, Any]]:
        """Return hashes of labels and images (see :func:`data_fingerprint`)."""
        return data_fingerprint(self.tables, digests=self.cache.digests)


def build_labeled_data(
    data: DataConfig,
    training: TrainingConfig,
    spec: DataSpec,
    *,
    device: torch.device | str = "cpu",
    base_dir: Path | None = None,
    on_progress: OnProgress | None = None,
) -> LabeledData:
    """Return the labelled data set a configuration describes, checked and decoded.

    Args:
        data: where the labels and images are.
        training: split, batch sizes, augmentation and seeds.
        spec: what the tracker needs.
        device: where batches are wanted.
        base_dir: folder that relative paths are looked for in first; then the current one.
        on_progress: called with (images decoded, images in all).

    Raises:
        DataError: the data cannot be used; every reason found is in the message.
    """
    tables = read_tables(data, base_dir=base_dir)
    report = sum((inspect_table(table) for table in tables), LabelReport())
    report.raise_errors()
    split = _split(tables, training, base_dir)
    ood_tables, ood_warnings = read_ood_tables(tables, view_names=data.view_names)
    bboxes = read_configured_bboxes(data, base_dir=base_dir)
    _check_new_sessions(ood_tables, bboxes)
    cache = ImageCache(
        tables,
        spec=spec,
        bboxes=bboxes,
        workers=training.num_workers,
        device=device,
        original_hw=(data.image_orig_dims.height, data.image_orig_dims.width),
        on_progress=on_progress,
    )
    for view, table in enumerate(tables):
        report += inspect_positions(table, cache.sizes[:, view])
    report.raise_errors()
    context = inspect_context(tables, context=spec.context).warnings()
    pairs = find_hflip_pairs(tables[0].keypoint_names) if training.imgaug_hflip else None
    return LabeledData(
        tables=tuple(
            without_outside(table, cache.sizes[:, view]) for view, table in enumerate(tables)
        ),
        split=split,
        cache=cache,
        augment=build_augmenter(training.imgaug, hflip_pairs=pairs),
        batch_sizes=(
            training.train_batch_size,
            training.val_batch_size,
            training.test_batch_size,
        ),
        seed=training.rng_seed_model_pt,
        ood_tables=ood_tables,
        warnings=(*report.warnings, *context, *ood_warnings),
    )


def read_tables(data: DataConfig, *, base_dir: Path | None = None) -> tuple[LabelTable, ...]:
    """Return the label tables a configuration names, one a view, their rows matched.

    Raises:
        DataError: a file is missing or wrong, or views do not match.
    """
    if data.data_dir is None:
        raise DataError("data.data_dir is not set: it is the folder of the labels and images.")
    data_dir = find_path(data.data_dir, what="data.data_dir", base_dir=base_dir)
    tables = tuple(
        read_labels(
            data_dir / file,
            data_dir=data_dir,
            keypoint_names=data.keypoint_names,
            num_keypoints=data.num_keypoints,
        )
        for file in data.csv_files
    )
    check_views_match(tables, view_names=data.view_names)
    return tables


def read_configured_bboxes(
    data: DataConfig, *, base_dir: Path | None = None
) -> dict[str, Box] | None:
    """Return the bounding boxes a configuration names, or None if it names none.

    Raises:
        DataError: a file is missing or wrong, or an image has two boxes.
    """
    if not data.bbox_files:
        return None
    what = "data.bbox_file"
    return read_bboxes(
        *(find_path(file, what=what, base_dir=base_dir) for file in data.bbox_files)
    )


def evaluation_loader(
    tables: Sequence[LabelTable],
    *,
    spec: DataSpec,
    device: torch.device | str = "cpu",
    batch_size: int = 32,
    bboxes: Mapping[str, Box] | None = None,
    workers: int | None = None,
    on_progress: OnProgress | None = None,
) -> LabeledLoader:
    """Return batches of every row of label tables, as they are: no configuration, no split.

    Args:
        tables: one a view, with the same rows; labels may be missing.
        spec: what the tracker needs.
        device: where batches are wanted.
        batch_size: rows a batch.
        bboxes: box of each image by its path; None = whole images.
        workers: threads that decode; None = one a core.
        on_progress: called with (images decoded, images in all).

    Raises:
        DataError: an image cannot be read or has no box.
    """
    cache = ImageCache(
        tables, spec=spec, bboxes=bboxes, workers=workers, device=device, on_progress=on_progress
    )
    return LabeledLoader(cache, np.arange(len(cache)), batch_size=batch_size)


def find_path(path: str | Path, *, what: str, base_dir: Path | None) -> Path:
    """Return a path of the configuration: from ``base_dir``, else from the current folder.

    Raises:
        DataError: it is in neither.
    """
    candidates = [(base_dir or Path.cwd()) / path, Path.cwd() / path]
    for candidate in candidates:
        if candidate.exists():
            return candidate
    places = " nor ".join(dict.fromkeys(str(candidate) for candidate in candidates))
    raise DataError(f"{what} is {str(path)!r}, but there is no {places}.")


def _check_new_sessions(
    tables: Mapping[str, Sequence[LabelTable]], bboxes: Mapping[str, Box] | None
) -> None:
    """Raise DataError if an image of a new session has no box: it is shown only after training."""
    for table in chain.from_iterable(tables.values()) if bboxes is not None else ():
        boxes_of(table, bboxes or {})


def _split(
    tables: tuple[LabelTable, ...], training: TrainingConfig, base_dir: Path | None
) -> Split:
    split_file = None
    if training.split_file is not None:
        split_file = find_path(training.split_file, what="training.split_file", base_dir=base_dir)
    return split_rows(
        tables[0],
        train_prob=training.train_prob,
        val_prob=training.val_prob,
        seed=training.rng_seed_data_pt,
        by=training.split_by,
        split_file=split_file,
        train_frames=training.train_frames,
        other_views=tables[1:],
    )
