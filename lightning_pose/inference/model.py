"""A trained model, ready to predict."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int, UInt8

from lightning_pose.contracts.batches import DataSpec, VideoBatch
from lightning_pose.contracts.errors import ModelError
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.contracts.predictions import Predictions
from lightning_pose.data.bboxes import Box
from lightning_pose.inference.calibration import ConfidenceCalibration, check_belongs
from lightning_pose.inference.compute import Compute
from lightning_pose.inference.frames import check_frames, repeated_frame
from lightning_pose.inference.label_results import label_results
from lightning_pose.inference.model_files import ModelFiles
from lightning_pose.inference.network import Network
from lightning_pose.inference.parallel import run_batches
from lightning_pose.inference.pipeline import Pipeline, VideoNetwork
from lightning_pose.inference.prediction_handler import OnTheWay, PredictionHandler
from lightning_pose.inference.preparing import arithmetic_of, prepared
from lightning_pose.inference.progress import OnProgress
from lightning_pose.inference.row_store import RowStore
from lightning_pose.inference.video_result import VideoResult, video_result
from lightning_pose.inference.work import Source, Work
from lightning_pose.models.base import BaseSupervisedTracker
from lightning_pose.models.build import load_tracker
from lightning_pose.video.batching import RawFrames, checked_batch_size, in_batches
from lightning_pose.video.network_input import NetworkInput
from lightning_pose.video.reader import VideoReader, open_reader

_BATCH_SIZE = {"cpu": 8, "cuda": 96}
_logger = logging.getLogger(__name__)


class Model:
    """A trained tracker on a device.

    Make it with :meth:`load`; the constructor takes a tracker that is in memory already.

    Args:
        tracker: in evaluation mode; its batch norms are folded into convolutions.
        compute: where and in which arithmetic it runs.
        files: where it came from, if from files.
        calibration: what the confidence of predictions goes through; None = it stays as it is.
        compiled: whether torch compiles the network first: faster, but for ResNets; 9 s and more.
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
        self.tracker = prepared(tracker, self.compute, compiled=compiled)
        self.arithmetic = arithmetic_of(self.tracker, self.compute)
        self.data_spec: DataSpec = tracker.data_spec
        self.keypoint_names: tuple[str, ...] = tracker.spec.keypoint_names
        self.view_names: tuple[str, ...] = tracker.spec.view_names
        self._to_network = NetworkInput(
            self.data_spec, device=self.compute.device, dtype=self.compute.dtype
        )
        self._network = Network(self.tracker, self._to_network, self.compute)

    @classmethod
    def load(
        cls,
        model: Path | str,
        *,
        device: str = "auto",
        precision: str = "auto",
        raw_confidence: bool = False,
        compiled: bool = False,
    ) -> Model:
        """Return the model in a run directory or checkpoint file; nothing is downloaded.

        Args:
            model: a run directory (its best checkpoint is taken) or a ``.ckpt`` file.
            device: auto, cpu, cuda or cuda:N.
            precision: auto, fp32, bf16 or fp16.
            raw_confidence: pass over the calibration that lies beside the weights.
            compiled: see :class:`Model`.

        Raises:
            ModelError: a file is missing, unreadable, replaced meanwhile or of other weights.
            ConfigError: there is no such device or precision here.
        """
        files = ModelFiles.find(model)
        compute = Compute.choose(device=device, precision=precision)
        tracker = files.load(lambda path: load_tracker(path, map_location=compute.device))
        calibration = None if raw_confidence else ConfidenceCalibration.read(files.checkpoint)
        if calibration is not None:
            check_belongs(calibration, files.checkpoint, files.checkpoint_sha256)
        return cls(
            tracker, compute=compute, files=files, calibration=calibration, compiled=compiled
        )

    @property
    def run_id(self) -> str:
        """Return the id of the run that trained it, or an empty text."""
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
        """Return the keypoints of every frame of a video, which is streamed.

        What is wrong with the file is logged.

        Args:
            video: the file.
            reader: name of a video reader; auto takes the best that can read it.
            batch_size: frames at a time; None = what is fast on this device.
            boxes: the part of each frame shown to the network: x, y, height, width.
            on_progress: is told after each batch how far it is.

        Raises:
            VideoError, DataError: the video cannot be read, or the boxes do not suit it.
            ConfigError, ModelError: there is no such reader; the model needs several views.
        """
        size = self.default_batch_size if batch_size is None else batch_size
        opened = open_reader(
            Path(video),
            batch_size=size,
            halo=self.data_spec.halo,
            device=self.compute.device,
            name=reader,
        )
        result = self.predict_views(
            [opened], boxes=[boxes], batch_size=size, on_progress=on_progress
        )
        for problem in result.problems:
            _logger.warning("%s: %s", video, problem)
        return result.predictions[0]

    def predict_views(
        self,
        readers: Sequence[VideoReader],
        *,
        boxes: Sequence[Int[np.ndarray, "n 4"] | None] = (),
        batch_size: int | None = None,
        on_progress: OnProgress | None = None,
    ) -> VideoResult:
        """Return the keypoints of a session seen by one camera a view.

        Args:
            readers: one a view, in the model's order, made with the model's halo.
            boxes: for each view, the part of each frame shown to the network; empty = all of it.
            batch_size: frames the readers put into a batch; None = what is fast on this device.
            on_progress: is told after each batch how far it is.

        Raises:
            VideoError: a video cannot be read, or the views have different numbers of frames.
            ModelError: the model needs another number of views.
        """
        self._check_views(len(readers))
        source = Source(
            readers=tuple(readers),
            boxes=tuple(boxes) or (None,) * len(readers),
            batch_size=self.default_batch_size if batch_size is None else batch_size,
        )
        store = RowStore(
            None,
            key="",
            keypoint_names=self.keypoint_names,
            num_views=len(readers),
            run_id=self.run_id,
        )
        return video_result(self.pipeline(), self.work(source, store), on_progress)

    def work(self, source: Source, store: RowStore) -> Work:
        """Return the work of predicting a source; its rows go to ``store``.

        Raises:
            ModelError: the model needs another number of views.
        """
        self._check_views(len(source.readers))
        calibrate = self.calibration.apply if self.calibration else None
        return Work(source, store, calibrate=calibrate)

    def pipeline(self, network: VideoNetwork | None = None) -> Pipeline:
        """Return what decodes and predicts; with another network than the model's if given."""
        return Pipeline.on(network or self._network)

    def predict_frames(self, frames: UInt8[np.ndarray, "n height width 3"]) -> Predictions:
        """Return the keypoints of consecutive RGB frames in memory.

        Raises:
            ModelError, DataError: the model needs several views; the frames are no such pictures.
        """
        self._check_views(1)
        check_frames(frames)
        batches = in_batches(frames, batch_size=self.default_batch_size, halo=self.data_spec.halo)
        results = run_batches(self.predict_raw, batches, compute=self.compute)
        return self._tables(results, num_frames=len(frames))[0]

    def predict_frame(self, frame: UInt8[np.ndarray, "height width 3"]) -> Predictions:
        """Return the keypoints of one RGB frame, as soon as can be: for live use.

        A model that looks at neighbours is shown this frame in their place.

        Raises:
            ModelError, DataError: the model needs several views; the frame is no such picture.
        """
        self._check_views(1)
        halo = self.data_spec.halo
        frames = repeated_frame(frame, times=1 + 2 * halo)
        raw = RawFrames(frames=frames, frame_ids=torch.zeros(1, dtype=torch.long), halo=halo)
        with torch.inference_mode(), self.compute.active():
            result = self.predict_raw(raw)
        return self._tables([result], num_frames=1)[0]

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
            ModelError, VideoError: the model needs another number of views; an impossible batch.
        """
        tables = [tables] if isinstance(tables, LabelTable) else list(tables)
        self._check_views(len(tables))
        size = self.default_batch_size if batch_size is None else checked_batch_size(batch_size)
        results = label_results(
            self.tracker, tables, sets, compute=self.compute, bboxes=bboxes, batch_size=size
        )
        found = self._tables(results, num_frames=len(sets), num_views=len(tables))
        return [
            replace(predictions.with_images(table.images, sets), source=str(table.source or ""))
            for predictions, table in zip(found, tables, strict=True)
        ]

    def to_network(self, raw: RawFrames) -> VideoBatch:
        """Return what the network is fed for consecutive frames of one camera."""
        return self._to_network([raw])

    def predict_raw(self, raw: RawFrames) -> OnTheWay:
        """Return the keypoints of such frames, perhaps still on their way; in ``run_batches``."""
        size = 1 << (len(raw.frame_ids) - 1).bit_length()
        return self._network([raw], [None], capacity=min(size, self.default_batch_size))

    @property
    def default_batch_size(self) -> int:
        """Return how many frames at a time are fast: on a CPU few, so that they stay in cache.

        A model that looks at neighbours gets more: those at the edges are computed twice.
        """
        return _BATCH_SIZE[self.compute.device.type] + 4 * self.data_spec.halo

    def _tables(
        self, results: Iterable[OnTheWay], *, num_frames: int, num_views: int = 1
    ) -> list[Predictions]:
        """Return the table of each view, its confidence calibrated if the model is."""
        handler = PredictionHandler(self.keypoint_names, num_views=num_views)
        for result in results:
            handler.take(result)
        tables = handler.predictions(num_frames=num_frames, run_id=self.run_id)
        if self.calibration is None:
            return tables
        calibrated = self.calibration.apply
        return [replace(table, confidence=calibrated(table.confidence)) for table in tables]

    def _check_views(self, given: int) -> None:
        needed = max(1, len(self.view_names))
        if given != needed:
            views = f" ({', '.join(self.view_names)})" if self.view_names else ""
            raise ModelError(
                f"This model looks at {needed} camera view(s) at a time{views}, got {given}."
            )
