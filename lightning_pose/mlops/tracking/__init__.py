"""Recording runs in MLflow without ever stopping or slowing them."""

from lightning_pose.mlops.tracking.run_tracker import RunTracker, start_tracking
from lightning_pose.mlops.tracking.stored_run import is_run_id, run_dir_of
from lightning_pose.mlops.tracking.upload import Upload, find_spools, upload

__all__ = [
    "RunTracker",
    "Upload",
    "find_spools",
    "is_run_id",
    "run_dir_of",
    "start_tracking",
    "upload",
]
