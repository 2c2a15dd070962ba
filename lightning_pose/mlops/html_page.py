"""Parts of an HTML page that needs no other file and no network."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterable, Sequence
from typing import Any

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#222}
h1{font-size:1.6rem;margin-bottom:.2rem}
h2{font-size:1.15rem;margin-top:2.2rem;border-bottom:1px solid #ddd}
table{border-collapse:collapse;font-size:13px}
td,th{padding:.25rem .8rem;border-bottom:1px solid #eee;text-align:left;vertical-align:top}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
.big{font-size:1.35rem;margin:.6rem 0}.big b{color:#1668a7}
.quiet{color:#666;font-size:13px}
code,pre{background:#f4f4f4;padding:.1rem .3rem;font-size:12.5px}
pre{padding:.6rem;white-space:pre-wrap;word-break:break-word}
svg,img{max-width:100%;height:auto}
.COMPLETE{color:#1668a7}.PRUNED{color:#888}.FAIL{color:#c0392b}.RUNNING{color:#2e8b57}
details summary{cursor:pointer}
.chart{margin:.6rem 0;min-height:12rem}.chart label,.vega-bind{font-size:13px;margin-right:1rem}
.vega-bind{display:inline-block}.chart .view{display:block}.vega-bind-name{margin-right:.3rem}
.shots{display:flex;flex-wrap:wrap;gap:.6rem}.shots figure{margin:0;max-width:19rem}
figcaption{font-size:12px;color:#444;word-break:break-word}
.dot{display:inline-block;width:.8em;height:.8em;border-radius:50%;margin:0 .3em 0 .8em}
"""


def document(title: str, parts: Iterable[str]) -> str:
    """Return a whole page.

    Args:
        title: plain text.
        parts: html.
    """
    shown = html.escape(title)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{shown}</title>'
        f"<style>{STYLE}</style></head><body><h1>{shown}</h1>{''.join(parts)}</body></html>\n"
    )


def section(title: str, body: str) -> str:
    """Return a heading and what stands under it; nothing if that is nothing."""
    return f"<h2>{html.escape(title)}</h2>{body}" if body else ""


def quiet(text: str) -> str:
    """Return a remark, in small letters."""
    return f'<p class="quiet">{html.escape(text)}</p>'


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table; its cells are html already."""
    head = "".join(f"<th>{name}</th>" for name in header)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def svg_of(figure: Any, *, salt: str) -> str:
    """Return a matplotlib figure as an ``svg`` element, the same for the same figure and salt."""
    import matplotlib as mpl

    text = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": salt}):
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return text.getvalue()[text.getvalue().index("<svg") :]


def picture(jpeg: bytes, *, caption: str) -> str:
    """Return a figure that holds a JPEG picture, with text under it."""
    data = base64.b64encode(jpeg).decode("ascii")
    text = html.escape(caption)
    return (
        f'<figure><img alt="{text}" src="data:image/jpeg;base64,{data}">'
        f"<figcaption>{text}</figcaption></figure>"
    )
