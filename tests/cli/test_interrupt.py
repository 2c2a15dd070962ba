"""Ctrl-C stops a training politely."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.cli.conftest import TINY, UNTRACKED, tiny_data


def test_ctrl_c_closes_the_record_and_tells_how_to_carry_on(toy: Path, tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    line = ["train", "-m", "data=toy", tiny_data(toy), *TINY, UNTRACKED, "eval=none"]
    line += ["training.max_epochs=100000", "model.model_name=first,second"]
    line += [f"hydra.sweep.dir={run_dir}"]
    training = subprocess.Popen(
        [sys.executable, "-m", "lightning_pose.cli.main", *line],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        last = run_dir / "0" / "checkpoints" / "last.ckpt"
        deadline = time.monotonic() + 200
        while not last.exists() and training.poll() is None and time.monotonic() < deadline:
            time.sleep(0.2)
        training.send_signal(signal.SIGINT)
        _, err = training.communicate(timeout=100)
    finally:
        training.kill()
    assert training.returncode == 1, err
    assert f"litpose train model.resume={run_dir / '0'}" in " ".join(err.split())
    assert json.loads((run_dir / "0" / "run.json").read_text())["outcome"] == "interrupted"
    assert not (run_dir / "1").exists()  # the multirun ends with the training
