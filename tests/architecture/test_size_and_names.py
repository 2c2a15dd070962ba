"""A module is one idea of at most 300 lines, a function fits a screen, names mean something."""

from __future__ import annotations

import ast
from pathlib import Path

MAX_MODULE_LINES = 300
MAX_FUNCTION_LINES = 59
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "misc", "common", "stuff", "tools"}


def test_a_module_has_at_most_300_lines(sources: dict[str, str]) -> None:
    lines = {path: len(source.splitlines()) for path, source in sources.items()}
    assert not {p: n for p, n in lines.items() if n > MAX_MODULE_LINES}, "split it by idea"


def test_a_function_fits_a_screen(trees: dict[str, ast.Module]) -> None:
    lines = {
        f"{path}: {node.name}": (node.end_lineno or node.lineno) - node.lineno + 1
        for path, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert not {where: n for where, n in lines.items() if n > MAX_FUNCTION_LINES}


def test_a_module_name_says_what_is_inside(sources: dict[str, str]) -> None:
    assert not [p for p in sources if EMPTY_NAMES & set(Path(p).with_suffix("").parts)]
