"""The source files that the rules are held against."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]


def source_files(*folders: str) -> list[Path]:
    """Return every Python file under ``folders`` of the checkout."""
    return sorted(path for folder in folders for path in (CHECKOUT / folder).rglob("*.py"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Hand every module of the package to tests that ask for ``module_path``."""
    if "module_path" in metafunc.fixturenames:
        paths = source_files("lightning_pose", "hydra_plugins", "scripts")
        metafunc.parametrize(
            "module_path", paths, ids=[str(p.relative_to(CHECKOUT)) for p in paths]
        )


@pytest.fixture
def module_tree(module_path: Path) -> ast.Module:
    """Return the syntax tree of ``module_path``."""
    return ast.parse(module_path.read_text(encoding="utf-8"), filename=str(module_path))


@pytest.fixture(scope="session")
def parse() -> Callable[[str], ast.Module]:
    """Return a function that turns a snippet into a tree, for trying the rules themselves."""
    return ast.parse
