"""What the record of a run says beyond its numbers: videos and searchable tags."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning_pose.config.app import RunContext
from lightning_pose.config.schema import Config, DataConfig
from lightning_pose.contracts.run_record import RunRecord
from lightning_pose.mlops.provenance import user_name


def data_set_name(data: DataConfig) -> str:
    """Return what a data set is called: its generator's name, else its folder's."""
    return data.generator or Path(data.data_dir or "data").name


def default_run_name(config: Config, context: RunContext) -> str:
    """Return what tells a run from its neighbours in a narrow column: when it began stands beside.

    It is the number in its multirun, model, backbone, losses on video, and the seed of the weights
    if that is not 0.
    """
    seed = config.training.rng_seed_model_pt
    parts = [
        "" if context.job is None else f"#{context.job}",
        config.model.model_type,
        config.model.backbone,
        "+".join(config.model.losses_to_use),
        f"seed {seed}" if seed else "",
    ]
    return " ".join(part for part in parts if part)


def datasets(data: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return what a run learns from as a tracking store lists it: each video by itself.

    Args:
        data: of the record of a run.
    """
    found: dict[str, dict[str, Any]] = {}
    for name, entry in data.items():
        files = entry.get("files")
        if not isinstance(files, Mapping):
            found[name] = dict(entry)
            continue
        for file, facts in files.items():
            path = Path(entry["root"]) / file
            found[file] = {"path": str(path), **facts}
    return found


def describing_tags(record: RunRecord, config: Config) -> dict[str, str]:
    """Return what made the run, short enough for columns of a table of runs."""
    code = record.code
    labels = [str(entry["sha256"])[:8] for entry in record.data.values() if "rows" in entry]
    return {
        "git_commit": str(code.get("commit", "")),
        "git_dirty": str(code.get("dirty", "")),
        "git_diff_sha256": str(code.get("diff_sha256", "")),
        "project_commit": str(record.project.get("commit", "")),
        "project_dirty": str(record.project.get("dirty", "")),
        "dvc_lock": str(record.project.get("dvc_lock", "")),
        "labels": " ".join(labels),
        "seeds": " ".join(f"{name}={seed}" for name, seed in record.seeds.items()),
        "packages": " ".join(f"{name}={version}" for name, version in record.packages.items()),
        "device": str(record.device.get("gpu") or record.device.get("processor", "")),
        "driver": str(record.device.get("driver", "")),
        "losses": " ".join(config.model.losses_to_use) or "supervised",
        "mlflow.source.name": "litpose train",
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": str(code.get("commit", "")),
        "mlflow.user": user_name(),
        "mlflow.note.content": (
            f"{config.model.model_type} on {config.model.backbone}; labels {' '.join(labels)}; "
            f"{' '.join(record.overrides) or 'no overrides'}"
        ),
    }
