"""Every python and bash block of README.md and docs/*.md runs as it is printed.

The python blocks of a page share one namespace and run in order; each bash block is a script of
its own in the same empty folder, with ``litpose`` on the path and the toy data made already. A
block under the line ``<!-- not run: reason -->`` is left out; bash blocks of pages that train
several times run where long tests do.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

CHECKOUT = Path(__file__).resolve().parents[2]
PAGES = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").glob("*.md"))]
FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)[^\n]*\n(?P<body>.*?)^ *```", re.M | re.S)
LONG = ("lineage", "multi_view", "sweeps")  # their bash blocks take a minute or two each
NOT_RUN = re.compile(r"<!-- not run: \S[^\n]* -->\s*\Z")
RUN_BLOCKS = """
import sys
from pathlib import Path
for path in sys.argv[1:]:
    exec(compile(Path(path).read_text(), path, "exec", dont_inherit=True), globals())
"""


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, text, line in the page, and whether it is to run."""

    language: str
    text: str
    line: int
    runs: bool


def blocks(page: str) -> Iterator[Block]:
    """Yield the fenced blocks of a page."""
    for found in FENCE.finditer(page):
        indent = len(found["indent"])
        yield Block(
            language=found["language"],
            text="".join(line[indent:] for line in found["body"].splitlines(keepends=True)),
            line=page[: found.start()].count("\n") + 1,
            runs=not NOT_RUN.search(page[: found.start()]),
        )


def pages_with(language: str, *, long: tuple[str, ...] = ()) -> list[ParameterSet]:
    """Return the pages that have a block of a language to run."""
    return [
        pytest.param(page, id=page.stem, marks=[pytest.mark.long] if page.stem in long else [])
        for page in PAGES
        if any(b.runs and b.language == language for b in blocks(page.read_text("utf-8")))
    ]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the variables of a user's shell: our programs on the path, the toy data made."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    cache = tmp_path_factory.mktemp("cache")
    variables = {**os.environ, "PATH": path, "XDG_CACHE_HOME": str(cache)}
    make = "from lightning_pose.data.toy.cache import toy_dataset_dir; toy_dataset_dir()"
    run([sys.executable, "-c", make], variables)  # drawing is slow where shapes are checked
    return variables


def run(command: list[str], environment: dict[str, str]) -> None:
    """Run a program in the current folder; its output is in the failure."""
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("page", pages_with("python"))
def test_python_blocks_run(page: Path, environment: dict[str, str], tmp_path: Path) -> None:
    scripts = []
    for block in blocks(page.read_text("utf-8")):
        if block.runs and block.language == "python":
            scripts.append(tmp_path / f"{page.stem}_line_{block.line}.py")
            scripts[-1].write_text(block.text)
    work = tmp_path / "work"
    work.mkdir()
    os.chdir(work)
    run([sys.executable, "-c", RUN_BLOCKS, *map(str, scripts)], environment)


@pytest.mark.parametrize("page", pages_with("bash", long=LONG))
def test_bash_blocks_run(page: Path, environment: dict[str, str]) -> None:
    for block in blocks(page.read_text("utf-8")):
        if block.runs and block.language == "bash":
            run(["bash", "-euo", "pipefail", "-c", block.text], environment)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_to_files(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
    missing = [t for t in targets if "://" not in t and not (page.parent / t).exists()]
    assert not missing


def test_a_block_under_a_reason_is_left_out() -> None:
    page = "a\n\n<!-- not run: trains for an hour -->\n```bash\nx\n```\n\n```bash\ny\n```\n"
    assert [(b.text, b.runs) for b in blocks(page)] == [("x\n", False), ("y\n", True)]


def test_a_reason_must_be_given() -> None:
    assert next(blocks("<!-- not run: -->\n```bash\nx\n```\n")).runs
