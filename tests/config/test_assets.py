"""conf/ and sweeps/ are found, and every file in them composes to a configuration that checks."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lightning_pose.config import assets
from lightning_pose.contracts.errors import ConfigError
from lightning_pose.contracts.registry import LOSSES, Entry
from tests.config.conftest import Prepare, TemporalParams, make_data_set

CHOICES = [(group, name) for group, names in assets.group_choices().items() for name in names]


def test_the_checkout_is_where_they_lie(checkout: Path) -> None:
    assert (assets.conf_dir(), assets.sweeps_dir()) == (checkout / "conf", checkout / "sweeps")


def test_an_installed_package_brings_them_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site-packages" / "lightning_pose"
    (package / "_assets" / "conf").mkdir(parents=True)
    monkeypatch.setattr(assets, "PACKAGE", package)
    assert assets.conf_dir() == package / "_assets" / "conf"
    with pytest.raises(ConfigError, match=r"sweeps, .* install the package again"):
        assets.sweeps_dir()


@pytest.mark.parametrize(("group", "name"), CHOICES, ids=[f"{g}={n}" for g, n in CHOICES])
def test_every_choice_composes_and_checks(
    prepared: Prepare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group: str, name: str
) -> None:
    make_data_set(tmp_path / "mirror-mouse-example")
    monkeypatch.setenv("LITPOSE_EXAMPLE_DATA", str(tmp_path))
    stand_in = Entry(name="pca_singleview", value=object, params=TemporalParams)
    if group == "sweeps":
        monkeypatch.setitem(LOSSES._entries, stand_in.name, stand_in)
    overrides = [f"{group}={name}"] if group != "sweeps" else ["-m", f"+sweeps={name}"]
    if (group, name) == ("data", "custom"):
        overrides.append("data.data_dir=mirror-mouse-example")
    prepared(*(overrides if group == "data" else ["data=toy", *overrides]))


def test_the_example_recordings_suit_their_pca(
    example_data: Path, built: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    pandas = pytest.importorskip("pandas")
    monkeypatch.setenv("LITPOSE_EXAMPLE_DATA", str(example_data))
    data = built("data=mirror_mouse_example").data
    csv = Path(data.data_dir) / data.csv_file
    table = pandas.read_csv(csv, header=[0, 1, 2], index_col=0)
    names = list(dict.fromkeys(table.columns.get_level_values(1)))
    assert data.keypoint_names == names
    columns = data.columns_for_singleview_pca
    chosen = table.loc[:, table.columns.get_level_values(1).isin([names[i] for i in columns])]
    complete = int(chosen.notna().all(axis=1).sum())
    held_out = len(table) - round(len(table) * 0.8)
    assert complete - held_out >= 2 * len(columns)
    for top, bottom in zip(*data.mirrored_column_matches, strict=True):
        assert names[top].removesuffix("_top") == names[bottom].removesuffix("_bot")


def test_hydra_finds_the_configuration_through_the_plug_in(
    tmp_path: Path, checkout: Path, example_data: Path
) -> None:
    code = (
        "import hydra\n"
        "with hydra.initialize(version_base='1.3', config_path=None):\n"
        "    cfg = hydra.compose('config', ['data=toy', '+sweeps=backbones'])\n"
        "print(cfg.data.generator, cfg.training.train_batch_size)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(checkout)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.split() == ["toy", "16"], done.stderr


def test_preparing_loads_nothing_heavy_but_what_registers(checkout: Path, tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from lightning_pose.config.compose import prepare\n"
        "prepare(['--cfg', 'job', 'data=toy'])\n"
        "print(sorted({'torch', 'pandas', 'lightning', 'timm'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(checkout)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.strip() == "[]", done.stderr
