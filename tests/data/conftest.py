"""Small made data sets: a few PNGs of known pixels and a table of known labels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lightning_pose.contracts.labels import LabelTable

NAMES = ("nose", "tail", "paw")
MakeTable = Callable[..., LabelTable]


@pytest.fixture
def make_table(tmp_path: Path) -> MakeTable:
    """Return a maker of label tables; with ``hw`` it also writes each image (its own noise)."""

    def make(
        num_rows: int = 6,
        *,
        root: Path = tmp_path,
        hw: tuple[int, int] | None = (40, 60),
        images: tuple[str, ...] | None = None,
        xy_img: np.ndarray | None = None,
    ) -> LabelTable:
        images = images or tuple(f"labeled-data/s{i % 3}/img{i:03d}.png" for i in range(num_rows))
        height, width = hw or (40, 60)
        rng = np.random.default_rng(0)
        if xy_img is None:
            xy_img = rng.uniform(1, [width - 2, height - 2], size=(len(images), len(NAMES), 2))
        for image in images if hw is not None else ():
            (root / image).parent.mkdir(parents=True, exist_ok=True)
            pixels = rng.integers(0, 256, size=(height, width, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / image)
        return LabelTable(images=images, xy_img=xy_img, keypoint_names=NAMES, root=root)

    return make


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Return a writer of text files, exactly as given."""

    def write(text: str | bytes, name: str = "CollectedData.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write
