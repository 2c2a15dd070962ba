"""What all charts share: colours of the models, sizes, scales, and controls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

COLORS = ("#1668a7", "#d95f02", "#1b9e77", "#8e44ad", "#b8860b", "#c2185b", "#5d6d7e", "#2e7d32")
WIDTH, ROW_HEIGHT = 620, 90
ALL = "all"
UNITS = {"confidence": "", "x": "px", "y": "px"}
LOG, LINEAR = "log", "linear"
SCALES = (LOG, LINEAR)
SMALLEST = {LOG: 0.05, LINEAR: 0.0}  # of a logarithmic axis, where 0 has no place


def color_of(model: int) -> str:
    """Return the colour of the model of this number; they repeat after eight."""
    return COLORS[model % len(COLORS)]


def model_color(models: Sequence[str], *, field: str = "model") -> Any:
    """Return the colour encoding of models: the same for the same order, in every figure."""
    import altair as alt

    colors = [color_of(number) for number in range(len(models))]
    scale = alt.Scale(domain=list(models), range=colors)
    legend = alt.Legend(orient="top", title=None, labelLimit=400, columns=3)
    return alt.Color(f"{field}:N", scale=scale, legend=legend)


def titled(name: str) -> str:
    """Return the name of a number with its unit.

    Example:
        >>> titled("pixel_error"), titled("confidence")
        ('pixel error (px)', 'confidence')
    """
    unit = UNITS.get(name, "px")
    words = name.replace("_", " ")
    return f"{words} ({unit})" if unit else words


def choice(name: str, options: Sequence[str], *, value: str, label: str, controls: bool) -> Any:
    """Return a value that a chart's expressions may use under ``name``, or a list of them.

    Args:
        name: of the parameter.
        options: to choose from.
        value: at first.
        label: beside the list.
        controls: whether there is a list; else the value stands.
    """
    import altair as alt

    if not controls:
        return alt.param(name=name, value=value)
    return alt.param(
        name=name, value=value, bind=alt.binding_select(options=list(options), name=f"{label} ")
    )


def slider(
    name: str, *, value: float, most: float, step: float, label: str, controls: bool
) -> Any:
    """Return a number from 0 to ``most`` that expressions may use, as :func:`choice`."""
    import altair as alt

    if not controls:
        return alt.param(name=name, value=value)
    bind = alt.binding_range(min=0, max=most, step=step, name=f"{label} ")
    return alt.param(name=name, value=value, bind=bind)


def kept(field: str, parameter: str) -> str:
    """Return the expression that keeps rows of the chosen name, or every row for ``all``."""
    return f"{parameter} == '{ALL}' || datum['{field}'] == {parameter}"


def value_axis(name: str, *, scale: str, title: str = "") -> dict[str, Any]:
    """Return scale and title of an axis of positive numbers."""
    shape = scale_of(scale, nice=scale == LINEAR, clamp=scale == LOG)
    return {"scale": shape, "title": title or titled(name)}


def scale_of(scale: str, **more: Any) -> Any:
    """Return a scale by its name, log or linear, with further properties."""
    import altair as alt

    kind: Any = scale
    return alt.Scale(type=kind, **more)


def at_least(name: str, scale: str) -> str:
    """Return the expression of a number that a logarithmic axis can show."""
    return f"max(datum['{name}'], {SMALLEST[scale]})"
