"""What is wrong with a configuration: each problem with its key, value, rule and origin."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lightning_pose.contracts.errors import ConfigError


class _NotGiven:
    """Stands for "there is no value to show"."""

    def __repr__(self) -> str:
        return "NOT_GIVEN"


NOT_GIVEN = _NotGiven()


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One mistake in the configuration.

    Attributes:
        key: dotted key the mistake is in.
        rule: what was expected, as the end of a sentence.
        value: the value found; NOT_GIVEN if it plays no part.
        where: the file and line or the override that the value came from.
        others: further keys that take part, for checks of several values at once.
        structural: the key itself is wrong, whatever its value.
    """

    key: str
    rule: str
    value: Any = NOT_GIVEN
    where: str = ""
    others: tuple[str, ...] = field(default=())
    structural: bool = False

    @property
    def keys(self) -> tuple[str, ...]:
        """Return every key that takes part."""
        return (self.key, *self.others)

    def __str__(self) -> str:
        shown = "" if self.value is NOT_GIVEN else f" = {shorten(in_yaml(self.value))}"
        place = f" ({self.where})" if self.where else ""
        return f"{self.key}{shown}{place}: {self.rule}"


class ConfigProblems(ConfigError):
    """Every problem that was found in a configuration, in one message."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple({str(problem): problem for problem in problems}.values())
        super().__init__(_message(self.problems))

    def __reduce__(self) -> tuple[type[ConfigProblems], tuple[tuple[Problem, ...]]]:
        """Let launchers send the error from one process to another."""
        return ConfigProblems, (self.problems,)


def raise_if_any(problems: Sequence[Problem]) -> None:
    """Raise ConfigProblems if there is a problem."""
    if problems:
        raise ConfigProblems(problems)


def without_consequences(
    problems: Iterable[Problem], earlier: Iterable[Problem]
) -> Iterator[Problem]:
    """Yield the problems that touch no key which already has one of its own."""
    keys = {key for problem in earlier for key in problem.keys}
    for problem in problems:
        if not any(_overlap(mine, other) for mine in problem.keys for other in keys):
            yield problem


def placed(problem: Problem, where: str) -> Problem:
    """Return the problem with its origin, unless it has one."""
    return problem if problem.where else replace(problem, where=where)


def in_yaml(value: object) -> str:
    """Return a value on one line, written as in a yaml file."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return repr(value)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(in_yaml(item) for item in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {in_yaml(item)}' for key, item in value.items())}}}"
    return str(value)


def shorten(text: str, *, width: int = 80) -> str:
    """Return the text, cut off with dots where it is longer than ``width``."""
    return text if len(text) <= width else f"{text[: width - 3]}..."


def _overlap(first: str, second: str) -> bool:
    shorter, longer = sorted((first, second), key=len)
    return longer == shorter or longer.startswith((f"{shorter}.", f"{shorter}["))


def _message(problems: Sequence[Problem]) -> str:
    if len(problems) == 1:
        return f"The configuration has a problem.\n  {problems[0]}"
    lines = [f"The configuration has {len(problems)} problems."]
    lines += [f"  {number}. {problem}" for number, problem in enumerate(problems, start=1)]
    return "\n".join(lines)
