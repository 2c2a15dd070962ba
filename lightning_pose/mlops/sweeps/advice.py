"""What to try next after a sweep, in sentences."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator
from typing import Any

from lightning_pose.mlops.sweeps.findings import SEEDS, Configuration, Findings
from lightning_pose.mlops.sweeps.study import ERROR, counted

EDGE = 0.05
IDLE = 0.05
FEWEST_SEEDS = 3


def next_steps(found: Findings) -> list[str]:
    """Return what to try next, each in a sentence, the most urgent first."""
    steps = list(_unfinished(found))
    if not found.configurations:
        why = "; look at the reasons of the failed ones." if found.number_in("FAIL") else "."
        return [*steps, f"No trial is complete yet{why}"]
    best = found.configurations[0]
    if len(best.errors_px) < FEWEST_SEEDS:
        number = "one seed" if len(best.errors_px) == 1 else f"{len(best.errors_px)} seeds"
        steps.append(
            f"The best configuration was trained with {number} only, so that its lead may be "
            "chance. Train it with several before it is believed: "
            f"{command_for(found, best, 'training.rng_seed_model_pt=0,1,2,3,4')}"
        )
    steps += list(_hardly_better(found))
    steps += list(_at_an_edge(found, best))
    idle = [key for key, share in found.importance.items() if share < IDLE]
    if idle and len(idle) < len(found.importance):
        steps.append(f"{', '.join(idle)} hardly mattered: fix it and search the others finer.")
    return steps or ["Nothing stands out: take the best configuration."]


def command_for(found: Findings, one: Configuration, *more: str) -> str:
    """Return the command that trains a configuration once, or with ``more`` values many times."""
    values = (f"{key}={value}" for key, value in one.params.items())
    options = ["-m"] if more else []
    return shlex.join(["litpose", "train", *options, *found.fixed, *values, *more])


def _unfinished(found: Findings) -> Iterator[str]:
    left = found.wanted - len(counted(found.trials))
    if left > 0:
        yield (
            f"{left} of {found.wanted} trials are still to come: the command that began the sweep "
            "carries it on."
        )
    errors = [t.user_attrs[ERROR] for t in found.trials if ERROR in t.user_attrs]
    if errors:
        number = "1 trial" if len(errors) == 1 else f"{len(errors)} trials"
        yield f"{number} failed, the last because: {errors[-1]}"


def _hardly_better(found: Findings) -> Iterator[str]:
    spreads = [one.spread_px for one in found.configurations if one.spread_px is not None]
    if len(found.configurations) < 2 or not spreads:
        return
    first, second = found.configurations[:2]
    lead, spread = second.mean_px - first.mean_px, max(spreads)
    if lead < spread:
        yield (
            f"The two best differ by {lead:.2f} px, less than seeds do ({spread:.2f} px): take "
            "the cheaper one, or try more seeds."
        )


def _at_an_edge(found: Findings, best: Configuration) -> Iterator[str]:
    trial = found.trials[best.trials[0]]
    for key, space in trial.distributions.items():
        place = None if key.startswith(SEEDS) else _place(space, trial.params[key])
        if place is None or EDGE <= place <= 1 - EDGE:
            continue
        way = "down" if place < EDGE else "up"
        yield (
            f"The best {key} ({trial.params[key]:.4g}) lies at the end of its range: extend "
            f"the range {way}wards."
        )


def _place(space: Any, value: Any) -> float | None:
    """Return where a number lies in its range, 0 to 1; None if it is none or the range a point."""
    if not hasattr(space, "low") or space.single():
        return None
    low, high, number = float(space.low), float(space.high), float(value)
    if space.log:
        low, high, number = math.log(low), math.log(high), math.log(number)
    return (number - low) / (high - low)
