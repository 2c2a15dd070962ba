"""The source files that the rules are held against."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

FOLDERS = ("lightning_pose", "hydra_plugins", "scripts")


@pytest.fixture(scope="session")
def sources(checkout: Path) -> dict[str, str]:
    """Return the text of every module that is shipped, by its path in the checkout."""
    paths = [path for folder in FOLDERS for path in (checkout / folder).rglob("*.py")]
    assert paths
    return {
        str(path.relative_to(checkout)): path.read_text(encoding="utf-8") for path in sorted(paths)
    }


@pytest.fixture(scope="session")
def trees(sources: dict[str, str]) -> dict[str, ast.Module]:
    """Return the syntax tree of every module that is shipped, by its path."""
    return {path: ast.parse(source, filename=path) for path, source in sources.items()}
