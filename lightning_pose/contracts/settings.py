"""Settings that explain themselves: a default, one line of documentation and a rule per field.

The fields of configuration sections, and of the parameter dataclasses of registered things, are
made with :func:`setting`. The checker, the documentation and the template all read the one rule::

    @dataclass(frozen=True, kw_only=True)
    class TemporalParams:
        epsilon: float = setting(20.0, "Movement in pixels that costs nothing.", minimum=0)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from lightning_pose.contracts.registry import Registry

REFERENCE_EPOCHS = 300
_KEY = "litpose_rule"


@dataclass(frozen=True)
class Follows:
    """How a value that the user did not set follows the length of training.

    Attributes:
        default: the value for a training of 300 epochs, one number or a list of them.
        how: ``share`` keeps its fraction of the training, rounded, at least 1; ``cap`` is the
            default or the end of training, whichever is less; ``end`` is the end itself.
        unit: what the value counts. It follows max_epochs or max_steps, whichever is of its unit.
    """

    default: int | tuple[int, ...]
    how: Literal["share", "cap", "end"]
    unit: Literal["epochs", "steps"] = "epochs"

    def at(self, end: int) -> int | list[int]:
        """Return the value for a training that ends after ``end`` epochs (or steps).

        Example:
            >>> Follows((150, 200, 250), "share").at(60)
            [30, 40, 50]
        """
        if isinstance(self.default, tuple):
            return [self._one(value, end) for value in self.default]
        return self._one(self.default, end)

    def is_alternative_to(self, other: Follows | None) -> bool:
        """Tell whether the other says the same thing in the other unit."""
        if other is None or other.unit == self.unit:
            return False
        return (other.default, other.how) == (self.default, self.how)

    def _one(self, value: int, end: int) -> int:
        if self.how != "share":
            return min(value, end) if self.how == "cap" else end
        return max(1, int(value * end / REFERENCE_EPOCHS + 0.5))


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What a setting means and which values it takes.

    Attributes:
        doc: one or two sentences for the user.
        minimum, maximum: inclusive bounds of a number, or of each number of a list.
        above: exclusive lower bound.
        choices: the only values allowed, if not empty.
        registry: the value is a name registered there, or each item of a list is.
        params_of: the value is a mapping of settings for the registered thing that this field of
            the same section names.
        prefix: what the registry's name has in front of the value (``heatmap_`` + ``mse``).
        path: ``input`` is a file or folder to be found when training starts, ``output`` one to
            be made; relative ones are made absolute.
        follows: how the value follows the length of training when it is null.
        default_text: the default in words, where the bare value would not say it.
    """

    doc: str = ""
    minimum: int | float | None = None
    maximum: int | float | None = None
    above: int | float | None = None
    choices: tuple[Any, ...] = ()
    registry: Registry[Any] | None = None
    params_of: str = ""
    prefix: str = ""
    path: Literal["", "input", "output"] = ""
    follows: Follows | None = None
    default_text: str = ""

    @property
    def bounds(self) -> str:
        """Return the allowed values in words, empty if every value of the type is."""
        if self.choices:
            return f"one of {', '.join(str(choice) for choice in self.choices)}"
        words = [
            f"at least {self.minimum:g}" if self.minimum is not None else "",
            f"more than {self.above:g}" if self.above is not None else "",
            f"at most {self.maximum:g}" if self.maximum is not None else "",
        ]
        return " and ".join(word for word in words if word)

    def allows(self, value: object) -> bool:
        """Tell whether one plain value (not null, not a list) keeps to the bounds and choices."""
        if self.choices:
            return value in self.choices
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return True
        return (
            (self.minimum is None or value >= self.minimum)
            and (self.maximum is None or value <= self.maximum)
            and (self.above is None or value > self.above)
        )


def setting(
    default: Any = dataclasses.MISSING,
    doc: str = "",
    *,
    factory: Callable[[], Any] | None = None,
    **rule: Any,
) -> Any:
    """Return a dataclass field with a default, its documentation and its rule.

    Args:
        default: the default; left out if ``factory`` is given or a value is required.
        doc: one or two sentences for the user.
        factory: makes a mutable default.
        **rule: the other attributes of :class:`Rule`.
    """
    metadata: Mapping[str, Any] = MappingProxyType({_KEY: Rule(doc=doc, **rule)})
    if factory is not None:
        return dataclasses.field(default_factory=factory, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def rule_of(field: dataclasses.Field[Any]) -> Rule:
    """Return the rule of a field; an empty one if it was not made with :func:`setting`."""
    return field.metadata.get(_KEY, Rule())
