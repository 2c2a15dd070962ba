"""The ensemble Kalman smoother of the package ``ensemble-kalman-smoother`` (the extra ``eks``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from lightning_pose.contracts.errors import ConfigError, DataError
from lightning_pose.contracts.predictions import Predictions
from lightning_pose.inference.ensemble import COORDS, Smoothed, combined


def smooth_with_package(members: Sequence[Predictions]) -> Smoothed:
    """Return the ensemble as the package smooths it, each keypoint by itself.

    The model is that of :func:`~lightning_pose.inference.ensemble.smooth_ensemble`; the package
    computes in single precision and stops sooner in its search for the step variance.

    Raises:
        ConfigError: the package is not installed.
        DataError: the members do not fit together; or there is a single frame or keypoint, or a
            point that no member has, none of which the package can smooth.
    """
    plain = combined(members)
    if min(plain.median_img.shape[:2]) < 2 or not np.isfinite(plain.median_img).all():
        raise DataError(
            f"{plain.predictions.source}: the package eks needs two frames and two keypoints, and "
            "every point in at least one member; --engine litpose smooths what it cannot."
        )
    smoother, markers = _package()
    values = np.stack(
        [
            np.concatenate([m.xy_img, np.nan_to_num(m.confidence, nan=1.0)[..., None]], axis=-1)
            for m in members
        ]
    )
    table, _ = smoother(
        markers(values[:, None].astype(np.float64), data_fields=list(COORDS[:3])),
        list(plain.predictions.keypoint_names),
    )
    found = table.to_numpy(dtype=np.float64).reshape(*plain.median_img.shape[:2], len(COORDS))
    return replace(
        plain,
        predictions=replace(plain.predictions, xy_img=found[..., 0:2]),
        median_img=found[..., 3:5],
        ensemble_variance=found[..., 5:7],
        posterior_variance=found[..., 7:9],
    )


def _package() -> tuple[Any, Any]:
    """Return the package's smoother and the class of its input."""
    try:
        from eks import MarkerArray  # pyright: ignore[reportMissingImports]
        from eks.singlecam_smoother import (  # pyright: ignore[reportMissingImports]
            ensemble_kalman_smoother_singlecam,
        )
    except ImportError as error:
        raise ConfigError(
            f"The package ensemble-kalman-smoother cannot be imported ({error}). Install it with "
            "pip install 'lightning-pose-rebuilt[eks]', or leave out --engine eks: the smoother "
            "that is built in computes the same model."
        ) from error
    return ensemble_kalman_smoother_singlecam, MarkerArray
