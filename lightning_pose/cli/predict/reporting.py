"""What became of a batch of predictions: a table with its sums, or JSON."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning_pose.cli.terminal import say, say_table
from lightning_pose.contracts.durations import duration
from lightning_pose.data.wording import count
from lightning_pose.inference.outcome import Outcome
from lightning_pose.inference.shard import Shard

_WIDEST = 60  # letters of a name
HEADER = ("input", "outcome", "frames", "time", "frames/s")


def report(
    outcomes: Sequence[Outcome], out: Path, *, wall_s: float, shard: Shard | None = None
) -> None:
    """Print a line for each outcome, then what they come to, and where the results are.

    Args:
        outcomes: of the batch.
        out: folder of the results.
        wall_s: seconds it took by the clock; several inputs may have been predicted at once.
        shard: which share of the inputs they are of.
    """
    say_table(map(_row, outcomes, _names(outcomes)), HEADER)
    say(_sums(outcomes, wall_s, shard))
    say(f"results: {out}")


def as_plain(outcome: Outcome) -> dict[str, Any]:
    """Return an outcome as values that JSON knows."""
    plain = {
        field.name: getattr(outcome, field.name)
        for field in dataclasses.fields(outcome)
        if field.name not in ("inputs", "files", "predictions", "failed")
    }
    return plain | {
        "inputs": [str(item.path) for item in outcome.inputs],
        "files": [str(path) for path in outcome.files],
        "failed": str(outcome.failed) if outcome.failed else None,
    }


def _names(outcomes: Sequence[Outcome]) -> list[str]:
    """Return what each is called in the table: with its folder where names occur twice."""
    paths = {item.path for outcome in outcomes for item in outcome.inputs}
    uses = Counter(path.name for path in paths)

    def name(path: Path) -> str:
        called = path.name if uses[path.name] == 1 else str(path)
        half = _WIDEST // 2
        return called if len(called) <= _WIDEST else f"{called[:half]}...{called[-half:]}"

    return [", ".join(name(item.path) for item in outcome.inputs) for outcome in outcomes]


def _row(outcome: Outcome, name: str) -> tuple[object, ...]:
    took = outcome.seconds
    return (
        name,
        _state(outcome),
        outcome.num_frames or None,
        duration(took) if took else "-",
        outcome.num_predicted / took if took else None,
    )


def _state(outcome: Outcome) -> str:
    if outcome.failed:
        return "failed"
    if outcome.claimed_by:
        return f"being predicted by {outcome.claimed_by}"
    return "there already" if outcome.skipped else "done"


def _sums(outcomes: Sequence[Outcome], wall_s: float, shard: Shard | None) -> str:
    states = {
        "failed": sum(o.failed is not None for o in outcomes),
        "with other workers": sum(bool(o.claimed_by) for o in outcomes),
        "there already": sum(o.skipped for o in outcomes),
    }
    told = "".join(f", {number} {state}" for state, number in states.items() if number)
    which = f"shard {shard.number} of {shard.of}: " if shard else ""
    predicted = [outcome for outcome in outcomes if outcome.seconds]
    frames = sum(o.num_predicted for o in predicted)
    rate = (
        f"; {count(frames, 'frame')} in {duration(wall_s)}, {frames / wall_s:.1f} frames/s, "
        f"{sum(o.waited_s for o in predicted) / wall_s:.0%} of the time waiting for decode"
        if predicted
        else ""
    )
    return f"{which}{count(len(outcomes), 'input')}{told}{rate}"
