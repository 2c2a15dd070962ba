"""The decoded cache: every labelled image and neighbour is read once, at network size, as 8 bits.

Keypoints and affine maps lie beside the frames on the device, so that a batch is a handful of
gathers.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from lightning_pose.contracts.batches import DataSpec
from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.file_hashes import FileHashes
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.data.bboxes import Box, boxes_of, check_boxes_show
from lightning_pose.data.context import NeighbourFinder
from lightning_pose.data.frame_store import FrameStore, MemoryLimits
from lightning_pose.data.image_files import decode_image
from lightning_pose.data.wording import count, listed
from lightning_pose.ops.affine import apply_affine, crop_resize_affine, invert_affine
from lightning_pose.ops.resize import crop_frames, resize_frames
from lightning_pose.ops.transfer import to_device

OnProgress = Callable[[int, int], None]
_MOST_WORKERS = 16


@dataclass(frozen=True, kw_only=True)
class CachedItems:
    """Rows of the cache, on its device; b row, v view, t time, k keypoint.

    Attributes:
        images: RGB at network size.
        keypoints_net: labels in network pixels; NaN = not labelled.
        net_to_image: maps network pixels to pixels of the original image.
        row_ids: which rows.
    """

    images: UInt8[Tensor, "b v t 3 height width"]
    keypoints_net: Float[Tensor, "b v k 2"]
    net_to_image: Float[Tensor, "b v 2 3"]
    row_ids: Int[Tensor, " b"]


@dataclass(frozen=True)
class _Wanted:
    """One frame of the cache: a file, and the part of it that is shown (None = all)."""

    path: Path
    box: Box | None


@dataclass(frozen=True)
class _Decoded:
    frame: UInt8[Tensor, "h w 3"]
    size: tuple[int, int]
    sha256: str


class ImageCache:
    """All images of a labelled set, decoded.

    Args:
        tables: one label table a view, with the same rows.
        spec: size and number of neighbours the tracker needs.
        bboxes: box (x, y, height, width) of each image by its path as in the table; None = whole
            images. Neighbours are cropped to the box of the labelled image.
        workers: threads that decode; None = one a core.
        device: where batches are wanted.
        limits: how much memory to take; None = a share of what is free.
        original_hw: height and width every labelled image must have, in pixels; None = any.
        on_progress: called with (images done, images in all).

    Attributes:
        sizes: height and width of each row's images, in original pixels.
        digests: SHA-256 of every file that was read; known ones are not computed again
            (:class:`~lightning_pose.contracts.file_hashes.FileHashes`).
        store: the frames; ``store.place`` says where they are.

    Raises:
        DataError: an image cannot be read or has the wrong size, or an image has no box.
    """

    def __init__(
        self,
        tables: Sequence[LabelTable],
        *,
        spec: DataSpec,
        bboxes: Mapping[str, Box] | None = None,
        workers: int | None = None,
        device: torch.device | str = "cpu",
        limits: MemoryLimits | None = None,
        original_hw: tuple[int | None, int | None] = (None, None),
        on_progress: OnProgress | None = None,
    ) -> None:
        self.tables = tuple(tables)
        self.spec = spec
        self.device = torch.device(device)
        boxes = [[None] * len(t) if bboxes is None else boxes_of(t, bboxes) for t in tables]
        wanted, self._slots = _plan(self.tables, boxes, spec.context)
        self.store = FrameStore(
            len(wanted),
            spec.height,
            spec.width,
            device=self.device,
            limits=limits or MemoryLimits.of(self.device),
        )
        sizes, self.digests = self._fill(wanted, workers, on_progress)
        self.sizes = sizes[self._slots[:, :, spec.halo].numpy()]
        _check_sizes(self.tables, self.sizes, original_hw)
        xy_img = np.stack([table.xy_img for table in self.tables], axis=1)
        to_net = crop_resize_affine(_regions(self.sizes, boxes), (spec.height, spec.width))
        keypoints = apply_affine(to_net, torch.from_numpy(xy_img))
        self._keypoints_net = keypoints.float().to(self.device)
        self._net_to_image = invert_affine(to_net).float().to(self.device)

    def __len__(self) -> int:
        return len(self._slots)

    @property
    def frames_per_row(self) -> int:
        """Return how many frames one row brings: views times neighbours."""
        return self._slots[0].numel() if len(self) else 0

    @property
    def views_and_keypoints(self) -> tuple[int, int]:
        """Return how many views a row has, and how many keypoints each view."""
        views, num_keypoints = self._keypoints_net.shape[1:3]
        return views, num_keypoints

    def fetch(self, rows: Int[Tensor, " b"]) -> CachedItems:
        """Return rows on the device, without making the host wait for it.

        Args:
            rows: which, on the CPU.
        """
        slots = self._slots[rows]
        frames = self.store.take(slots.flatten()).unflatten(0, slots.shape)
        on_device = to_device(rows, self.device)
        return CachedItems(
            images=frames.movedim(-1, -3),
            keypoints_net=self._keypoints_net.index_select(0, on_device),
            net_to_image=self._net_to_image.index_select(0, on_device),
            row_ids=on_device,
        )

    def _fill(
        self, wanted: Sequence[_Wanted], workers: int | None, on_progress: OnProgress | None
    ) -> tuple[Int[np.ndarray, "m 2"], dict[Path, str]]:
        """Decode everything; return the files' sizes and hashes."""
        sizes = np.zeros((len(wanted), 2), dtype=np.int64)
        digests, broken = {}, []
        threads = workers or min(_MOST_WORKERS, os.cpu_count() or 1)
        with FileHashes() as hashes, ThreadPoolExecutor(threads) as pool:
            decoding = pool.map(lambda frame: self._decode(frame, hashes), wanted)
            for slot, decoded in enumerate(decoding):
                if isinstance(decoded, DataError):
                    broken.append(decoded)
                else:
                    self.store.put(slot, decoded.frame)
                    sizes[slot] = decoded.size
                    digests[wanted[slot].path] = decoded.sha256
                if on_progress is not None:
                    on_progress(slot + 1, len(wanted))
        if broken:
            raise DataError(" ".join(str(error) for error in broken[:5]) + _and_more(broken[5:]))
        return sizes, digests

    def _decode(self, wanted: _Wanted, hashes: FileHashes) -> _Decoded | DataError:
        try:
            content, digest = hashes.read(wanted.path)
            pixels = decode_image(wanted.path, content=content)
            height, width = pixels.shape[:2]
            if wanted.box is not None:
                check_boxes_show(np.array([wanted.box]), (height, width), name=str(wanted.path))
        except DataError as error:
            return error
        frame = torch.from_numpy(pixels)[None]
        if wanted.box is not None:
            frame = crop_frames(frame, wanted.box)
        resized = resize_frames(frame, self.spec.height, self.spec.width)
        return _Decoded(resized[0].movedim(0, -1), (height, width), digest)


