"""Where ``conf/``, ``sweeps/``, ``dvc.yaml`` lie: in an installed wheel, or atop a checkout."""

from __future__ import annotations

from pathlib import Path

from lightning_pose.contracts.errors import ConfigError

PACKAGE = Path(__file__).resolve().parents[1]


def conf_dir() -> Path:
    """Return the folder of the configuration groups."""
    return _asset("conf")


def sweeps_dir() -> Path:
    """Return the folder of the sweeps that come with the package."""
    return _asset("sweeps")


def pipeline_file(name: str) -> Path:
    """Return a file at the top of the checkout that a new project begins with."""
    return _asset(name)


def group_choices(config_dir: Path | None = None) -> dict[str, list[str]]:
    """Return every configuration group with its choices, Hydra's own left out.

    Args:
        config_dir: a folder with more groups.
    """
    groups: dict[str, list[str]] = {}
    for folder in (conf_dir(), *([config_dir] if config_dir else [])):
        for path in sorted(folder.rglob("*.yaml")):
            group = path.parent.relative_to(folder).as_posix()
            if group != "." and not group.startswith("hydra"):
                groups.setdefault(group, []).append(path.stem)
    own_sweeps = [path.stem for path in sorted(sweeps_dir().glob("*.yaml"))]
    groups["sweeps"] = [*own_sweeps, *groups.get("sweeps", [])]
    return groups


def _asset(name: str) -> Path:
    places = (PACKAGE / "_assets" / name, PACKAGE.parent / name)
    found = next((place for place in places if place.exists()), None)
    if found is None:
        raise ConfigError(
            f"{name}, which belongs to litpose, is neither in {places[0].parent} nor in "
            f"{places[1].parent}; install the package again."
        )
    return found
