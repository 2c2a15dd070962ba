"""Runs that belong together: the trials of a sweep under the run of the sweep."""

from __future__ import annotations

PARENT_TAG = "mlflow.parentRunId"
STATE_TAG = "trial_state"


def child_tags(parent_run: str, *, trial_state: str | None = None) -> dict[str, str]:
    """Return the tags that put a run under another in MLflow's table.

    Give them to ``tracking.tags``, or set them on a run that exists.

    Args:
        parent_run: MLflow id of the run above.
        trial_state: COMPLETE, PRUNED or FAIL, once it is known: MLflow has no status PRUNED.

    Example:
        >>> child_tags("abc", trial_state="PRUNED")
        {'mlflow.parentRunId': 'abc', 'trial_state': 'PRUNED'}
    """
    state = {STATE_TAG: trial_state} if trial_state else {}
    return {PARENT_TAG: parent_run, **state}
