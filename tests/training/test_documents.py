"""The code shown in the pages of this room runs as it stands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lightning_pose.contracts.registry import LOSSES, SCHEDULERS

PAGES = ("add_a_loss.md", "training.md")


@pytest.fixture(autouse=True)
def _registries_stay_as_they_were() -> Iterator[None]:
    for registry in (LOSSES, SCHEDULERS):
        registry.names()
    before = [(registry, dict(registry._entries)) for registry in (LOSSES, SCHEDULERS)]
    yield
    for registry, entries in before:
        registry._entries.clear()
        registry._entries.update(entries)


@pytest.mark.parametrize("page", PAGES)
def test_the_python_of_the_page_runs(checkout: Path, page: str) -> None:
    text = (checkout / "docs" / page).read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, flags=re.M | re.S)
    assert blocks
    names: dict[str, Any] = {"__name__": page}
    for block in blocks:
        exec(compile(block, page, "exec", dont_inherit=True), names)
