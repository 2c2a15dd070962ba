"""A worker that predicts a folder, to be run as a process of its own and killed."""

from __future__ import annotations

import json
import os
import resource
from pathlib import Path
from typing import Any

from lightning_pose.contracts.run_record import RunRecord
from lightning_pose.inference.compute import Compute
from lightning_pose.inference.inputs import expand_inputs
from lightning_pose.inference.model import Model
from lightning_pose.inference.model_files import BEST, ModelFiles
from lightning_pose.inference.outputs import OutputSettings
from lightning_pose.inference.predict_files import predict_files
from lightning_pose.inference.session import Session
from lightning_pose.metrics.temporal_norm import TemporalNorm
from tests.inference.number_tracker import number_tracker


def number_run(run: Path) -> Path:
    """Write what a run directory needs to be one; return it."""
    (run / BEST).parent.mkdir(parents=True)
    (run / BEST).write_bytes(b"weights")
    (run / "config.yaml").write_text("")
    RunRecord(run_id="cd" * 16).write(run / "run.json")
    return run


def work(run: Path, videos: Path, out: Path, told: Path | None = None) -> None:
    """Predict the videos; write what became of each as JSON."""
    os.environ["XDG_CACHE_HOME"] = str(out.parent / "cache")
    compute = Compute.choose(device="cpu", precision="fp32")
    model = Model(number_tracker(), compute=compute, files=ModelFiles.find(run))
    outputs = OutputSettings(metrics=(TemporalNorm(),))
    became: dict[str, str] = {}
    for outcome in predict_files(model, expand_inputs([videos]), out=out, outputs=outputs):
        if outcome.failed is not None:
            raise outcome.failed
        state = "claimed" if outcome.claimed_by else "there" if outcome.skipped else "predicted"
        became[outcome.inputs[0].path.name] = state
    if told is not None:
        told.write_text(json.dumps(became))


def work_and_break_down(run: Path, videos: Path, out: Path, deadly: str) -> None:
    """Predict the videos with a decoder that ends the process at one of them."""
    opened = Session.open

    def open_or_die(session: Session, *args: Any, **kwargs: Any) -> Any:
        if session.inputs[0].path.name == deadly:
            os.abort()
        return opened(session, *args, **kwargs)

    Session.open = open_or_die
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    work(run, videos, out)
