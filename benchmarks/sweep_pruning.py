"""What does pruning spare? The same sweep with and without it, on the toy set.

    python benchmarks/sweep_pruning.py [--seed 0] [--out FOLDER]

Twelve trials of up to 20 epochs, validated after each, are run twice one after the other: with the
pruner median (four trials to begin with, three epochs of warm-up), and without. Both stores are
read, and what is not as it must be ends the script with an error. Takes some minutes on one core.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from pathlib import Path

from sweep_stores import EPOCHS, Stores, environment, read_stores, sweep_command

TRIALS = 12
FEWEST_PRUNED = 4
LARGEST_SHARE = 0.75


def main() -> None:
    """Run both sweeps and compare them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="folder to keep (default: a temporary one)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="litpose-pruning-") as temporary:
        folder = (args.out or Path(temporary)).resolve()
        swept = {
            pruner: sweep(folder / pruner, pruner, args.seed) for pruner in ("median", "none")
        }
        for pruner, (stores, seconds) in swept.items():
            states = ", ".join(f"{n} {name}" for name, n in sorted(stores.states.items()))
            print(
                f"{pruner:>6}: {states}; {stores.epochs} epochs, {seconds:.0f} s, "
                f"best {stores.best_px:.3f} px"
            )
        pruned, whole = swept["median"][0], swept["none"][0]
        print(f"epochs with pruning: {pruned.epochs / whole.epochs:.0%} of {whole.epochs}")
        print("MLflow:", dict(pruned.tags))
        problems = [*pruned.problems(trials=TRIALS), *whole.problems(trials=TRIALS)]
        problems += difference_problems(pruned, whole, folder / "median")
        raise SystemExit("\n".join(problems) or 0)


def sweep(folder: Path, pruner: str, seed: int) -> tuple[Stores, float]:
    """Run the sweep; return what the stores hold, and seconds."""
    folder.mkdir(parents=True)
    command = sweep_command(f"hydra.sweeper.pruner={pruner}", trials=TRIALS, seed=seed)
    started = time.monotonic()
    with (folder / "log.txt").open("w") as log:
        subprocess.run(
            command,
            cwd=folder,
            env=environment(),
            stdout=log,
            stderr=subprocess.STDOUT,
            check=True,
        )
    return read_stores(folder), time.monotonic() - started


def difference_problems(pruned: Stores, whole: Stores, folder: Path) -> list[str]:
    """Return what pruning did not do."""
    ended = [t for t in pruned.trials if t.state.name == "PRUNED"]
    run_dirs = [folder / "multirun" / "rates" / t.user_attrs["run_dir"] for t in ended]
    checks = {
        f"only {len(ended)} trials were pruned": len(ended) >= FEWEST_PRUNED,
        "a trial was pruned in its warm-up": all(max(t.intermediate_values) > 3 for t in ended),
        "too many epochs": pruned.epochs <= LARGEST_SHARE * whole.epochs,
        "the unpruned sweep is not whole": whole.epochs == TRIALS * EPOCHS,
        "a pruned trial was predicted": not any(
            list(d.glob("predictions*.csv")) for d in run_dirs
        ),
        "MLflow tags differ": pruned.tags[("FINISHED", "PRUNED")] == len(ended),
    }
    return [problem for problem, holds in checks.items() if not holds]


if __name__ == "__main__":
    main()
