"""Where ``conf/`` and ``sweeps/`` lie: inside an installed wheel, or at the top of a checkout."""

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


def _asset(name: str) -> Path:
    places = (PACKAGE / "_assets" / name, PACKAGE.parent / name)
    found = next((place for place in places if place.is_dir()), None)
    if found is None:
        raise ConfigError(
            f"The folder {name}/ that belongs to litpose is neither in {places[0].parent} nor in "
            f"{places[1].parent}; install the package again."
        )
    return found
