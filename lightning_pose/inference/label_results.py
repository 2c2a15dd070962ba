"""What a network says of the images of label files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lightning_pose.contracts.batches import LabeledBatch
from lightning_pose.contracts.errors import DataError
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.data.bboxes import Box
from lightning_pose.inference.compute import Compute
from lightning_pose.inference.parallel import run_batches
from lightning_pose.inference.prediction_handler import OnTheWay
from lightning_pose.models.base import BaseSupervisedTracker


def label_results(
    tracker: BaseSupervisedTracker,
    tables: Sequence[LabelTable],
    sets: Sequence[str],
    *,
    compute: Compute,
    batch_size: int,
    bboxes: dict[str, Box] | None = None,
) -> Iterator[OnTheWay]:
    """Yield the results of all images, batch by batch.

    Args:
        tracker: prepared for prediction.
        tables: one a view, with the same rows; labels are not looked at.
        sets: the part of each row; there must be as many as rows.
        compute: where and in which arithmetic the tracker runs.
        batch_size: images at a time.
        bboxes: box (x, y, height, width) of each image by its path.

    Raises:
        DataError: an image cannot be read or has no box, or the sets are of other rows.
    """
    # Here, because it brings the augmentation library, which takes seconds to import.
    from lightning_pose.data.labeled_data import evaluation_loader

    if len(sets) != len(tables[0]):
        raise DataError(f"There are {len(sets)} sets for {len(tables[0])} labelled images.")
    loader = evaluation_loader(
        tables,
        spec=tracker.data_spec,
        device=compute.device,
        batch_size=batch_size,
        bboxes=bboxes,
    )

    def predicted(batch: LabeledBatch) -> OnTheWay:
        return OnTheWay.sent(batch.row_ids, *tracker.predict_batch(batch))

    yield from run_batches(predicted, loader, compute=compute)
