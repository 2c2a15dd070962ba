"""The report of a sweep: one HTML page that needs no other file and no network."""

from __future__ import annotations

import html
from collections.abc import Sequence

from optuna.trial import FrozenTrial, TrialState

from lightning_pose.mlops.sweeps.findings import Findings, next_steps
from lightning_pose.mlops.sweeps.study import ERROR, RETRIED_AS, RETRY_OF

WIDTH, HEIGHT, MARGIN = 720, 300, 45
COLORS = {"COMPLETE": "#1668a7", "PRUNED": "#b9b9b9", "FAIL": "#c0392b", "RUNNING": "#2e8b57"}
STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}
table{border-collapse:collapse;font-size:13px}
td,th{padding:.2rem .7rem;border-bottom:1px solid #ddd;text-align:left;vertical-align:top}
.big{font-size:1.3rem}code{background:#f3f3f3;padding:.1rem .3rem}
.bar{background:#1668a7;height:.8rem;display:inline-block}
"""


def page_of(found: Findings) -> str:
    """Return the page as text."""
    parts = [
        _best(found),
        _unbeaten(found),
        _section("What to try next", _list(next_steps(found))),
        _section("What mattered", _importance(found)),
        _section("What it cost", _cost(found)),
        _section("Learning curves", _curves(found.trials)),
        _section("Best configurations", _configurations(found)),
        _section("All trials", _trials(found.trials)),
    ]
    title = html.escape(f"Sweep {found.name}")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{STYLE}</style></head><body><h1>{title}</h1>{''.join(parts)}</body></html>\n"
    )


def _best(found: Findings) -> str:
    states = ", ".join(f"{number} {state.lower()}" for state, number in found.states.items())
    head = f"<p>{found.wanted} trials wanted; {html.escape(states)}.</p>"
    if not found.configurations:
        return f"{head}<p>No trial is complete yet.</p>"
    best = found.configurations[0]
    spread = (
        f" &plusmn; {best.spread_px:.2f} px over {len(best.errors_px)} seeds"
        if best.spread_px is not None
        else ", one seed: how much of it is chance is not known"
    )
    return (
        f'{head}<p class="big">Best: validation pixel error {best.mean_px:.2f} px{spread}</p>'
        f"<p><code>{_params(best.params)}</code></p>"
    )


def _unbeaten(found: Findings) -> str:
    if not found.unbeaten:
        return ""
    rows = [
        f"<tr><td>{one.number}</td>{''.join(f'<td>{value:.4g}</td>' for value in one.values)}"
        f"<td>{_params(one.params)}</td></tr>"
        for one in found.unbeaten
    ]
    names = "".join(f"<th>{html.escape(name)}</th>" for name in found.objective)
    head = f"<tr><th>trial</th>{names}<th>values</th></tr>"
    return _section("Trials that no other beats", f"<table>{head}{''.join(rows)}</table>")


def _importance(found: Findings) -> str:
    if not found.importance:
        return "<p>Too few complete trials to tell.</p>"
    rows = [
        f'<tr><td>{html.escape(key)}</td><td>{share:.0%}</td><td><span class="bar" '
        f'style="width:{300 * share:.0f}px"></span></td></tr>'
        for key, share in found.importance.items()
    ]
    return f"<table>{''.join(rows)}</table><p>Share of the differences in error (PED-ANOVA).</p>"


def _cost(found: Findings) -> str:
    rows = [f"{hours:.3g} hours of {name}" for name, hours in found.device_hours.items()]
    note = "Attempts that were killed count up to their last validation."
    return _list(rows) + f"<p>{note}</p>"


def _curves(trials: Sequence[FrozenTrial]) -> str:
    curves = [trial for trial in trials if trial.intermediate_values]
    if not curves:
        return "<p>No validation was reported.</p>"
    last = max(max(trial.intermediate_values) for trial in curves)
    values = [value for trial in curves for value in trial.intermediate_values.values()]
    low, high = min(values), max(values)

    def place(epoch: int, value: float) -> str:
        x = MARGIN + (WIDTH - 2 * MARGIN) * epoch / max(1, last)
        y = MARGIN + (HEIGHT - 2 * MARGIN) * (high - value) / ((high - low) or 1)
        return f"{x:.1f},{y:.1f}"

    lines = [
        f'<polyline fill="none" stroke="{COLORS.get(trial.state.name, "#888")}" points="'
        + " ".join(place(e, v) for e, v in sorted(trial.intermediate_values.items()))
        + f'"><title>trial {trial.number}, {trial.state.name.lower()}</title></polyline>'
        for trial in curves
    ]
    labels = (
        f'<text x="2" y="{MARGIN}">{high:.1f} px</text>'
        f'<text x="2" y="{HEIGHT - MARGIN}">{low:.1f} px</text>'
        f'<text x="{WIDTH - MARGIN}" y="{HEIGHT - 8}">epoch {last}</text>'
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="100%" font-size="12">{labels}'
        f"{''.join(lines)}</svg><p>Blue: complete, grey: pruned, red: failed, green: running.</p>"
    )


def _configurations(found: Findings) -> str:
    rows = [
        f"<tr><td>{one.mean_px:.2f}</td><td>"
        f"{'' if one.spread_px is None else f'{one.spread_px:.2f}'}</td>"
        f"<td>{len(one.errors_px)}</td><td>{_params(one.params)}</td></tr>"
        for one in found.configurations[:10]
    ]
    head = "<tr><th>mean px</th><th>sd px</th><th>seeds</th><th>values</th></tr>"
    return f"<table>{head}{''.join(rows)}</table>"


def _trials(trials: Sequence[FrozenTrial]) -> str:
    rows = []
    for trial in trials:
        done = trial.state == TrialState.COMPLETE
        values = ", ".join(f"{value:.4g}" for value in trial.values) if done else ""
        remark = str(trial.user_attrs.get(ERROR, ""))
        if RETRIED_AS in trial.user_attrs:
            remark = f"died, retried as {trial.user_attrs[RETRIED_AS]}"
        elif RETRY_OF in trial.user_attrs:
            remark = f"{remark} carries {trial.user_attrs[RETRY_OF]} on".strip()
        rows.append(
            f"<tr><td>{trial.number}</td><td>{trial.state.name}</td><td>{values}</td>"
            f"<td>{_params(trial.params)}</td><td>{html.escape(remark)}</td></tr>"
        )
    head = "<tr><th>trial</th><th>state</th><th>value</th><th>values</th><th>remark</th></tr>"
    return f"<table>{head}{''.join(rows)}</table>"


def _params(params: dict[str, object]) -> str:
    texts = (
        f"{key}={value:.6g}" if isinstance(value, float) else f"{key}={value}"
        for key, value in params.items()
    )
    return html.escape(" ".join(texts))


def _section(title: str, body: str) -> str:
    return f"<h2>{html.escape(title)}</h2>{body}"


def _list(items: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{html.escape(item)}</li>' for item in items)}</ul>"
