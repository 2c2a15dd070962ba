"""How sure a mean is when its values are alike: within a session, or close in time."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from jaxtyping import Float, Int
from scipy import special  # pyright: ignore[reportMissingTypeStubs]

CONFIDENCE = 0.95
SHARE_OF_A_BLOCK = 0.2
FEWEST_ALIKE = 3  # pieces with one and the same value that tell there is no spread
NO_SPREAD = 1e-6  # of the mean: what rounding leaves


@dataclass(frozen=True, kw_only=True)
class Sessions:
    """Sessions as independent pieces: each is drawn whole, with all its values.

    Attributes:
        number: of the session of each value, from 0; two sessions or more.
    """

    number: Int[np.ndarray, " n"]

    @property
    def count(self) -> int:
        """Return how many sessions there are."""
        return int(self.number.max()) + 1

    @property
    def degrees(self) -> float:
        """Return the degrees of freedom of the variance (Bell and McCaffrey, 2002).

        Satterthwaite's, for values that are independent: with sizes n_g, w_g = n_g / n and
        q_g = w_g^2 / (1 - w_g) they are 1 / (sum w_g^2 + (sum q_g)^2 - sum q_g^2). That is the
        number of sessions less one if they are of equal size, and fewer if not.
        """
        share = self._share
        q = share**2 / (1 - share)
        return max(1.0, 1 / float((share**2).sum() + q.sum() ** 2 - (q**2).sum()))

    def variance(self, values: Float[np.ndarray, " n"]) -> float:
        """Return the variance of the mean of the values.

        Cluster-robust with bias-reduced linearisation (CR2): the sum over sessions of their
        summed residuals squared, each divided by 1 - w_g, over n^2.
        """
        sums = np.bincount(self.number, weights=values - values.mean())
        return float((sums**2 / (1 - self._share)).sum()) / len(values) ** 2

    @property
    def _share(self) -> Float[np.ndarray, " g"]:
        return np.bincount(self.number) / len(self.number)


@dataclass(frozen=True, kw_only=True)
class MovingBlocks:
    """Overlapping blocks of neighbouring frames as pieces: what is left with one session.

    Attributes:
        order: the values by time; two or more.
    """

    order: Int[np.ndarray, " n"]

    @property
    def length(self) -> int:
        """Return the values in a block: a fifth of all, of few values more."""
        n = len(self.order)
        return max(1, min(n // 2, round(max(SHARE_OF_A_BLOCK * n, 2 * n ** (1 / 3)))))

    @property
    def count(self) -> int:
        """Return how many blocks there are side by side."""
        return len(self.order) // self.length

    @property
    def degrees(self) -> float:
        """Return the degrees of freedom: 1.5 (n / length - 1) (Meketon and Schmeiser, 1984)."""
        n = len(self.order)
        return n - 1.0 if self.length == 1 else max(1.0, 1.5 * (n / self.length - 1))

    def variance(self, values: Float[np.ndarray, " n"]) -> float:
        """Return the variance of the mean of the values.

        That of the moving-block bootstrap (Kuensch, 1989) without its draws: the squared means of
        all blocks of length b, of which there are n - b + 1, summed and multiplied by
        b / ((n - b + 1) (n - b)).
        """
        n, b = len(values), self.length
        total = np.concatenate([[0.0], np.cumsum((values - values.mean())[self.order])])
        means = (total[b:] - total[:-b]) / b
        return float((means**2).sum()) * b / ((n - b + 1) * (n - b))


def pieces_of(images: Sequence[str]) -> Sessions | MovingBlocks:
    """Return the pieces that frames come in: sessions (folders), or blocks of a single session.

    Args:
        images: path of each; frames of a single session are ordered by the last number of the
            name.

    Example:
        >>> pieces_of(["a/img1.png", "a/img2.png", "b/img1.png"]).number.tolist()
        [0, 0, 1]
        >>> pieces_of(["a/img10.png", "a/img9.png"]).order.tolist()
        [1, 0]
    """
    folders = [str(PurePosixPath(image).parent) for image in images]
    numbers = {folder: number for number, folder in enumerate(dict.fromkeys(folders))}
    if len(numbers) > 1:
        return Sessions(number=np.array([numbers[folder] for folder in folders]))
    return MovingBlocks(order=np.array(sorted(range(len(images)), key=lambda i: _time(images[i]))))


def t_interval(mean: float, variance: float, degrees: float) -> tuple[float, float, float]:
    """Return both ends of the 95 % interval of Student's t, and the p-value of the mean being 0.

    Without any spread the mean is sure.
    """
    if variance <= 0:
        return mean, mean, float(mean == 0)
    error = variance**0.5
    reach = t_quantile(degrees) * error
    return mean - reach, mean + reach, float(2 * special.stdtr(degrees, -abs(mean) / error))


def interval_over(
    pieces: Sessions | MovingBlocks, mean: float, variance: float, degrees: float
) -> tuple[float, float, float]:
    """Return what :func:`t_interval` does, unbounded if too few pieces are all alike.

    Two pieces with the same value do not tell how much a third would differ: values are rounded,
    or two alike by chance. Without any spread a mean other than 0 takes three pieces or more.
    """
    if mean and pieces.count < FEWEST_ALIKE and variance**0.5 <= NO_SPREAD * abs(mean):
        return -math.inf, math.inf, 1.0
    return t_interval(mean, variance, degrees)


def t_quantile(degrees: float) -> float:
    """Return how many standard errors the 95 % interval of Student's t reaches."""
    return float(special.stdtrit(degrees, (1 + CONFIDENCE) / 2))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values that hold for all tests at once (Holm, 1979), in the same order.

    Example:
        >>> [round(p, 2) for p in holm([0.01, 0.04, 0.03])]
        [0.03, 0.06, 0.06]
    """
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for place, row in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - place) * p_values[row]))
        adjusted[row] = highest
    return adjusted


def _time(image: str) -> tuple[int, str]:
    """Return what frames of a session are ordered by: the last number of the name."""
    numbers = re.findall(r"\d+", PurePosixPath(image).stem)
    return (int(numbers[-1]) if numbers else 0, image)
