"""What the record of a run says beyond its numbers: videos and searchable tags."""

from __future__ import annotations

import getpass
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from lightning_pose.config.app import RunContext
from lightning_pose.config.schema import Config, DataConfig
from lightning_pose.contracts.run_record import RunRecord
from lightning_pose.mlops.provenance import file_facts
from lightning_pose.mlops.tracking import RunTracker
from lightning_pose.video.files import videos_among


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


def training_videos(config: Config) -> list[Path]:
    """Return the videos that the model learns from."""
    folder = Path(config.data.video_dir or "")
    learns = config.data.video_dir and config.model.losses_to_use
    return videos_among(folder.iterdir()) if learns and folder.is_dir() else []


def hash_in_background(videos: list[Path], tracker: RunTracker) -> Future[dict[str, Any]]:
    """Start to hash videos, which takes a second a gigabyte; the tracker is told in the end."""

    def facts() -> dict[str, Any]:
        found = {f"video {path.name}": file_facts(path) for path in videos if path.is_file()}
        if found:
            tracker.log_inputs(found)
        return found

    pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="hashing")
    future = pool.submit(facts)
    pool.shutdown(wait=False)
    return future


def describing_tags(record: RunRecord, config: Config) -> dict[str, str]:
    """Return what made the run, short enough for columns of a table of runs."""
    code = record.code
    labels = [str(entry["sha256"])[:8] for name, entry in record.data.items() if name != "images"]
    return {
        "git_commit": str(code.get("commit", "")),
        "git_dirty": str(code.get("dirty", "")),
        "git_diff_sha256": str(code.get("diff_sha256", "")),
        "labels": " ".join(labels),
        "seeds": " ".join(f"{name}={seed}" for name, seed in record.seeds.items()),
        "packages": " ".join(f"{name}={version}" for name, version in record.packages.items()),
        "device": str(record.device.get("gpu") or record.device.get("processor", "")),
        "driver": str(record.device.get("driver", "")),
        "losses": " ".join(config.model.losses_to_use) or "supervised",
        "mlflow.source.name": "litpose train",
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": str(code.get("commit", "")),
        "mlflow.user": _user(),
        "mlflow.note.content": (
            f"{config.model.model_type} on {config.model.backbone}; labels {' '.join(labels)}; "
            f"{' '.join(record.overrides) or 'no overrides'}"
        ),
    }


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a number without a name, as in containers
        return ""
