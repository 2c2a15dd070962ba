"""The demo trains wherever its folder lies."""

from __future__ import annotations

from pathlib import Path

import pytest

from lightning_pose.cli.train.demo_run import training_words
from lightning_pose.cli.train.hooks import HOOKS
from lightning_pose.config.app import RunContext
from lightning_pose.config.compose import prepare
from lightning_pose.config.run import run_hydra
from lightning_pose.config.schema import Config


@pytest.mark.parametrize("name", ["my mice, 2026", "a=[b] {c}", "it's", 'a "b"', "plain"])
def test_any_folder_will_do(toy: Path, tmp_path: Path, name: str) -> None:
    out = tmp_path / name
    data = out / "data"
    out.mkdir()
    data.symlink_to(toy)
    app = prepare(training_words("regression", data, out, epochs=2), hooks=HOOKS)

    def keep(config: Config, context: RunContext) -> tuple[Config, RunContext]:
        return config, context

    config, context = run_hydra(keep, app)
    assert config.data.data_dir == str(toy)
    assert config.tracking.uri == f"sqlite:///{out}/mlflow.db"
    assert config.tracking.artifact_dir == str(out / "mlruns")
    assert context.run_dir == out / "runs" / "regression"
