"""What a sweep searches: each parameter with its values, and when it matters at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Value = str | int | float


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A few values, each as it would be written behind ``KEY=``."""

    values: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Range:
    """Numbers from ``low`` to ``high``, both included; whole ones if all ends are ints.

    Attributes:
        low, high: the ends.
        step: distance of neighbours; None = every number between.
        log: small and large numbers are equally interesting.
    """

    low: int | float
    high: int | float
    step: int | float | None = None
    log: bool = False

    @property
    def is_whole(self) -> bool:
        """Tell whether only whole numbers are drawn."""
        return all(isinstance(number, int) for number in (self.low, self.high, self.step or 0))


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One swept key.

    Attributes:
        key: of the configuration.
        values: to draw from.
        text: as the user wrote them.
        when: other swept key -> values; the parameter is drawn only if each of these keys has, or
            as a list contains, one of its values.
    """

    key: str
    values: Choice | Range
    text: str
    when: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])

    def applies(self, drawn: Mapping[str, Value]) -> bool:
        """Tell whether the parameter matters beside the values drawn so far."""
        return all(
            key in drawn and bool(set(wanted) & words(drawn[key]))
            for key, wanted in self.when.items()
        )


def words(value: Value) -> set[str]:
    """Return a value and, if it is a list, what it contains.

    Example:
        >>> sorted(words("[temporal,pca_singleview]"))
        ['[temporal,pca_singleview]', 'pca_singleview', 'temporal']
    """
    text = str(value).strip()
    if not (text.startswith("[") and text.endswith("]")):
        return {text}
    inner = (item.strip().strip("'\"") for item in text[1:-1].split(","))
    return {text, *(item for item in inner if item)}
