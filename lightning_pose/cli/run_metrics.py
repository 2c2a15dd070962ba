"""The metrics of a trained model, from what its run directory keeps."""

from __future__ import annotations

from pathlib import Path

from lightning_pose.config.load import load_run_config
from lightning_pose.contracts.labels import LabelTable
from lightning_pose.contracts.predictions import SETS
from lightning_pose.data.labels import read_labels
from lightning_pose.data.splits import Split
from lightning_pose.inference.model import Model
from lightning_pose.metrics.build import BuiltMetrics, MetricBasis, build_metrics

LABELS, SPLIT = "labels.csv", "splits.csv"
TRAIN = SETS[0]


def labels_file(view: str | None) -> str:
    """Return the name of the labels a run directory keeps, of one view if there are several."""
    return LABELS if view is None else f"labels_{view}.csv"


def metrics_of(model: Model) -> BuiltMetrics:
    """Return the metrics that apply to a model, and why others cannot be computed."""
    run_dir = model.files.run_dir if model.files else None
    view = model.view_names[0] if model.view_names else None
    return run_metrics(run_dir, view=view) if run_dir else build_metrics(MetricBasis())


def run_metrics(run_dir: Path, *, view: str | None = None) -> BuiltMetrics:
    """Return the metrics fitted on the labels that a run was trained on."""
    data = load_run_config(run_dir).data
    labels = run_dir / labels_file(view)
    is_known = labels.is_file() and (run_dir / SPLIT).is_file()  # else metrics say what they lack
    table = read_labels(labels, data_dir=run_dir) if is_known else None
    basis = MetricBasis(
        training_xy=None if table is None else _training_rows(table, run_dir).xy_img,
        singleview_columns=data.columns_for_singleview_pca,
        matched_columns=data.mirrored_column_matches,
    )
    return build_metrics(basis)


def _training_rows(table: LabelTable, run_dir: Path) -> LabelTable:
    return table.rows(Split.read(run_dir / SPLIT).rows(TRAIN))
