"""Batches of consecutive unlabelled frames from videos of any length."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from lightning_pose.contracts.batches import DataSpec, VideoBatch
from lightning_pose.contracts.errors import DataError
from lightning_pose.data.bboxes import check_boxes_show, read_video_bboxes
from lightning_pose.data.fingerprint import video_fingerprint
from lightning_pose.data.unlabeled.ahead import DecodingAhead
from lightning_pose.data.unlabeled.changes import draw_change
from lightning_pose.data.unlabeled.plan import Draw, SequencePlan
from lightning_pose.data.unlabeled.sessions import open_videos
from lightning_pose.data.wording import count
from lightning_pose.ops.resize import crop_and_resize
from lightning_pose.ops.transfer import to_device
from lightning_pose.video.sequence_input import (
    SequenceChange,
    SequenceInput,
    net_to_image,
    sequence_input,
)
from lightning_pose.video.sequence_pool import SequencePool

_ALONE = ("dali.base.train.sequence_length", 2)  # the key, and the least it may be
_OF_CONTEXT = ("dali.context.train.batch_size", 5)


class UnlabeledLoader:
    """Yields :class:`VideoBatch` of one sequence, all its views side by side.

    Threads decode a few steps ahead, into the next epoch too; resizing, changing and normalising
    are done on the device when a batch is asked for. What a batch holds is a function of seed,
    epoch, step and rank. Nothing grows with the length of the videos but a table of 24 bytes a
    frame.

    Args:
        sessions: tuples of videos, one a view, whose frames were taken at the same moments.
        spec: network input; ``spec.halo`` extra frames at both ends give context only.
        sequence_length: frames a batch, without these.
        steps_per_epoch: batches an epoch.
        seed: of the order and the changes.
        device: where batches lie.
        augment: change sequences at random; otherwise they are only resized and normalised.
        rank: which of the processes that share the work this is; each draws other frames.
        world_size: how many there are.
        processes_here: how many of them share the processors of this machine.
        goes_on: the next epoch will be asked for after the one at hand.
        engine: makes network input from frames (see
            :func:`~lightning_pose.video.sequence_input.sequence_input`).
        videos: those of another loader of the same sessions, to share what is held of them.
        box_files: csv of the bounding boxes of a video, one row a frame: only that part of each
            frame is shown. A video without is shown whole.

    Raises:
        VideoError: a video cannot be read (the message names it), or the engine does not work.
        DataError: there is no video, one is too short, views differ in their frame counts, there
            is not one box a frame, or frames that boxes or views match by number have no sure one.
    """

    def __init__(
        self,
        sessions: Sequence[tuple[Path, ...]],
        *,
        spec: DataSpec,
        sequence_length: int,
        steps_per_epoch: int,
        seed: int,
        device: torch.device | str,
        augment: bool = True,
        rank: int = 0,
        world_size: int = 1,
        processes_here: int = 1,
        goes_on: bool = True,
        engine: str = "auto",
        videos: SequencePool | None = None,
        box_files: Mapping[Path, Path] | None = None,
    ) -> None:
        if not sessions:
            raise DataError("Unsupervised losses need at least one unlabelled video.")
        self.sessions = [tuple(session) for session in sessions]
        self.spec = spec
        self.steps_per_epoch = steps_per_epoch
        self.seed = seed
        self.device = torch.device(device)
        self.augment = augment
        self.rank = rank
        self.epoch = 0
        self._window = sequence_length + 2 * spec.halo
        self._num_views = len(self.sessions[0])
        self._paths = [video for session in self.sessions for video in session]
        self.videos = videos or open_videos(self._paths)
        self._box_files = dict(box_files or {})
        self._check_numbers()
        self._boxes = [self._read_boxes(n, path) for n, path in enumerate(self._paths)]
        self._plan = SequencePlan(
            self._lengths(),
            window=self._window,
            steps_per_epoch=steps_per_epoch,
            seed=seed,
            rank=rank,
            world_size=world_size,
        )
        self._input: SequenceInput = sequence_input(spec, device=self.device, engine=engine)
        self._goes_on = goes_on
        self._ahead = DecodingAhead(
            self._decode, sequence_bytes=self._sequence_bytes(), processes=processes_here
        )

    def __len__(self) -> int:
        """Return the number of batches an epoch."""
        return self.steps_per_epoch

    batch_sampler = None  # Lightning looks for it wherever there is a sampler

    @property
    def sampler(self) -> UnlabeledLoader:
        """Return the loader: it is where Lightning looks for :meth:`set_epoch`."""
        return self

    @property
    def problems(self) -> tuple[str, ...]:
        """Return what is wrong with the videos as far as is known, one sentence each."""
        return self.videos.problems

    @property
    def frame_sizes(self) -> list[tuple[tuple[int, int], ...]]:
        """Return height and width of the video of each view, for each session."""
        views = range(self._num_views)
        return [
            tuple(self.videos.frame_size(number * self._num_views + view) for view in views)
            for number in range(len(self.sessions))
        ]

    def fingerprint(self) -> dict[str, dict[str, Any]]:
        """Return hashes of the videos (see :func:`video_fingerprint`)."""
        return video_fingerprint(self._paths, self._box_files)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose batches come next."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[VideoBatch]:
        """Yield the batches of the epoch.

        Raises:
            VideoError: a file has vanished or changed, or none of a sequence's frames can be
                decoded.
        """
        epoch = self.epoch
        first = epoch * len(self)
        for number in range(first, first + len(self)):
            views = self._ahead.take(number, end=None if self._goes_on else first + len(self))
            yield self._batch(views, epoch=epoch, step=number - first)

    def _sequence_bytes(self) -> int:
        sizes = (sum(height * width for height, width in views) for views in self.frame_sizes)
        return 3 * max(sizes) * self._window

    def _decode(self, number: int) -> list[UInt8[Tensor, "t _ _ 3"]]:
        """Return what is shown of every view of a sequence; boxes are at network size already.

        Args:
            number: of the step, counted through all epochs.
        """
        epoch, step = divmod(number, len(self))
        draw = self._plan.draw(epoch=epoch, step=step)
        return [self._shown(video, draw.start) for video in self._videos_of(draw)]

    def _videos_of(self, draw: Draw) -> range:
        return range(draw.session * self._num_views, (draw.session + 1) * self._num_views)

    def _shown(self, video: int, start: int) -> UInt8[Tensor, "t _ _ 3"]:
        frames = torch.from_numpy(self.videos.read(video, start, self._window))
        boxes = self._boxes[video]
        if boxes is None:
            return frames
        boxes = boxes[start : start + self._window]
        return crop_and_resize(frames, boxes, self.spec.height, self.spec.width).movedim(1, -1)

    def _ways_back(
        self, draw: Draw, changes: Sequence[SequenceChange | None]
    ) -> Float[Tensor, "n v 2 3"]:
        """Return the map from network to video pixels of each frame that is predicted."""
        first = draw.start + self.spec.halo
        number = self._window - 2 * self.spec.halo
        ways = []
        for video, change in zip(self._videos_of(draw), changes, strict=True):
            boxes = self._boxes[video]
            whole = torch.tensor([[0, 0, *self.videos.frame_size(video)]])
            shown = whole if boxes is None else boxes[first : first + number]
            ways.append(net_to_image(shown, self.spec, change).expand(number, 2, 3))
        return torch.stack(ways, dim=1)

    def _read_boxes(self, video: int, path: Path) -> Int[Tensor, "n 4"] | None:
        if path not in self._box_files:
            return None
        number = self.videos.num_frames(video)
        boxes = read_video_bboxes(self._box_files[path], num_frames=number)
        check_boxes_show(boxes, self.videos.frame_size(video), name=path.name)
        return torch.from_numpy(boxes)

    def _batch(
        self,
        views: Sequence[UInt8[Tensor, "t _ _ 3"]],
        *,
        epoch: int,
        step: int,
    ) -> VideoBatch:
        draw = self._plan.draw(epoch=epoch, step=step)
        frames: list[Tensor] = []
        changes = [self._change(epoch, step, view) for view in range(len(views))]
        for video, pixels, change in zip(self._videos_of(draw), views, changes, strict=True):
            frames.append(self._input(self._on_way(video, draw.start, pixels), change))
        ways_back = self._ways_back(draw, changes)
        first = draw.start + self.spec.halo
        return VideoBatch(
            frames=torch.stack(frames, dim=1) if len(frames) > 1 else frames[0].unsqueeze(1),
            net_to_image=to_device(ways_back, self.device),
            frame_ids=torch.arange(first, first + len(ways_back), device=self.device),
            halo=self.spec.halo,
        )

    def _on_way(
        self, video: int, start: int, pixels: UInt8[Tensor, "t _ _ 3"]
    ) -> UInt8[Tensor, "t _ _ 3"]:
        """Return frames as bytes: on the device if they are held there, or on their way to it.

        Called by the thread that trains: while a CUDA graph is captured no other one may ask the
        driver for memory.
        """
        if self.device.type != "cuda":
            return pixels
        if self._boxes[video] is None and self._input.takes_device_frames:
            whole = self.videos.held_on(self.device, video)
            if whole is not None:
                return whole[start : start + self._window]
        return pixels.pin_memory()

    def _change(self, epoch: int, step: int, view: int) -> SequenceChange | None:
        if not self.augment:
            return None
        return draw_change(
            self.spec, seed=self.seed, epoch=epoch, step=step, rank=self.rank, view=view
        )

    def _check_numbers(self) -> None:
        """Raise DataError if boxes or views are matched by numbers that are not certain."""
        for number, path in enumerate(self._paths):
            is_matched = self._num_views > 1 or path in self._box_files
            if is_matched and not self.videos.is_exact(number):
                raise DataError(
                    f"{path} has no index of its frames, so their numbers may be off, by which "
                    "boxes and views are matched. Copy it into a container with an index "
                    "(ffmpeg -i IN -c copy OUT.mp4), or re-encode it (ffmpeg -i IN OUT.mp4)."
                )

    def _lengths(self) -> list[int]:
        """Return the number of frames of each session; all views must have it."""
        lengths: list[int] = []
        for number, session in enumerate(self.sessions):
            if len(session) != self._num_views:
                raise DataError(
                    f"Every session needs {count(self._num_views, 'video')}, one a view; the "
                    f"session of {session[0]} has {len(session)}."
                )
            videos = range(number * self._num_views, (number + 1) * self._num_views)
            found = [self.videos.num_frames(video) for video in videos]
            _check_lengths(session, found, window=self._window, halo=self.spec.halo)
            lengths.append(found[0])
        return lengths


def _check_lengths(
    session: Sequence[Path], lengths: Sequence[int], *, window: int, halo: int
) -> None:
    if len(set(lengths)) > 1:
        named = ", ".join(
            f"{video.name} {length}" for video, length in zip(session, lengths, strict=True)
        )
        raise DataError(
            f"The views of a session must have equally many frames, of the same moments: {named}. "
            "Cut them to the same frames, or take the session out of data.video_dir."
        )
    if lengths[0] < window:
        length, (key, shortest) = window - 2 * halo, _OF_CONTEXT if halo else _ALONE
        context = f", {length} and {2 * halo} frames of context" if halo else ""
        shorten = f", or shorten {key}, which is {length}" if length > shortest else ""
        raise DataError(
            f"{session[0]} has {count(lengths[0], 'frame')}; a training batch needs {window} "
            f"consecutive ones{context}. Take it out of data.video_dir{shorten}."
        )
