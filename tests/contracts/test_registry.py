"""Registries: found without being listed, two things never share a name, typos get a hint."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lightning_pose.contracts.errors import ConfigError
from lightning_pose.contracts.registry import Registry, load_plugins


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry[type]:
    """Return a registry whose home package lies in ``tmp_path/zoo``, still empty."""
    home = tmp_path / "zoo"
    home.mkdir()
    (home / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.split(".")[0] == "zoo"]:
        monkeypatch.delitem(sys.modules, name)
    return Registry("animal", "zoo")


def test_a_thing_is_found_in_a_file_nobody_imported(
    zoo: Registry[type], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "zoo_registry", zoo, raising=False)
    (tmp_path / "zoo" / "owl.py").write_text(
        "import sys\n\n@sys.zoo_registry.register('owl')\nclass Owl:\n    'A bird of the night.'\n"
    )
    assert zoo.names() == ("owl",)
    assert zoo.entry("owl").summary == "A bird of the night."
    assert "owl" in zoo


def test_an_unknown_name_is_answered_with_the_nearest_one(zoo: Registry[type]) -> None:
    zoo.register("ferret")(type("Ferret", (), {}))
    with pytest.raises(ConfigError, match=r"no animal named 'feret'.*Did you mean 'ferret'\?"):
        zoo.get("feret")


def test_two_things_cannot_share_a_name(zoo: Registry[type]) -> None:
    zoo.register("ferret")(type("Ferret", (), {}))
    with pytest.raises(ConfigError, match="'ferret' is taken by another animal"):
        zoo.register("ferret")(type("Other", (), {}))


def test_a_module_imported_twice_keeps_its_name(zoo: Registry[type]) -> None:
    first, second = (type("Ferret", (), {}) for _ in range(2))
    zoo.register("ferret")(first)
    zoo.register("ferret")(second)
    assert zoo.get("ferret") is second


def test_entries_come_in_alphabetical_order(zoo: Registry[type]) -> None:
    for name in ("b", "a"):
        zoo.register(name)(type(name, (), {}))
    assert [entry.name for entry in zoo] == ["a", "b"]


def test_a_plugin_that_cannot_be_imported_is_named_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="plugin 'no_such_plugin' cannot be imported"):
        load_plugins(["no_such_plugin"], search_dir=tmp_path)


def test_a_plugin_is_found_beside_the_config_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "plugin_beside_config.py").write_text("LOADED = True\n")
    load_plugins(["plugin_beside_config"], search_dir=tmp_path)
    assert sys.modules["plugin_beside_config"].LOADED
