"""The template and the reference are written from the schema, so they cannot grow old."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from lightning_pose.config.defaults import unset_tree
from lightning_pose.config.keys import known_keys
from lightning_pose.config.reference import BEGIN, reference
from lightning_pose.config.template import EXAMPLES, NOT_FOR_USERS, template
from lightning_pose.config.yaml_file import leaves, put, take
from tests.config.conftest import Prepare, make_data_set


def test_the_template_trains_once_its_data_are_filled_in(
    tmp_path: Path, data_set: Path, built: Callable[..., Any]
) -> None:
    text = template().replace(EXAMPLES["data.data_dir"], str(data_set))
    (tmp_path / "mine.yaml").write_text(text)
    config = built("--config-name", "mine")
    assert config.data.data_dir == str(data_set)
    assert config == built("data=custom", f"data.data_dir={data_set}", "training.max_epochs=300")


def test_every_comment_of_the_template_holds_a_key_and_its_default() -> None:
    uncommented = re.sub(r"^(\s*)#(\w+:)", r"\1\2", template(), flags=re.M)
    tree = yaml.safe_load(uncommented)
    wanted = unset_tree()
    for key in NOT_FOR_USERS:
        take(wanted, key)
    for key, value in EXAMPLES.items():
        put(wanted, key, value)
    assert dict(leaves(tree)) == dict(leaves(wanted))


def test_no_line_of_the_template_is_too_long() -> None:
    assert max(map(len, template().splitlines())) <= 99


@pytest.mark.usefixtures("real_rooms")
def test_the_reference_in_the_docs_is_up_to_date(checkout: Path) -> None:
    """Write it anew with LITPOSE_WRITE_DOCS=1 pytest tests/config/test_reference.py."""
    page = checkout / "docs" / "configuration.md"
    text = page.read_text(encoding="utf-8")
    written = text[: text.index(BEGIN)] + reference()
    if os.environ.get("LITPOSE_WRITE_DOCS"):
        page.write_text(written, encoding="utf-8")
    assert page.read_text(encoding="utf-8") == written


def test_the_reference_names_every_key() -> None:
    text = reference()
    sections = {key for key in known_keys() if any(k.startswith(f"{key}.") for k in known_keys())}
    missing = [key for key in known_keys() if key not in sections and f"`{key}`" not in text]
    assert missing == []


def test_the_reference_explains_settings_of_registered_things() -> None:
    text = reference()
    assert "| `model.params.sigma` | a number | 1.25 | Width of the target. |" in text
    assert "`training.optimizer_params.learning_rate`" in text
    assert "`losses.temporal.prob_threshold`" in text


def documented_commands() -> list[list[str]]:
    """Return the arguments of every ``litpose train`` on the page that names its data."""
    page = Path(__file__).resolve().parents[2] / "docs" / "configuration.md"
    lines = page.read_text(encoding="utf-8").splitlines()
    commands = [line for line in lines if line.startswith("litpose train") and "data=" in line]
    return [shlex.split(line)[2:] for line in commands]


@pytest.mark.parametrize("argv", documented_commands(), ids=" ".join)
def test_the_commands_in_the_docs_are_accepted(prepared: Prepare, argv: list[str]) -> None:
    assert "data=toy" in prepared(*argv).given


def test_the_file_in_the_docs_trains(
    tmp_path: Path, checkout: Path, built: Callable[..., Any]
) -> None:
    page = (checkout / "docs" / "configuration.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(.*?)```", page, flags=re.S)
    make_data_set(tmp_path / "data" / "my_mouse")
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "my_mouse.yaml").write_text(block)
    config = built("--config-path", "project", "--config-name", "my_mouse")
    assert config.data.data_dir == str(tmp_path / "data" / "my_mouse")
