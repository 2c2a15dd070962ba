"""Recording runs in MLflow without ever stopping or slowing them."""

from lightning_pose.mlops.tracking.run_tracker import RunTracker, start_tracking

__all__ = ["RunTracker", "start_tracking"]
