"""A search without training: draws trials, reports a curve, tells its end. Also run as a process.

python searching.py FOLDER [TRIALS] [STORAGE]
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial

from lightning_pose.config.run_dirs import claim
from lightning_pose.contracts.search_space import Choice, Parameter, Range
from lightning_pose.contracts.sweeps import SweepSettings, TrialPlace
from lightning_pose.mlops.sweeps.study import find_study
from lightning_pose.mlops.sweeps.trial import RunningTrial
from lightning_pose.mlops.sweeps.worker import Attempt, Worker
from lightning_pose.training.run_lock import locked

CHECKOUT = Path(__file__).resolve().parents[2]
EXTRA = [path for path in [os.environ.get("PYTHONPATH")] if path]
RATE = Parameter(key="rate", values=Range(low=1e-4, high=1e-1, log=True), text="interval")
LOSSES = Parameter(key="losses", values=Choice(values=("[]", "[a]", "[a,b]")), text="choice")
WEIGHT = Parameter(
    key="b.weight", values=Range(low=3.0, high=9.0), text="weight", when={"losses": ("b",)}
)
SPACE = (RATE, LOSSES, WEIGHT)
SIGNATURE: dict[str, Any] = {"space": {"rate": "interval"}, "settings": {}}
Train = Callable[[Attempt, RunningTrial], None]


def settings_in(folder: Path, **changes: Any) -> SweepSettings:
    return SweepSettings(**{"storage": str(folder / "sweep.journal"), "n_trials": 6, **changes})


def curve(attempt: Attempt, trial: RunningTrial, *, pause_s: float = 0.0) -> None:
    """Fall to a height that the number of the trial gives, over four validations."""
    value = 0.0
    for epoch in range(1, 5):
        value = 10 + attempt.number + 5 / epoch
        time.sleep(pause_s)
        if trial.report(epoch, value):
            trial.pruned()
            return
    trial.complete([value])


def search(
    folder: Path,
    train: Train = curve,
    *,
    space: tuple[Parameter, ...] = SPACE,
    signature: dict[str, Any] = SIGNATURE,
    **changes: Any,
) -> list[Attempt]:
    """Search until there are enough trials; return those that were run here."""
    settings = settings_in(folder, **changes)
    done = []
    with Worker(settings, space, folder, signature, claim=claim) as worker:
        while attempts := worker.next_attempts():
            with worker.running(attempts):
                for attempt in attempts:
                    with locked(folder / attempt.folder):
                        place = TrialPlace(settings=settings, number=attempt.number)
                        train(attempt, RunningTrial(place))
                    done.append(attempt)
    return done


def process(folder: Path, number: int, *more: str) -> subprocess.Popen[str]:
    """Begin a search in a process of its own."""
    command = [sys.executable, __file__, str(folder), str(number), *more]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, [CHECKOUT, *EXTRA]))}
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


def trials_of(folder: Path) -> list[FrozenTrial]:
    return find_study(folder).get_trials(deepcopy=False)


if __name__ == "__main__":
    where, number = Path(sys.argv[1]), int(sys.argv[2])
    more = {"storage": sys.argv[3]} if len(sys.argv) > 3 else {}
    search(where, lambda a, t: curve(a, t, pause_s=0.05), n_trials=number, **more)
