"""A trained model, ready to predict."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from lightning_pose.contracts.batches import DataSpec, LabeledBatch
from lightning_pose.contracts.errors import DataError, ModelError
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.contracts.predictions import Predictions
from lightning_pose.data.bboxes import Box
from lightning_pose.inference.calibration import ConfidenceCalibration, check_belongs
from lightning_pose.inference.compute import Compute
from lightning_pose.inference.folding import fold_batch_norms
from lightning_pose.inference.fused_convs import fuse_convolutions
from lightning_pose.inference.model_files import ModelFiles
from lightning_pose.inference.network import Network
from lightning_pose.inference.parallel import run_batches
from lightning_pose.inference.pipeline import Pipeline, progress_of
from lightning_pose.inference.prediction_handler import PredictionHandler
from lightning_pose.inference.progress import OnProgress, Progress
from lightning_pose.inference.row_store import RowStore
from lightning_pose.inference.work import Source, Work
from lightning_pose.models.base import BaseSupervisedTracker
from lightning_pose.models.build import load_tracker
from lightning_pose.video.batching import RawFrames, in_batches
from lightning_pose.video.network_input import NetworkInput
from lightning_pose.video.reader import VideoReader, open_reader

_BATCH_SIZE = {"cpu": 8, "cuda": 96}
# Threads that decode, and batches that may wait: an H200 decodes with seven engines; on a CPU the
# network needs the cores, and two threads are enough to keep it fed.
_GPU_DECODERS, _GPU_QUEUED = 8, 12
_CPU_DECODERS, _CPU_QUEUED = 2, 4
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class VideoResult:
    """What came of predicting a video.

    Attributes:
        predictions: one table a view, every decodable frame once.
        problems: what was wrong with the files, one sentence each.
        progress: frames and time at the end.
        reader: name of the reader's class.
    """

    predictions: tuple[Predictions, ...]
    problems: tuple[str, ...]
    progress: Progress
    reader: str


class Model:
    """A trained tracker on a device.

    Make it with :meth:`load`; the constructor takes a tracker that is in memory already.

    Args:
        tracker: in evaluation mode; its batch norms are folded into convolutions.
        compute: where and in which arithmetic it runs.
        files: where it came from, if from files.
        calibration: what the confidence of predictions goes through; None = it stays as it is.
        compiled: whether torch compiles the network first: half a minute on a GPU, then faster.
    """

    def __init__(
        self,
        tracker: BaseSupervisedTracker,
        *,
        compute: Compute | None = None,
        files: ModelFiles | None = None,
        calibration: ConfidenceCalibration | None = None,
        compiled: bool = False,
    ) -> None:
        self.compute = compute or Compute.choose()
        self.files = files
        self.calibration = calibration
        tracker = tracker.eval().to(self.compute.device)
        self.data_spec: DataSpec = tracker.data_spec
        self.keypoint_names: tuple[str, ...] = tracker.spec.keypoint_names
        self.view_names: tuple[str, ...] = tracker.spec.view_names
        self._to_network = NetworkInput(
            self.data_spec, device=self.compute.device, dtype=self.compute.dtype
        )
        self.tracker = self._folded(tracker)
        if compiled:
            self._compile()
        else:
            self._fuse()
        self._network = Network(self.tracker, self._to_network, self.compute)

    @classmethod
    def load(
        cls,
        model: Path | str,
        *,
        device: str = "auto",
        precision: str = "auto",
        raw_confidence: bool = False,
    ) -> Model:
        """Return the model in a run directory or checkpoint file; nothing is downloaded.

        Args:
            model: a run directory (its best checkpoint is taken) or a ``.ckpt`` file.
            device: auto, cpu, cuda or cuda:N.
            precision: auto, fp32, bf16 or fp16.
            raw_confidence: pass over the calibration that lies beside the weights.

        Raises:
            ModelError: there is no such model, a file of it is missing, it cannot be read, or the
                calibration beside it is of other weights.
            ConfigError: there is no such device or precision here.
        """
        files = ModelFiles.find(model)
        compute = Compute.choose(device=device, precision=precision)
        calibration = None if raw_confidence else ConfidenceCalibration.read(files.checkpoint)
        if calibration is not None:
            check_belongs(calibration, files.checkpoint, files.checkpoint_sha256)
        tracker = load_tracker(files.checkpoint, map_location=compute.device)
        return cls(tracker, compute=compute, files=files, calibration=calibration)

    @property
    def run_id(self) -> str:
        """Return the id of the run that trained it; empty if unknown."""
        return self.files.run_id if self.files else ""

    def predict_video(
        self,
        video: Path | str,
        *,
        reader: str = "auto",
        batch_size: int | None = None,
        boxes: Int[np.ndarray, "n 4"] | None = None,
        on_progress: OnProgress | None = None,
    ) -> Predictions:
        """Return the keypoints of every frame of a video, which is streamed, never held whole.

        What is wrong with the file is logged as a warning.

        Args:
            video: the file.
            reader: name of a video reader; auto takes the best that can read it.
            batch_size: frames at a time; None = what is fast on this device.
            boxes: the part of each frame shown to the network: x, y, height, width.
            on_progress: is told after each batch how far it is.

        Raises:
            VideoError: the video cannot be read.
            ModelError: the model needs several views.
        """
        size = batch_size or self.default_batch_size
        opened = open_reader(
            Path(video),
            batch_size=size,
            halo=self.data_spec.halo,
            device=self.compute.device,
            name=reader,
        )
        result = self.predict_views([opened], boxes=[boxes], on_progress=on_progress)
        for problem in result.problems:
            _logger.warning("%s: %s", video, problem)
        return result.predictions[0]

    def predict_views(
        self,
        readers: Sequence[VideoReader],
        *,
        boxes: Sequence[Int[np.ndarray, "n 4"] | None] = (),
        on_progress: OnProgress | None = None,
    ) -> VideoResult:
        """Return the keypoints of a session seen by one camera a view.

        Args:
            readers: one a view, in the order of the model's views, made with the model's halo.
            boxes: for each view, the part of each frame shown to the network; empty = all of it.
            on_progress: is told after each batch how far it is.

        Raises:
            VideoError: a video cannot be read, or the views have different numbers of frames.
            ModelError: the model needs another number of views.
        """
        self._check_views(len(readers))
        store = RowStore(
            None,
            key="",
            keypoint_names=self.keypoint_names,
            num_views=len(readers),
            run_id=self.run_id,
        )
        given = tuple(boxes) or (None,) * len(readers)
        source = Source(readers=tuple(readers), boxes=given, batch_size=self.default_batch_size)
        work = self.work(source, store)

        def tell(work: Work, progress: Progress) -> None:
            if on_progress is not None:
                on_progress(progress)

        (finished,) = self.pipeline().run([work], tell)
        if finished.failed is not None:
            raise finished.failed
        progress = progress_of(work)
        tell(work, progress)
        names = [str(reader.info.path) for reader in readers]
        return VideoResult(
            predictions=tuple(
                replace(table, source=name)
                for table, name in zip(store.views(), names, strict=True)
            ),
            problems=work.problems(),
            progress=progress,
            reader=type(readers[0]).__name__,
        )

    def work(self, source: Source, store: RowStore) -> Work:
        """Return the work of predicting a source; its rows go to ``store``.

        Raises:
            ModelError: the model needs another number of views.
        """
        self._check_views(len(source.readers))
        calibrate = self.calibration.apply if self.calibration else None
        return Work(source, store, calibrate=calibrate)

    def pipeline(self) -> Pipeline:
        """Return what decodes and predicts at the same time, as suits this device."""
        on_gpu = self.compute.device.type == "cuda"
        cores = os.cpu_count() or 1
        return Pipeline(
            self._network,
            decoders=min(_GPU_DECODERS if on_gpu else _CPU_DECODERS, cores),
            queued=_GPU_QUEUED if on_gpu else _CPU_QUEUED,
        )

    def predict_frames(self, frames: UInt8[np.ndarray, "n height width 3"]) -> Predictions:
        """Return the keypoints of consecutive RGB frames in memory.

        Raises:
            ModelError: the model needs several views.
        """
        self._check_views(1)
        handler = PredictionHandler(self.keypoint_names)
        batches = in_batches(frames, batch_sizes=self.default_batch_size, halo=self.data_spec.halo)
        for found in run_batches(self._predict_raw, batches, compute=self.compute):
            handler.add(*found)
        return self._tables(handler, num_frames=len(frames))[0]

    def predict_labels(
        self,
        tables: LabelTable | Sequence[LabelTable],
        sets: Sequence[str],
        *,
        bboxes: dict[str, Box] | None = None,
        batch_size: int | None = None,
    ) -> list[Predictions]:
        """Return the keypoints of the images of a labelled set, one table a view, in its rows.

        Args:
            tables: one a view, with the same rows; labels are not looked at.
            sets: train, validation, test or unused for each row.
            bboxes: box (x, y, height, width) of each image by its path.
            batch_size: images at a time; None = what is fast on this device.

        Raises:
            DataError: an image cannot be read, or has no box.
            ModelError: the model needs another number of views.
        """
        # Here, because it brings the augmentation library, which takes seconds to import.
        from lightning_pose.data.labeled_data import evaluation_loader

        tables = [tables] if isinstance(tables, LabelTable) else list(tables)
        self._check_views(len(tables))
        if len(sets) != len(tables[0]):
            raise DataError(f"There are {len(sets)} sets for {len(tables[0])} labelled images.")
        loader = evaluation_loader(
            tables,
            spec=self.data_spec,
            device=self.compute.device,
            batch_size=batch_size or self.default_batch_size,
            bboxes=bboxes,
        )
        handler = PredictionHandler(self.keypoint_names, num_views=len(tables))
        for found in run_batches(self._predict_labeled, loader, compute=self.compute):
            handler.add(*found)
        found = self._tables(handler, num_frames=len(sets))
        return [
            replace(predictions.with_images(table.images, sets), source=str(table.source or ""))
            for predictions, table in zip(found, tables, strict=True)
        ]

    @property
    def default_batch_size(self) -> int:
        """Return how many frames at a time are fast: on a CPU few, so that they stay in cache.

        A model that looks at neighbours gets more: those at the edges are computed twice.
        """
        return _BATCH_SIZE[self.compute.device.type] + 4 * self.data_spec.halo

    def _tables(self, handler: PredictionHandler, *, num_frames: int | None) -> list[Predictions]:
        """Return the table of each view, its confidence calibrated if the model is."""
        tables = handler.predictions(num_frames=num_frames, run_id=self.run_id)
        if self.calibration is None:
            return tables
        calibrated = self.calibration.apply
        return [replace(table, confidence=calibrated(table.confidence)) for table in tables]

    def _predict_raw(self, raw: RawFrames) -> tuple[Tensor, Tensor, Tensor]:
        return raw.frame_ids, *self.tracker.predict_batch(self._to_network([raw]))

    def _predict_labeled(self, batch: LabeledBatch) -> tuple[Tensor, Tensor, Tensor]:
        return batch.row_ids, *self.tracker.predict_batch(batch)

    def _folded(self, tracker: BaseSupervisedTracker) -> BaseSupervisedTracker:
        spec, views = self.data_spec, max(1, len(self.view_names))
        shape = (spec.context, spec.height, spec.width, 3)
        pattern = torch.arange(math.prod(shape)).remainder(251).to(torch.uint8).view(shape)
        raw = RawFrames(frames=pattern, frame_ids=torch.zeros(1, dtype=torch.long), halo=spec.halo)
        to_network = NetworkInput(self.data_spec, device=self.compute.device)
        batch = to_network([raw] * views)

        def run(network: BaseSupervisedTracker) -> Tensor:
            with torch.inference_mode():
                return torch.cat([part.flatten() for part in network.predict_batch(batch)])

        folded = fold_batch_norms(tracker, run)[0].to(memory_format=torch.channels_last)
        return self.compute.with_weights(folded)

    def _fuse(self) -> None:
        """Let convolutions do what follows them, on a GPU."""
        if self.compute.device.type != "cuda":
            return
        shape = (1, 3, self.data_spec.height, self.data_spec.width)
        noise = torch.randn(shape, generator=torch.Generator().manual_seed(0))

        def run(network: BaseSupervisedTracker) -> Tensor:
            with torch.inference_mode(), self.compute.autocast():
                return network.extract(noise.to(self.compute.device)).float()

        fuse_convolutions(self.tracker, run)

    def _compile(self) -> None:
        for part in self.tracker.children():
            part.compile(dynamic=False)

    def _check_views(self, given: int) -> None:
        needed = max(1, len(self.view_names))
        if given != needed:
            views = f" ({', '.join(self.view_names)})" if self.view_names else ""
            raise ModelError(
                f"This model looks at {needed} camera view(s) at a time{views}, got {given}."
            )
