"""The code shown in the pages of this room runs as it stands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tiny import settings, tiny_tracker, train_tiny

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


def run_blocks(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, flags=re.M | re.S)
    assert blocks
    names: dict[str, Any] = {"__name__": page.stem}
    for block in blocks:
        exec(compile(block, str(page), "exec", dont_inherit=True), names)


@pytest.mark.parametrize("page", PAGES)
def test_the_python_of_the_page_runs(checkout: Path, page: str) -> None:
    run_blocks(checkout / "docs" / page)


def test_the_loss_of_the_page_trains_by_its_name_alone(checkout: Path, tmp_path: Path) -> None:
    run_blocks(checkout / "docs" / "add_a_loss.md")
    config = settings(max_epochs=12)
    tracker = tiny_tracker(config, loss="heatmap_cosine")
    before = train_tiny(tmp_path / "before", settings(max_epochs=1), tracker=tracker)
    after = train_tiny(
        tmp_path / "after", config, tracker=tiny_tracker(config, loss="heatmap_cosine")
    )
    assert after.val_pixel_error < before.val_pixel_error
