"""How far a sweep is, on the terminal."""

from __future__ import annotations

from pathlib import Path

from lightning_pose.cli.terminal import say, say_json, say_table
from lightning_pose.contracts.files import write_text
from lightning_pose.mlops.sweeps.advice import next_steps
from lightning_pose.mlops.sweeps.findings import Findings, findings_of
from lightning_pose.mlops.sweeps.page import REPORT, page_of
from lightning_pose.mlops.sweeps.study import find_study

MOST = 10


def say_status(found: Findings, *, as_json: bool = False) -> None:
    """Print states, best configurations, and what to try next."""
    best = found.configurations[0] if found.configurations else None
    if as_json:
        say_json(
            {
                "study": found.name,
                "objective": found.objective,
                "wanted": found.wanted,
                "states": found.states,
                "best_px": best.mean_px if best else None,
                "best": best.params if best else None,
                "importance": found.importance,
                "device_hours": found.device_hours,
            }
        )
        return
    states = ", ".join(f"{number} {state.lower()}" for state, number in found.states.items())
    say(f"{found.name}: {found.wanted} trials wanted; {states}")
    rows = [
        (one.mean_px, one.spread_px, len(one.errors_px), _line(one.params))
        for one in found.configurations[:MOST]
    ]
    if rows:
        say_table(rows, header=("val px", "sd px", "seeds", "values"))
    if found.unbeaten:
        say("Trials that no other beats in both:")
        header = ("trial", *found.objective, "values")
        say_table([(o.number, *o.values, _line(o.params)) for o in found.unbeaten], header=header)
    for step in next_steps(found):
        say(step)


def _line(params: dict[str, object]) -> str:
    return " ".join(
        f"{key.rpartition('.')[2]}={value:.4g}"
        if isinstance(value, float)
        else f"{key.rpartition('.')[2]}={value}"
        for key, value in params.items()
    )


def say_end(sweep_dir: Path) -> int:
    """Tell what a sweep has come to; return the exit code, 1 if no trial was of use."""
    found = findings_of(find_study(sweep_dir))
    write_text(sweep_dir / REPORT, page_of(found))
    say_status(found)
    say(f"sweep: {sweep_dir}")
    return 0 if found.number_in("COMPLETE", "PRUNED") else 1
