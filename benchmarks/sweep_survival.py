"""Does a sweep survive what kills it? SIGKILL at random moments, the same command repeated.

    python benchmarks/sweep_survival.py [--kills 20] [--seed 0] [--within 20] [--launcher basic]
        [--out FOLDER]

The sweep of sweep_pruning.py (twelve trials of up to 20 epochs, pruned) is begun again and again;
each time, after a random while (a quarter of the kills may come before any trial is at work, the
others later), the process of the sweep, a process that it started (a trial, with
the launchers joblib and submitit_local), or all of them are killed. Then it is let run to its end,
and what is not as it must be in Optuna or MLflow ends the script with an error.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path

import psutil
from sweep_stores import environment, read_stores, sweep_command

TRIALS = 12
LAUNCHERS = {
    "basic": (),
    "joblib": ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "hydra.sweeper.n_jobs=2"),
    "submitit_local": ("hydra/launcher=submitit_local", "hydra.sweeper.n_jobs=2"),
}


def main() -> None:
    """Kill the sweep so many times, let it end, and look at both stores."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--within",
        type=float,
        default=20.0,
        help="seconds in which a kill comes; fewer on a fast machine",
    )
    parser.add_argument("--launcher", choices=LAUNCHERS, default="basic")
    parser.add_argument("--out", type=Path, help="folder to keep (default: a temporary one)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="litpose-survival-") as temporary:
        folder = (args.out or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        command = sweep_command(
            "hydra.sweeper.pruner=median", *LAUNCHERS[args.launcher], trials=TRIALS
        )
        started = time.monotonic()
        killed, code = kill_often(command, folder, args, random.Random(args.seed))
        seconds = time.monotonic() - started
        stores = read_stores(folder)
        print(f"killed: {dict(killed)}; {seconds:.0f} s; exit code {code} at the end")
        print("Optuna:", dict(stores.states), "MLflow:", dict(stores.tags))
        print(f"best {stores.best_px:.3f} px; {stores.epochs} epochs of trials that count")
        problems = stores.problems(trials=TRIALS)
        if killed.total() < args.kills:
            problems.append(f"the sweep was over after {killed.total()} kills")
        raise SystemExit("\n".join(problems) or code)


def kill_often(
    command: list[str], folder: Path, args: argparse.Namespace, chance: random.Random
) -> tuple[Counter[str], int]:
    """Kill the sweep so often and let it end; return what was killed, and its exit code."""
    killed: Counter[str] = Counter()
    process = begin(command, folder)
    while killed.total() < args.kills:
        until_at_work(process, folder) if chance.random() > 0.25 else None
        try:
            process.wait(chance.uniform(0, args.within))
        except subprocess.TimeoutExpired:
            killed[kill(process, chance)] += 1
            print(f"{killed.total()}: {dict(killed)}", flush=True)
        else:  # over; or it gave up after losing a child, which the next command mends
            if process.returncode == 0:
                return killed, 0
        if process.poll() is not None:
            process = begin(command, folder)
    return killed, process.wait()


def until_at_work(process: subprocess.Popen[bytes], folder: Path) -> None:
    """Wait until a trial is trained: its log has grown by an announcement, or the sweep ended."""
    log = folder / "log.txt"
    before = log.stat().st_size
    while process.poll() is None and b"Trial " not in log.read_bytes()[before:]:
        time.sleep(0.1)


def begin(command: list[str], folder: Path) -> subprocess.Popen[bytes]:
    """Begin the sweep in a session of its own; what it says is in log.txt."""
    with (folder / "log.txt").open("ab") as log:
        return subprocess.Popen(
            command,
            cwd=folder,
            env=environment(),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def kill(process: subprocess.Popen[bytes], chance: random.Random) -> str:
    """Kill the process, one of those it started, or all; return which."""
    children = [child.pid for child in psutil.Process(process.pid).children(recursive=True)]
    what = chance.choice(["parent", "child", "both"]) if children else "parent"
    own = [] if what == "child" else [process.pid]
    others = {"parent": [], "child": [chance.choice(children or [0])], "both": children}[what]
    for pid in [*own, *filter(None, others)]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    if own:
        process.wait()
    return what


if __name__ == "__main__":
    main()
