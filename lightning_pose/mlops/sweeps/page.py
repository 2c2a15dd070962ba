"""The report of a sweep: one HTML page that needs no other file and no network."""

from __future__ import annotations

import html
import statistics
from collections.abc import Sequence

from optuna.trial import FrozenTrial, TrialState

from lightning_pose.mlops.html_page import document, section, table
from lightning_pose.mlops.sweeps.advice import command_for, next_steps
from lightning_pose.mlops.sweeps.drawings import drawn_svg
from lightning_pose.mlops.sweeps.findings import Configuration, Findings
from lightning_pose.mlops.sweeps.study import (
    ERROR,
    PROGRESS,
    REPEAT_OF,
    RETRIED_AS,
    RETRY_OF,
    SECONDS,
)

REPORT = "report.html"
MOST = 10
PROGRAM = "litpose train"


def page_of(found: Findings) -> str:
    """Return the page as text."""
    parts = [
        _best(found),
        section("Trials that no other beats", _unbeaten(found)),
        section("What to try next", _list(next_steps(found))),
        section("What mattered", _importance(found)),
        section("Error against each setting", _settings(found)),
        section("Best configurations", _configurations(found)),
        section("What it cost", _cost(found)),
        section("Learning curves", drawn_svg(found, "learning_curves")),
        section("All trials", _trials(found)),
    ]
    return document(f"Sweep {found.name}", parts)


def _best(found: Findings) -> str:
    states = ", ".join(f"{number} {state.lower()}" for state, number in found.states.items())
    ends = [t.datetime_complete for t in found.trials if t.datetime_complete is not None]
    when = f" Last trial: {max(ends):%Y-%m-%d %H:%M}." if ends else ""
    head = f'<p class="quiet">{found.wanted} trials wanted: {html.escape(states)}.{when}</p>'
    if not found.configurations:
        return f"{head}<p>No trial is complete yet.</p>"
    best = found.configurations[0]
    chance = (
        f" &plusmn; {best.spread_px:.2f} px over {len(best.errors_px)} seeds"
        if best.spread_px is not None
        else ""
    )
    doubt = "" if chance else " (one seed: how much of it is chance is not known)"
    rows = [(html.escape(key), html.escape(_text(value))) for key, value in best.params.items()]
    return (
        f'{head}<p class="big">Best: validation pixel error <b>{best.mean_px:.2f} px{chance}</b>'
        f"{doubt}</p><p>{_beside(found, best)}</p>{table(('setting', 'best value'), rows)}"
        f"<p>To train it again:</p><pre>{html.escape(command_for(found, best))}</pre>"
    )


def _beside(found: Findings, best: Configuration) -> str:
    """Say what the best one is better than."""
    if len(found.configurations) < 2:
        return ""
    errors = [one.mean_px for one in found.configurations]
    middle = statistics.median(errors)
    share = 1 - best.mean_px / middle if middle else 0.0
    return (
        f"Of {len(errors)} configurations that were trained to the end the median has "
        f"{middle:.2f} px and the worst {errors[-1]:.2f} px: the best is {share:.0%} below the "
        "median."
    )


def _unbeaten(found: Findings) -> str:
    if not found.unbeaten:
        return ""
    rows = [
        (one.number, *(f"{value:.4g}" for value in one.values), _params(one.params))
        for one in found.unbeaten
    ]
    names = [html.escape(name) for name in found.objective]
    return table(("trial", *names, "values"), rows) + drawn_svg(found, "both_objectives")


def _importance(found: Findings) -> str:
    if not found.importance:
        return "<p>Too few trials to tell.</p>"
    note = (
        "How much the best quarter of the trials differs in each setting from all of them "
        "(PED-ANOVA). With fewer than about thirty trials, read it as a hint."
    )
    if len(found.importance) == 1:
        return "<p>One setting only was searched.</p>"
    return drawn_svg(found, "importance") + f'<p class="quiet">{note}</p>'


def _settings(found: Findings) -> str:
    drawn = drawn_svg(found, "settings")
    note = "Each dot is a trial trained to the end; a cross is a pruned one, with its last error."
    return f'{drawn}<p class="quiet">{note}</p>' if drawn else ""


def _configurations(found: Findings) -> str:
    rows = [
        (
            f"{one.mean_px:.2f}",
            "" if one.spread_px is None else f"{one.spread_px:.2f}",
            len(one.errors_px),
            _params(one.params),
        )
        for one in found.configurations[:MOST]
    ]
    return table(("mean px", "sd px", "seeds", "values"), rows) if rows else ""


def _cost(found: Findings) -> str:
    rows = [
        f"{_hours(hours)} on {'the CPU' if name == 'CPU' else name}"
        for name, hours in found.device_hours.items()
    ]
    if found.epochs:
        spared = found.epochs_spared
        whole = found.epochs + spared
        rows.append(
            f"{found.epochs} epochs of training"
            + (f"; pruning spared {spared} of {whole} ({spared / whole:.0%})" if spared else "")
        )
    note = "Attempts that were killed count up to their last validation."
    return _list(rows) + f'<p class="quiet">{note}</p>' if rows else "<p>Nothing yet.</p>"


def _hours(hours: float) -> str:
    minutes = f" ({60 * hours:.1f} minutes)" if hours < 1 else ""
    return f"{hours:.3g} device hours{minutes}"


def _trials(found: Findings) -> str:
    rows = [
        (
            trial.number,
            f'<span class="{trial.state.name}">{trial.state.name.lower()}</span>',
            ", ".join(f"{value:.4g}" for value in trial.values or ()),
            trial.user_attrs.get(PROGRESS, ""),
            f"{trial.user_attrs.get(SECONDS, 0) / 60:.1f}",
            _params(trial.params),
            html.escape(_remark(trial)),
        )
        for trial in found.trials
    ]
    header = ("trial", "state", "value", "epochs", "minutes", "values", "remark")
    return f"<details><summary>{len(rows)} attempts</summary>{table(header, rows)}</details>"


def _remark(trial: FrozenTrial) -> str:
    known = trial.user_attrs
    remarks = [str(known.get(ERROR, ""))]
    if trial.state == TrialState.PRUNED and trial.intermediate_values:
        last = max(trial.intermediate_values)
        remarks.append(f"had {trial.intermediate_values[last]:.4g} px")
    if RETRIED_AS in known:
        remarks.append(f"died, carried on as {known[RETRIED_AS]}")
    if RETRY_OF in known:
        remarks.append(f"carries {known[RETRY_OF]} on")
    if REPEAT_OF in known:
        remarks.append(f"repeats {known[REPEAT_OF]} with another seed")
    return "; ".join(remark for remark in remarks if remark)


def _params(params: dict[str, object]) -> str:
    return html.escape(" ".join(f"{key}={_text(value)}" for key, value in params.items()))


def _text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _list(items: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{_with_command(item)}</li>' for item in items)}</ul>"


def _with_command(sentence: str) -> str:
    """Return a sentence with the command at its end, if it has one, on lines of its own."""
    words, mark, command = sentence.partition(f" {PROGRAM} ")
    shown = html.escape(words)
    return f"{shown}<pre>{PROGRAM} {html.escape(command)}</pre>" if mark else shown
