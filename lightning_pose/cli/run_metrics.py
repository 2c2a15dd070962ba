"""The metrics of a trained model, from what its run directory keeps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float

from lightning_pose.config.load import load_run_config
from lightning_pose.contracts.predictions import SETS
from lightning_pose.contracts.run_record import SPLIT, labels_file
from lightning_pose.data.labels import read_labels
from lightning_pose.data.splits import Split
from lightning_pose.inference.model import Model
from lightning_pose.metrics.build import BuiltMetrics, MetricBasis, build_metrics

TRAIN = SETS[0]


def metrics_of(model: Model) -> BuiltMetrics:
    """Return the metrics that apply to a model, and why others cannot be computed.

    They are fitted on the labels that its run was trained on; of several cameras they take the
    views side by side (:func:`~lightning_pose.metrics.views.computed_by_view`).
    """
    run_dir = model.files.run_dir if model.files else None
    views = max(1, len(model.view_names))
    if run_dir is None:
        return build_metrics(MetricBasis(num_views=views))
    data = load_run_config(run_dir).data
    labels = [run_dir / labels_file(view) for view in model.view_names or (None,)]
    is_known = all(path.is_file() for path in (*labels, run_dir / SPLIT))  # else metrics say so
    basis = MetricBasis(
        training_xy=_training_labels(labels) if is_known else None,
        num_views=views,
        singleview_columns=data.columns_for_singleview_pca,
        matched_columns=data.mirrored_column_matches,
    )
    return build_metrics(basis)


def _training_labels(labels: list[Path]) -> Float[np.ndarray, "n k 2"]:
    """Return the labels of the training rows, views side by side."""
    tables = [read_labels(path, data_dir=path.parent) for path in labels]
    rows = Split.read(labels[0].parent / SPLIT).rows(TRAIN)
    return np.concatenate([table.xy_img[rows] for table in tables], axis=1)
