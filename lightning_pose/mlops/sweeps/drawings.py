"""Figures of a sweep: how its trials learnt, what each setting did, what mattered."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from lightning_pose.contracts.files import write_atomically
from lightning_pose.mlops.html_page import svg_of
from lightning_pose.mlops.sweeps.findings import Findings
from lightning_pose.mlops.sweeps.study import RETRIED_AS

COLORS = {"COMPLETE": "#1668a7", "PRUNED": "#9a9a9a", "FAIL": "#c0392b", "RUNNING": "#2e8b57"}
MOST_SETTINGS = 9
COLUMNS = 3
LONGEST_NAME = 34


def drawn_files(found: Findings, folder: Path) -> list[Path]:
    """Draw every figure that there is something to show in, as a png; return the files."""
    return [
        write_atomically(folder / f"{name}.png", lambda path, f=figure: f.savefig(path, dpi=110))
        for name, draw in FIGURES.items()
        if (figure := draw(found)) is not None
    ]


def drawn_svg(found: Findings, name: str) -> str:
    """Return a figure as an ``svg`` element, empty if there is nothing to show."""
    figure = FIGURES[name](found)
    return "" if figure is None else svg_of(figure, salt=found.name)


def _learning_curves(found: Findings) -> Any:
    shown = [
        trial
        for trial in found.trials
        if len(trial.intermediate_values) > 1 and RETRIED_AS not in trial.user_attrs
    ]
    if not shown:
        return None
    figure, axis = _figure(8.0, 3.6)
    for trial in shown:
        epochs, errors = zip(*sorted(trial.intermediate_values.items()), strict=True)
        axis.plot(epochs, errors, color=_color(trial), linewidth=1.1, alpha=0.8)
        if trial.state == TrialState.PRUNED:
            axis.plot(epochs[-1], errors[-1], "x", color=_color(trial), markersize=6)
    if _spans_decades([v for trial in shown for v in trial.intermediate_values.values()]):
        axis.set_yscale("log")
        _plain_numbers(axis.yaxis)
    axis.set(xlabel="epochs", ylabel="validation pixel error (px)")
    axis.xaxis.get_major_locator().set_params(integer=True)
    _legend(axis, {trial.state.name for trial in shown})
    return figure


def _settings(found: Findings) -> Any:
    """Draw the error against each swept setting; a pruned trial with its last error."""
    shown = [(t, error) for t in found.trials if (error := _last_error(t)) is not None]
    keys = list(dict.fromkeys(key for trial, _ in shown for key in trial.params))[:MOST_SETTINGS]
    if len(shown) < 2 or not keys:
        return None
    columns = min(COLUMNS, len(keys))
    rows = math.ceil(len(keys) / columns)
    figure = _canvas(max(4.2, 3.0 * columns), 2.8 * rows)
    axes = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for place, axis in enumerate(axes.flat):
        if place >= len(keys):
            axis.set_visible(False)
            continue
        _setting(axis, keys[place], shown)
        if place % columns == 0:
            axis.set_ylabel("error (px)")
    return figure


def _setting(axis: Any, key: str, shown: list[tuple[FrozenTrial, float]]) -> None:
    drawn = [(trial, error) for trial, error in shown if key in trial.params]
    space = drawn[0][0].distributions[key]
    choices = list(getattr(space, "choices", ()))
    for trial, error in drawn:
        value = trial.params[key]
        x = choices.index(value) if choices else float(value)
        marker = "x" if trial.state == TrialState.PRUNED else "o"
        axis.plot(x, error, marker, color=_color(trial), markersize=5, alpha=0.85)
    if choices:
        axis.set_xticks(range(len(choices)), [_short(str(one)) for one in choices], fontsize=7)
        axis.tick_params(axis="x", labelrotation=25)
        axis.margins(x=0.15)
    elif getattr(space, "log", False):
        axis.set_xscale("log")
    if _spans_decades([error for _, error in shown]):
        axis.set_yscale("log")
        _plain_numbers(axis.yaxis)
    axis.set_xlabel(_short(key.rpartition(".")[2]), fontsize=9)
    axis.spines[["top", "right"]].set_visible(False)


def _both_objectives(found: Findings) -> Any:
    complete = [t for t in found.trials if t.state == TrialState.COMPLETE]
    if len(found.objective) < 2 or not complete:
        return None
    figure, axis = _figure(6.0, 3.8)
    axis.plot(*_columns([t.values for t in complete]), "o", color="#9a9a9a", label="beaten")
    first = [one.values for one in found.unbeaten]
    axis.plot(*_columns(first), "o-", color=COLORS["COMPLETE"], label="no other beats it in both")
    for one in found.unbeaten:
        axis.annotate(str(one.number), (one.values[1], one.values[0]), fontsize=8)
    axis.set(xlabel=found.objective[1], ylabel=found.objective[0])
    axis.legend(frameon=False)
    return figure


def _columns(values: list[Any]) -> tuple[list[float], list[float]]:
    return [pair[1] for pair in values], [pair[0] for pair in values]


def _importance(found: Findings) -> Any:
    if not found.importance:
        return None
    keys = list(found.importance)[::-1]
    figure, axis = _figure(7.0, 0.8 + 0.38 * len(keys))
    axis.barh(keys, [100 * found.importance[key] for key in keys], color=COLORS["COMPLETE"])
    axis.set_xlabel("share of what sets the best trials apart (%)")
    return figure


def _last_error(trial: FrozenTrial) -> float | None:
    if trial.state == TrialState.COMPLETE:
        return float(trial.values[0])
    if trial.state == TrialState.PRUNED and trial.intermediate_values:
        return trial.intermediate_values[max(trial.intermediate_values)]
    return None


def _canvas(width: float, height: float) -> Any:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _figure(width: float, height: float) -> tuple[Any, Any]:
    figure = _canvas(width, height)
    axis = figure.subplots()
    axis.spines[["top", "right"]].set_visible(False)
    return figure, axis


def _plain_numbers(axis: Any) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(ScalarFormatter())
    axis.set_minor_formatter(NullFormatter())


def _legend(axis: Any, states: set[str]) -> None:
    from matplotlib.lines import Line2D

    lines = [
        Line2D([], [], color=color, label=name.lower())
        for name, color in COLORS.items()
        if name in states
    ]
    axis.legend(handles=lines, frameon=False)


def _color(trial: FrozenTrial) -> str:
    return COLORS.get(trial.state.name, "#444444")


def _spans_decades(values: list[float]) -> bool:
    return min(values) > 0 and max(values) / min(values) > 8


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_NAME else f"{text[: LONGEST_NAME - 3]}..."


FIGURES: dict[str, Callable[[Findings], Any]] = {
    "learning_curves": _learning_curves,
    "settings": _settings,
    "both_objectives": _both_objectives,
    "importance": _importance,
}
