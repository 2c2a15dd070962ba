"""How often the 95 % intervals of `litpose compare` hold the truth, on simulated errors.

    python benchmarks/bench_intervals.py [--repeats 1000]

No training. Each repeat draws new sessions, frames and models. Errors are log-normal: a session
is hard or easy, a frame is, each model does better or worse in some sessions, and errs by chance
on each frame. The truth is the expectation of the same distributions.

1. "These two trained models differ": coverage of the interval; frames clustered in sessions of
   equal or unequal size, or with one session frames alike in time (AR 1).
2. "This configuration is better": how often a difference is claimed where there is none, several
   seeds a side. The last columns are what comes of leaving out the seeds, or the sessions.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from lightning_pose.metrics.dependence import t_interval
from lightning_pose.metrics.differences import configuration_difference, paired_difference

FRAME, CHANCE = 0.5, 0.5  # spread of log errors over frames, and of a model on a frame
LOG_PX = 1.0

Sizes = Callable[[np.random.Generator, int], np.ndarray]


def equal(rng: np.random.Generator, sessions: int) -> np.ndarray:
    """Return twenty frames a session."""
    return np.full(sessions, 20)


def unequal(rng: np.random.Generator, sessions: int) -> np.ndarray:
    """Return log-normal numbers of frames, 2 to 200; two thirds lie between 7 and 30."""
    drawn = 15 * np.exp(rng.normal(0, 0.7, sessions))
    return np.clip(np.round(drawn), 2, 200).astype(int)


def one_large(rng: np.random.Generator, sessions: int) -> np.ndarray:
    """Return numbers of frames of which the first session has half."""
    drawn = rng.integers(5, 25, sessions)
    drawn[0] = drawn[1:].sum()
    return drawn


@dataclass(frozen=True)
class TwoModels:
    """Spreads of log errors, and the second model's shift.

    Attributes:
        session: how much harder sessions are for both.
        differs: how differently the models do from session to session.
        shift: of the second model.
    """

    session: float
    differs: float
    shift: float


MODELS = {
    "no difference": TwoModels(session=0.4, differs=0.2, shift=0.0),
    "second better": TwoModels(session=0.4, differs=0.2, shift=-0.3),
    "heavy tails": TwoModels(session=0.6, differs=0.4, shift=-0.3),
    "sessions alike": TwoModels(session=0.0, differs=0.0, shift=-0.3),
}


@dataclass(frozen=True)
class Configurations:
    """Spreads of log errors of runs of two configurations that are equally good.

    Attributes:
        differs: how differently the configurations do from session to session.
        seed: how much better or worse a seed makes a run.
        mixed: how differently the runs of a configuration do from session to session.
    """

    differs: float
    seed: float
    mixed: float


NULLS = {
    "seeds": Configurations(differs=0.02, seed=0.1, mixed=0.05),
    "seeds, large": Configurations(differs=0.05, seed=0.2, mixed=0.1),
    "seeds and sessions": Configurations(differs=0.15, seed=0.08, mixed=0.1),
    "sessions": Configurations(differs=0.3, seed=0.03, mixed=0.05),
    "seeds within sessions": Configurations(differs=0.05, seed=0.05, mixed=0.4),
    "hardly anything": Configurations(differs=0.1, seed=0.0, mixed=0.0),
}


def coverage(name: str, sizes: Sizes, sessions: int, repeats: int) -> tuple[float, float]:
    """Return how often the interval holds the truth, and its median width in pixels."""
    spread = MODELS[name]
    rng = np.random.default_rng(1)
    log_mean = LOG_PX + (spread.session**2 + FRAME**2 + CHANCE**2) / 2
    truth = np.exp(log_mean) * (np.exp(spread.shift + spread.differs**2 / 2) - 1)
    held, widths = 0, []
    for _ in range(repeats):
        number = np.repeat(np.arange(sessions), sizes(rng, sessions))
        both = LOG_PX + rng.normal(0, spread.session, sessions)[number]
        both = both + rng.normal(0, FRAME, len(number))
        differs = spread.shift + rng.normal(0, spread.differs, sessions)[number]
        first, second = rng.normal(0, CHANCE, (2, len(number))) + both
        images = [f"s{session}/{frame}.png" for frame, session in enumerate(number)]
        found = paired_difference(
            np.exp(first)[:, None], np.exp(second + differs)[:, None], images
        )
        held += found.low_px <= truth <= found.high_px
        widths.append(found.high_px - found.low_px)
    return held / repeats, float(np.median(widths))


def coverage_of_one_session(alike: float, frames: int, repeats: int) -> tuple[float, float]:
    """Return the coverage with one session, and what taking frames as independent would give.

    Args:
        alike: correlation of neighbouring frames' difference (AR 1), before chance.
        frames: of the session.
        repeats: how many.
    """
    rng = np.random.default_rng(1)
    images = [f"s/{frame}.png" for frame in range(frames)]
    held = naive = 0
    for _ in range(repeats):
        noise = rng.normal(0, (1 - alike**2) ** 0.5, frames + 100)
        slow = 0.5 * lfilter([1], [1, -alike], noise)[100:]
        first, second = np.exp(rng.normal(LOG_PX, CHANCE, (2, frames)))
        second = second + slow
        found = paired_difference(first[:, None], second[:, None], images)
        held += found.low_px <= 0 <= found.high_px
        change = second - first
        low, high, _ = t_interval(change.mean(), change.var(ddof=1) / frames, frames - 1)
        naive += low <= 0 <= high
    return held / repeats, naive / repeats


def wrongly_claimed(
    name: str, sessions: int, seeds: tuple[int, int], repeats: int
) -> tuple[float, float, float]:
    """Return how often equal configurations are told apart: ours, without seeds, or sessions."""
    spread = NULLS[name]
    rng = np.random.default_rng(1)
    ours = no_seeds = no_sessions = 0
    for _ in range(repeats):
        number = np.repeat(np.arange(sessions), unequal(rng, sessions))
        images = [f"s{session}/{frame}.png" for frame, session in enumerate(number)]
        both = LOG_PX + rng.normal(0, 0.4, sessions)[number] + rng.normal(0, FRAME, len(number))
        sides = [_runs(rng, spread, both, number, runs) for runs in seeds]
        first, second = ([run[:, None] for run in side] for side in sides)
        ours += configuration_difference(first, second, images).shown
        means = [side.mean(axis=0)[:, None] for side in sides]
        no_seeds += paired_difference(*means, images).shown
        scores = [side.mean(axis=1) for side in sides]
        parts = [float(one.var(ddof=1)) / len(one) for one in scores]
        squares = sum(part**2 / (len(one) - 1) for part, one in zip(parts, scores, strict=True))
        change = float(scores[1].mean() - scores[0].mean())
        no_sessions += t_interval(change, sum(parts), sum(parts) ** 2 / squares)[2] < 0.05
    return ours / repeats, no_seeds / repeats, no_sessions / repeats


def _runs(
    rng: np.random.Generator,
    spread: Configurations,
    both: np.ndarray,
    number: np.ndarray,
    runs: int,
) -> np.ndarray:
    sessions = int(number.max()) + 1
    log_px = both + rng.normal(0, spread.differs, sessions)[number]
    log_px = log_px + rng.normal(0, spread.seed, (runs, 1))
    log_px = log_px + rng.normal(0, spread.mixed, (runs, sessions))[:, number]
    return np.exp(log_px + rng.normal(0, CHANCE, (runs, len(number))))


def say(text: str) -> None:
    """Print a line."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=1000)
    repeats = parser.parse_args().repeats
    say("| errors | sessions of | 2 | 3 | 5 | 10 | 30 |")
    say("| --- | --- | --- | --- | --- | --- | --- |")
    for name in MODELS:
        for sizes in (equal, unequal, one_large):
            found = [coverage(name, sizes, sessions, repeats)[0] for sessions in (2, 3, 5, 10, 30)]
            cells = " | ".join(f"{100 * share:.1f}" for share in found)
            say(f"| {name} | {sizes.__name__.replace('_', ' ')} size | {cells} |")
    say("\n| one session, neighbours alike | 10 frames | 20 | 50 | 100 | 300 |")
    say("| --- | --- | --- | --- | --- | --- |")
    for alike in (0.0, 0.3, 0.6, 0.8, 0.9):
        pairs = [coverage_of_one_session(alike, n, repeats) for n in (10, 20, 50, 100, 300)]
        cells = " | ".join(f"{100 * ours:.1f} ({100 * naive:.1f})" for ours, naive in pairs)
        say(f"| {alike} | {cells} |")
    say("\n| what varies | sessions | 3 and 3 seeds | 5 and 5 | 8 and 8 | 3 and 8 |")
    say("| --- | --- | --- | --- | --- | --- |")
    for name in NULLS:
        for sessions in (10, 30):
            rates = [
                wrongly_claimed(name, sessions, seeds, repeats)
                for seeds in ((3, 3), (5, 5), (8, 8), (3, 8))
            ]
            cells = " | ".join(
                f"{100 * ours:.1f} ({100 * a:.0f}, {100 * b:.0f})" for ours, a, b in rates
            )
            say(f"| {name} | {sessions} | {cells} |")


if __name__ == "__main__":
    main()
