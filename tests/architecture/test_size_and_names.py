"""A module is one idea of at most 300 lines, a function fits a screen, names mean something."""

from __future__ import annotations

import ast
from pathlib import Path

MAX_MODULE_LINES = 300
MAX_FUNCTION_LINES = 59
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "misc", "common", "stuff", "tools"}


def test_a_module_has_at_most_300_lines(module_path: Path) -> None:
    lines = len(module_path.read_text(encoding="utf-8").splitlines())
    assert lines <= MAX_MODULE_LINES, f"{lines} lines: split it by idea"


def test_a_function_fits_a_screen(module_tree: ast.Module) -> None:
    long = {
        node.name: node.end_lineno - node.lineno + 1
        for node in ast.walk(module_tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno >= MAX_FUNCTION_LINES
    }
    assert not long, f"functions of 60 lines or more: {long}"


def test_a_module_name_says_what_is_inside(module_path: Path) -> None:
    assert module_path.stem not in EMPTY_NAMES
    assert not EMPTY_NAMES & set(module_path.parent.parts[-2:])
