"""Starting is cheap, and below the command line a configuration is plain dataclasses.

Who may import whom is kept by import-linter (``make lint``); here is what it cannot say.
"""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

HEAVY = {"torch", "lightning", "timm", "kornia", "mlflow", "fiftyone", "pandas", "cv2", "av"}
MAY_KNOW_CONFIG = (
    "lightning_pose/config/",
    "lightning_pose/api.py",
    "lightning_pose/cli/",
    "hydra_plugins/",
    "scripts/",
)


def heavy_modules_after(code: str) -> set[str]:
    """Return the heavy packages a fresh interpreter has loaded after ``code``."""
    probe = f"import sys\n{code}\nprint(*sorted({{m.split('.')[0] for m in sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True, timeout=60
    )
    return HEAVY & set(done.stdout.splitlines()[-1].split())


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert heavy_modules_after("import lightning_pose") == set()


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["predict", "--help"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    code = (
        f"sys.argv = ['litpose', *{arguments!r}]\n"
        "from lightning_pose.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass"
    )
    assert heavy_modules_after(code) == set()


def test_looking_at_records_loads_no_network() -> None:
    loaded = heavy_modules_after("import lightning_pose.cli.versions.tracing")
    assert loaded <= {"pandas"}


def test_below_the_command_line_only_the_schema_of_config_is_imported(
    trees: dict[str, ast.Module],
) -> None:
    beyond = {
        f"{path}: {node.module}"
        for path, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith("lightning_pose.config")
        and not (node.module or "").startswith("lightning_pose.config.schema")
    }
    assert not {where for where in beyond if not where.startswith(MAY_KNOW_CONFIG)}
