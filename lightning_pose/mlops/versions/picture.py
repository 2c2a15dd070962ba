"""A lineage as a picture: what was made stands right of what it was made from."""

from __future__ import annotations

import textwrap
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from lightning_pose.contracts.errors import ConfigError
from lightning_pose.contracts.files import write_atomically
from lightning_pose.mlops.versions.tree import AS_RECORDED, CHANGED, MISSING, Node

SUFFIXES = (".svg", ".png")
COLORS = {AS_RECORDED: "#d8ecd8", CHANGED: "#f6b4a6", MISSING: "#f7e3a1"}
UNKNOWN_COLOR = "#e8e8e8"
COLUMN, ROW, WIDTH, HEIGHT = 2.9, 0.85, 2.3, 0.62  # inches
NAME_CHARS = 28


def check_picture(path: Path) -> None:
    """Check that a picture can be written under a name.

    Raises:
        ConfigError: its suffix is none of those known.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"{path}: a picture is written as {' or '.join(SUFFIXES)}.")


def write_picture(tree: Node, path: Path, *, down: bool) -> Path:
    """Draw a tree into an svg or png file; return ``path``.

    Green: as it was recorded. Red: changed since. Yellow: missing. Grey: nothing was recorded.

    Args:
        tree: the lineage.
        path: of the picture.
        down: the links lead to what was made from a thing, not to what it was made from.

    Raises:
        WriteError: the file cannot be written.
    """
    places: list[tuple[Node, float, float, tuple[float, float] | None]] = []
    rows = _place(tree, 0.0, 0.0, None, places)
    depth = 1 + max(round(x / COLUMN) for _, x, _, _ in places)
    width, height = depth * COLUMN, rows * ROW
    figure = Figure(figsize=(width, max(height, 1.0)))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(-max(height, 1.0), 0)
    axes.axis("off")
    for node, x, y, of_parent in places:
        left = x if down else width - COLUMN - x
        box = (left + (COLUMN - WIDTH) / 2, -y - (ROW + HEIGHT) / 2)
        color = COLORS.get(node.state, UNKNOWN_COLOR)
        axes.add_patch(
            FancyBboxPatch(box, WIDTH, HEIGHT, boxstyle="round,pad=0.04", fc=color, ec="#555555")
        )
        name = textwrap.shorten(node.name, NAME_CHARS, placeholder="...") or node.name[:NAME_CHARS]
        state = f" ({node.state})" if node.state in (CHANGED, MISSING) else ""
        axes.text(
            box[0] + WIDTH / 2,
            box[1] + HEIGHT * 0.68,
            f"{node.kind}{state}",
            ha="center",
            va="center",
            fontsize=7,
            color="#444444",
        )
        axes.text(
            box[0] + WIDTH / 2, box[1] + HEIGHT * 0.28, name, ha="center", va="center", fontsize=8
        )
        if of_parent is not None:
            _arrow(axes, of_parent, (x, y), width, down=down)
    write_atomically(path, lambda temporary: figure.savefig(temporary, dpi=150))
    return path


def _place(
    node: Node,
    x: float,
    top: float,
    parent: tuple[float, float] | None,
    places: list[tuple[Node, float, float, tuple[float, float] | None]],
) -> float:
    """Place a node in the middle of what is below it; return how many rows it takes."""
    own, taken = _rows(node), 0.0
    y = top + (own - 1) * ROW / 2
    places.append((node, x, y, parent))
    for link in node.links:
        taken += _place(link, x + COLUMN, top + taken * ROW, (x, y), places)
    return own


def _rows(node: Node) -> float:
    return max(1.0, sum(_rows(link) for link in node.links))


def _arrow(
    axes: object,
    parent: tuple[float, float],
    child: tuple[float, float],
    width: float,
    *,
    down: bool,
) -> None:
    """Draw from what a thing was made from to the thing."""
    (x0, y0), (x1, y1) = parent, child
    gap = (COLUMN - WIDTH) / 2
    if down:
        start, end = (x0 + COLUMN - gap + 0.06, -y0 - ROW / 2), (x1 + gap - 0.08, -y1 - ROW / 2)
    else:
        start = (width - x1 - gap + 0.06, -y1 - ROW / 2)
        end = (width - COLUMN - x0 + gap - 0.08, -y0 - ROW / 2)
    arrow = FancyArrowPatch(
        start, end, arrowstyle="-|>", mutation_scale=9, color="#555555", lw=0.9
    )
    axes.add_patch(arrow)  # type: ignore[attr-defined]
