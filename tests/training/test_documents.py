"""The loss that docs/add_a_loss.md shows is one file that trains by its name alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny import settings, tiny_tracker, train_tiny

from lightning_pose.contracts.registry import LOSSES


@pytest.fixture
def _losses_stay_as_they_were() -> Iterator[None]:
    LOSSES.names()
    before = dict(LOSSES._entries)
    yield
    LOSSES._entries.clear()
    LOSSES._entries.update(before)


@pytest.mark.usefixtures("_losses_stay_as_they_were")
def test_the_loss_shown_in_the_page_lowers_the_pixel_error(checkout: Path, tmp_path: Path) -> None:
    page = (checkout / "docs" / "add_a_loss.md").read_text(encoding="utf-8")
    code = re.search(r"^```python\n(.*?)^```", page, flags=re.M | re.S)[1]
    exec(compile(code, "heatmap_cosine.py", "exec", dont_inherit=True), {"__name__": "plugin"})
    errors = []
    for epochs in (1, 12):
        config = settings(max_epochs=epochs)
        tracker = tiny_tracker(config, loss="heatmap_cosine")
        run_dir = tmp_path / str(epochs)
        errors.append(train_tiny(run_dir, config, tracker=tracker).val_pixel_error)
    assert errors[1] < errors[0]
