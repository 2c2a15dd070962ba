"""How far a sweep is, on the terminal."""

from __future__ import annotations

from lightning_pose.cli.terminal import say, say_json, say_table
from lightning_pose.mlops.sweeps.findings import Findings, next_steps

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
