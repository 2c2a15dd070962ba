"""The class that trains a kind of tracker on unlabelled video too, written or made."""

from __future__ import annotations

from functools import cache

from lightning_pose.contracts.batches import VideoBatch
from lightning_pose.contracts.loss_inputs import UnlabeledLossInputs
from lightning_pose.models.base import BaseSupervisedTracker, SemiSupervisedTrackerMixin


class SemiSupervisedByPrediction(SemiSupervisedTrackerMixin, BaseSupervisedTracker):
    """The twin of every tracker that has none of its own: what it predicts is what is judged.

    Its ``predict_batch`` must be differentiable.
    """

    def get_loss_inputs_unlabeled(self, batch: VideoBatch) -> UnlabeledLossInputs:
        """Return predicted coordinates in original image pixels and their confidences."""
        keypoints_img, confidences = self.predict_batch(batch)
        return UnlabeledLossInputs(keypoints_pred=keypoints_img, confidences=confidences)


@cache
def semi_supervised(tracker: type[BaseSupervisedTracker]) -> type[BaseSupervisedTracker]:
    """Return the tracker's twin, which has :class:`SemiSupervisedTrackerMixin` among its bases.

    That is the tracker itself if it has the mixin, else a class that names the mixin and the
    tracker as its bases, else one made from the twin of the nearest class it derives from; at
    the end of that line stands :class:`SemiSupervisedByPrediction`.

    Example:
        >>> from lightning_pose.models.heatmap_tracker import HeatmapTracker
        >>> semi_supervised(HeatmapTracker).__name__
        'SemiSupervisedHeatmapTracker'
    """
    if issubclass(tracker, SemiSupervisedTrackerMixin):
        return tracker
    written = (twin for parent in tracker.__mro__ for twin in _written_for(parent))
    nearest = next(written, SemiSupervisedByPrediction)
    if tracker in nearest.__bases__:
        return nearest
    own = {"__module__": tracker.__module__, "__doc__": tracker.__doc__}
    return type(f"SemiSupervised{tracker.__name__}", (tracker, nearest), own)


def _written_for(tracker: type) -> list[type[BaseSupervisedTracker]]:
    """Return the twins written for a class; the tracker of all trackers has none of its own."""
    if tracker is BaseSupervisedTracker or not issubclass(tracker, BaseSupervisedTracker):
        return []
    children = tracker.__subclasses__()
    return [
        child for child in children if issubclass(child.__bases__[0], SemiSupervisedTrackerMixin)
    ]
