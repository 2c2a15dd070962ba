"""Time from the command to the first training step, imports apart.

    python benchmarks/bench_start.py DATA_DIR [OVERRIDES...]

A new process imports what ``litpose train`` imports, then trains one epoch of
mirror-mouse-example; the first run fills the system's file cache, the second one counts.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CHILD = """
import json, sys, time
started = float(sys.argv[1])
import lightning_pose.cli.train.train_app as app
import lightning_pose.cli.commands.train, lightning_pose.config.run, mlflow
from lightning_pose.cli.main import main
imported = time.time()
found, fit = {}, app.fit
def timed(*args, **kwargs):
    begin = time.time()
    result = fit(*args, **kwargs)
    found.update(fit_starts=begin, first_step=begin + result.first_step_s)
    return result
app.fit = timed
code = main(sys.argv[3:])
moments = {"imported": imported, **found}
with open(sys.argv[2], "w") as file:
    json.dump({name: moment - started for name, moment in moments.items()}, file)
sys.exit(code)
"""


def main() -> None:
    """Print when imports were done, training began, and the first step was taken, in seconds."""
    data, *overrides = sys.argv[1:]
    line = ["train", "data=mirror_mouse_example", f"data.data_dir={data}", "eval=none"]
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(2):
            words = [*line, "training.max_epochs=1", f"hydra.run.dir={folder}/{turn}", *overrides]
            out = Path(folder) / f"{turn}.json"
            command = [sys.executable, "-c", CHILD, str(time.time()), str(out), *words]
            subprocess.run(command, cwd=folder, check=True, capture_output=True)
            seconds = json.loads(out.read_text())
            print(", ".join(f"{name} after {value:.1f} s" for name, value in seconds.items()))


if __name__ == "__main__":
    main()
