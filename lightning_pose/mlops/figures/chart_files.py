"""Charts as Vega-Lite, their tables apart; and the JavaScript that draws them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import pandas as pd

from lightning_pose.contracts.files import user_cache, write_text

MOST_DECIMALS = 6


class Charts:
    """Turns charts into plain Vega-Lite specifications that name their tables.

    A table that several charts draw from is kept once.
    """

    def __init__(self) -> None:
        self._tables: dict[int, tuple[str, pd.DataFrame]] = {}

    def spec(self, draw: Callable[[], Any]) -> dict[str, Any]:
        """Return the specification of an Altair chart; its tables are kept here.

        Altair's checks against the schema of Vega-Lite, which take most of the time, are left to
        the tests.

        Args:
            draw: returns the chart.
        """
        import altair as alt
        from altair.utils.schemapi import debug_mode

        transformers: Any = alt.data_transformers
        transformers.register(__name__, self._named)
        with debug_mode(False), transformers.enable(__name__):
            return draw().to_dict(validate=False)

    def tables(self) -> dict[str, dict[str, Any]]:
        """Return every table by name, its columns as :func:`packed` packs them."""
        return {name: packed(table) for name, table in self._tables.values()}

    def _named(self, table: pd.DataFrame) -> dict[str, str]:
        name, _ = self._tables.setdefault(id(table), (f"table{len(self._tables)}", table))
        return {"name": name}


def packed(table: pd.DataFrame) -> dict[str, Any]:
    """Return the columns of a table for JSON: names as numbers in a list of them, NaN as null.

    Example:
        >>> packed(pd.DataFrame({"model": ["a", "a", "b"], "error": [1.5, 2.0, math.nan]}))
        {'model': {'names': ['a', 'b'], 'at': [0, 0, 1]}, 'error': [1.5, 2, None]}
    """
    return {str(name): _packed_column(column) for name, column in table.items()}


def javascript() -> str:
    """Return Vega, Vega-Lite and vegaEmbed as one script that needs no network.

    Putting it together takes seconds, so it is kept in the user's cache.
    """
    import altair as alt
    import vl_convert

    bundler: Any = vl_convert
    version = ".".join(alt.SCHEMA_VERSION.lstrip("v").split(".")[:2])
    kept = user_cache() / f"vega-{version}-{bundler.__version__}.js"
    if not kept.is_file():
        write_text(kept, bundler.javascript_bundle(vl_version=version))
    return kept.read_text(encoding="utf-8")


def script_json(value: Any) -> str:
    """Return JSON that may stand inside a script element."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("</", "<\\/").replace("<!--", "<\\u0021--")


def _packed_column(column: pd.Series) -> Mapping[str, Any] | list[Any]:
    if column.dtype.kind in "fiub":
        return list(_numbers(column.tolist()))
    codes, names = pd.factorize(column)
    return {"names": [str(name) for name in names], "at": codes.tolist()}


def _numbers(values: Iterable[float | int]) -> Iterator[float | int | None]:
    for value in values:
        if not math.isfinite(value):
            yield None
        else:
            yield int(value) if value == int(value) else round(value, MOST_DECIMALS)
