"""One thing to predict, in as many views as the model has: reading it and predicting it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.files import is_file, real_path
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.contracts.predictions import SETS, Predictions
from lightning_pose.data.bboxes import (
    boxes_beside,
    check_box_file,
    read_bboxes,
    read_video_bboxes,
)
from lightning_pose.data.labels import read_labels
from lightning_pose.data.splits import Split
from lightning_pose.inference.failures import disk_told_apart
from lightning_pose.inference.image_folder import ImageFolderReader
from lightning_pose.inference.inputs import Input, Kind
from lightning_pose.inference.model import Model
from lightning_pose.inference.result_key import code_version, plugin_code
from lightning_pose.inference.watch import Watch
from lightning_pose.inference.work import Source, not_watched
from lightning_pose.video.batching import checked_batch_size
from lightning_pose.video.reader import VideoReader, open_reader

_, _, TEST, UNUSED = SETS


@dataclass(frozen=True, kw_only=True)
class PredictSettings:
    """How inputs are read and predicted.

    Attributes:
        reader: name of a video reader, or auto.
        batch_size: frames at a time; None = what is fast.
        data_dir: folder that images of label files are relative to; None = the file's own.
        bbox_files: boxes of the images of label files.
        video_bbox_files: of videos and image folders, by their path; others have theirs beside
            them, in ``<stem>_bbox.csv``, or none.

    Raises:
        VideoError: the batch size is impossible.
    """

    reader: str = "auto"
    batch_size: int | None = None
    data_dir: Path | None = None
    bbox_files: tuple[Path, ...] = ()
    video_bbox_files: Mapping[Path, Path] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.batch_size is not None:
            checked_batch_size(self.batch_size)


class Session:
    """What one camera or several saw at one time.

    Args:
        inputs: one a view, all of one kind.
        settings: how they are read.
    """

    def __init__(self, inputs: Sequence[Input], settings: PredictSettings) -> None:
        self.inputs = tuple(inputs)
        self.kind = inputs[0].kind
        self.settings = settings
        self._watch: Watch | None = None

    def identity(self, model: Model) -> dict[str, Any]:
        """Return all that the predictions hang on, as plain values; watch the files from now on.

        Raises:
            UnreadableError: a file is gone or may not be read.
            VideoError: a label file was written to just now.
            DataError: a label file or a file of boxes cannot be read.
        """
        calibration, box_files = model.calibration, self._box_files
        found = [path for path in box_files if path is not None]
        for path in found:
            check_box_file(path)
        before = Watch([[item.path] for item in self.inputs if item.kind is Kind.LABELS], [])
        self._watch = Watch([self._files(view) for view in range(len(self.inputs))], found)
        before.check_content()  # label files were read between the two
        boxes = iter(self._watch.boxes)
        return {
            "source": self._watch.sources,
            "names": [_names(item) for item in self.inputs],
            "sets": self.sets(model),
            "boxes": [next(boxes) if path else "" for path in box_files],
            "model": model.files.checkpoint_sha256 if model.files else "",
            "run": model.run_id,
            "code": code_version(),
            "plugins": plugin_code(),
            "precision": model.arithmetic,
            "reader": self.settings.reader,
            "calibration": calibration.identity() if calibration else "none: raw confidence",
        }

    def check_unchanged(self) -> None:
        """Check that all is still what it was when the identity was found out.

        Images of a folder are looked at by their times; see :class:`Watch`.

        Raises:
            VideoError: something was written to, or replaced, meanwhile.
            UnreadableError: something cannot be looked at.
        """
        if self._watch is not None and self.kind is Kind.IMAGES:
            self._watch.check()
        elif self._watch is not None:
            self._watch.check_content()

    @cached_property
    def labels(self) -> tuple[LabelTable | None, ...]:
        """Return the label table of each view; None for videos and image folders."""
        if self.kind is not Kind.LABELS:
            return (None,) * len(self.inputs)
        folder = self.settings.data_dir
        return tuple(
            read_labels(item.path, data_dir=folder or real_path(item.path).parent)
            for item in self.inputs
        )

    def sets(self, model: Model) -> tuple[str, ...]:
        """Return the part each labelled image had in training the model; empty for a video.

        Images that the run does not know are test images. Without a run directory nothing is
        known, and all are unused.
        """
        table = self.labels[0]
        if table is None:
            return ()
        split = model.files.run_dir / "splits.csv" if model.files and model.files.run_dir else None
        if split is None or not split.exists():
            return (UNUSED,) * len(table)
        known = Split.read(split)
        parts = dict(zip(known.images, known.sets, strict=True))
        return tuple(parts.get(image, TEST) for image in table.images)

    def predict_labels(self, model: Model) -> list[Predictions]:
        """Return the predictions of the images of label files, a table a view.

        Raises:
            DataError, ModelError: there is no image, or one cannot be read, or does not suit.
        """
        bbox_files = self.settings.bbox_files
        for item, table in zip(self.inputs, self.labels, strict=True):
            if not table:
                raise DataError(f"{item.path} names no image; label some, or leave the file out.")
        return model.predict_labels(
            [table for table in self.labels if table is not None],
            self.sets(model),
            bboxes=read_bboxes(*bbox_files) if bbox_files else None,
            batch_size=self.settings.batch_size,
        )

    def open(self, model: Model) -> Source:
        """Return the videos or image folders, ready to be read.

        Raises:
            VideoError, DataError: one cannot be read, or its boxes do not suit.
            UnreadableError: so says the disk.
        """
        readers = tuple(self._reader(item, model) for item in self.inputs)
        with disk_told_apart():
            boxes = [read_video_bboxes(path) if path else None for path in self._box_files]
        return Source(
            readers=readers,
            boxes=tuple(boxes),
            batch_size=self._batch_size(model),
            unchanged=self._watch.check if self._watch else not_watched,
        )

    def _batch_size(self, model: Model) -> int:
        wished = self.settings.batch_size
        return model.default_batch_size if wished is None else wished

    def _reader(self, item: Input, model: Model) -> VideoReader:
        size = self._batch_size(model)
        halo, device = model.data_spec.halo, model.compute.device
        if item.kind is Kind.IMAGES:
            return ImageFolderReader(
                item.path, item.images, batch_size=size, halo=halo, device=device
            )
        name = self.settings.reader
        return open_reader(item.path, batch_size=size, halo=halo, device=device, name=name)

    def _files(self, view: int) -> list[Path]:
        """Return the files that the predictions of a view hang on; those that are missing not."""
        item, table = self.inputs[view], self.labels[view]
        if table is not None:
            images = [table.path(row) for row in range(len(table))]
            return [item.path, *(path for path in images if is_file(path))]
        return list(item.images) or [item.path]

    @cached_property
    def _box_files(self) -> list[Path | None]:
        """Return the boxes of each view, or of label files; what comes later is not used."""
        if self.kind is Kind.LABELS:
            return list(self.settings.bbox_files)
        return [bbox_file_of(item, self.settings) for item in self.inputs]


def bbox_file_of(item: Input, settings: PredictSettings) -> Path | None:
    """Return the boxes of a video or image folder: named in the settings, beside it, or None."""
    return settings.video_bbox_files.get(item.path) or boxes_beside(item.path)


def _names(item: Input) -> str:
    """Return a hash of the names of an image folder's images; they name the rows."""
    names = "\n".join(image.name for image in item.images)
    return hashlib.sha256(names.encode()).hexdigest() if names else ""