def _plan(
    tables: Sequence[LabelTable], boxes: Sequence[Sequence[Box | None]], context: int
) -> tuple[list[_Wanted], Int[Tensor, "n v t"]]:
    """Return the frames needed, each once, and which of them every row shows."""
    finder = NeighbourFinder()
    slots: dict[_Wanted, int] = {}
    index = torch.zeros((len(tables[0]), len(tables), context), dtype=torch.int64)
    for view, table in enumerate(tables):
        for row in range(len(table)):
            for time, path in enumerate(finder.window(table.path(row), context)):
                wanted = _Wanted(path, boxes[view][row])
                index[row, view, time] = slots.setdefault(wanted, len(slots))
    return list(slots), index


def _regions(
    sizes: Int[np.ndarray, "n v 2"], boxes: Sequence[Sequence[Box | None]]
) -> Float[Tensor, "n v 4"]:
    """Return the part of each image that is shown: its box, or all of it."""
    whole = np.concatenate([np.zeros_like(sizes), sizes], axis=-1)
    for view, of_view in enumerate(boxes):
        for row, box in enumerate(of_view):
            if box is not None:
                whole[row, view] = box
    return torch.from_numpy(whole).double()


def _check_sizes(
    tables: Sequence[LabelTable],
    sizes: Int[np.ndarray, "n v 2"],
    original_hw: tuple[int | None, int | None],
) -> None:
    wanted = np.stack(
        [
            sizes[..., axis] if side is None else np.full_like(sizes[..., axis], side)
            for axis, side in enumerate(original_hw)
        ],
        axis=-1,
    )
    wrong = np.argwhere((sizes != wanted).any(-1))
    if not len(wrong):
        return
    height, width = wanted[*wrong[0]]
    files = [
        f"{tables[view].images[row]} ({sizes[row, view, 0]} x {sizes[row, view, 1]})"
        for row, view in wrong
    ]
    raise DataError(
        f"data.image_orig_dims says that images are {height} x {width} (height x width), but "
        f"{count(len(files), 'image')} differ: {listed(files)}. Sizes are read from the files: "
        "leave image_orig_dims out."
    )


def _and_more(broken: Sequence[DataError]) -> str:
    return f" And {len(broken)} more." if broken else ""
