"""Every name a configuration may use is in docs/, and every command answers for itself."""

from __future__ import annotations

import os
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lightning_pose.cli import commands
from lightning_pose.contracts import registry

REGISTRIES = [value for value in vars(registry).values() if isinstance(value, registry.Registry)]
COMMANDS = [module.name.replace("_", "-") for module in pkgutil.iter_modules(commands.__path__)]
HELP_WITHIN_S = 1.0


@pytest.fixture(scope="module")
def documentation(checkout: Path) -> str:
    pages = [checkout / "README.md", *sorted((checkout / "docs").glob("*.md"))]
    return "\n".join(page.read_text(encoding="utf-8") for page in pages)


@pytest.mark.parametrize("names", REGISTRIES, ids=lambda names: names.kind.replace(" ", "_"))
def test_every_registered_name_is_in_the_documentation(
    names: registry.Registry[object], documentation: str
) -> None:
    words = set(re.findall(r"[\w-]+", documentation))
    ours = [e.name for e in names if str(getattr(e.value, "__module__", "")).startswith("lightn")]
    assert not [name for name in ours if name not in words]


def litpose(*words: str) -> subprocess.CompletedProcess[str]:
    """Run the program in a process of its own."""
    command = [sys.executable, "-m", "lightning_pose.cli.main", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_answers_help(command: str) -> None:
    done = litpose(command, "--help")
    assert done.returncode == 0
    assert f"litpose {command}" in done.stdout
    assert not done.stderr


def test_help_lists_every_command() -> None:
    assert not [name for name in COMMANDS if name not in litpose("--help").stdout.split()]


def test_help_costs_less_than_a_second_of_processor_time() -> None:
    before = os.times()
    litpose("--help")
    after = os.times()
    spent = after.children_user + after.children_system
    assert spent - before.children_user - before.children_system < HELP_WITHIN_S


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_in_the_documentation(command: str, documentation: str) -> None:
    assert f"litpose {command}" in documentation
