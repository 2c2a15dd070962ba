"""Keys tell results apart."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

import lightning_pose
from lightning_pose.contracts.code_hash import code_hash, file_hash
from lightning_pose.contracts.registry import READERS
from lightning_pose.inference.result_key import code_of, code_version, plugin_code, result_key
from lightning_pose.metrics.temporal_norm import TemporalNorm


def test_each_part_changes_the_key() -> None:
    parts = {"model": "m", "source": ["s"], "precision": "bf16"}
    keys = {result_key(parts)} | {result_key(parts | {name: "other"}) for name in parts}
    assert len(keys) == 4
    assert result_key(parts) == result_key(dict(reversed(parts.items())))


def test_the_code_is_named_by_version_and_content() -> None:
    assert code_version().startswith(f"{lightning_pose.__version__}+")


def imported(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Import a module of the user's, anew."""
    monkeypatch.syspath_prepend(str(folder))
    for known in [known for known in sys.modules if known.partition(".")[0] == name]:
        monkeypatch.delitem(sys.modules, known)
    importlib.invalidate_caches()
    importlib.import_module(name)


@pytest.fixture
def own_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let readers that a test registers be forgotten."""
    READERS.names()
    monkeypatch.setattr(READERS, "_entries", dict(READERS._entries))
    file_hash.cache_clear()


READER = """
from lightning_pose.contracts.registry import READERS

@READERS.register("own_to_test")
class OwnReader:
    HOW = "{how}"
"""


@pytest.mark.usefixtures("own_readers")
def test_the_code_of_plugins_is_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "own_reader_to_test"
    assert name not in plugin_code()
    found = []
    for how in ("fast", "fast", "slowly"):
        (tmp_path / f"{name}.py").write_text(READER.format(how=how))
        file_hash.cache_clear()  # as in another process
        imported(name, tmp_path, monkeypatch)
        found.append(plugin_code()[name])
    assert found[0] == found[1] != found[2]


@pytest.mark.usefixtures("own_readers")
def test_of_a_package_every_module_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "own_package_to_test"
    (tmp_path / name / "inner").mkdir(parents=True)
    (tmp_path / name / "__init__.py").write_text("from . import reader\n")
    (tmp_path / name / "reader.py").write_text(READER.format(how="fast"))
    found = []
    for text in ("A = 1", "A = 2"):
        (tmp_path / name / "inner" / "helper.py").write_text(text)
        file_hash.cache_clear()
        imported(name, tmp_path, monkeypatch)
        found.append(plugin_code()[f"{name}.reader"])
    assert found[0] != found[1]


def test_code_without_a_file_has_no_hash() -> None:
    own = type("Typed", (), {"__module__": "nowhere_to_be_found"})
    assert code_of(own()) == ""
    assert code_of(TemporalNorm()) == code_hash(("metrics",))
