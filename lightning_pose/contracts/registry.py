"""Registries: the names a configuration may use, and what each stands for.

A thing registers itself beside its own code::

    @TRACKERS.register("heatmap", params=HeatmapParams)
    class HeatmapTracker(BaseSupervisedTracker): ...

Looking a name up first imports every module of the registry's home package, so that a new file is
found without another edit. Code outside this repository is found through :func:`load_plugins`.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from lightning_pose.contracts.errors import ConfigError

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Entry(Generic[T]):
    """One registered thing: its name, the thing, its parameter dataclass, a one-line summary."""

    name: str
    value: T
    params: type | None = None
    summary: str = ""


class Registry(Generic[T]):
    """A name table for one kind of thing.

    Args:
        kind: what the things are, as a noun for messages ("tracker").
        home: the package whose modules register them.
    """

    def __init__(self, kind: str, home: str) -> None:
        self.kind = kind
        self.home = home
        self._entries: dict[str, Entry[T]] = {}
        self._loaded = False

    def register(
        self, name: str, *, params: type | None = None, summary: str = ""
    ) -> Callable[[T], T]:
        """Return a decorator that files a class or function under ``name``.

        Args:
            name: the name used in configurations.
            params: dataclass of the settings the thing takes from its own configuration section.
            summary: one line for listings; the first docstring line if empty.
        """

        def file_under_name(value: T) -> T:
            known = self._entries.get(name)
            if known is not None and not _same_definition(known.value, value):
                raise ConfigError(
                    f"The name {name!r} is taken by another {self.kind}; rename one of the two."
                )
            doc = (getattr(value, "__doc__", None) or "").strip().splitlines()
            line = summary or (doc[0] if doc else "")
            self._entries[name] = Entry(name=name, value=value, params=params, summary=line)
            return value

        return file_under_name

    def entry(self, name: str) -> Entry[T]:
        """Return the entry of ``name``.

        Raises:
            ConfigError: there is none; the message lists the nearest names.
        """
        self._import_home()
        if name not in self._entries:
            raise ConfigError(self.unknown(name))
        return self._entries[name]

    def get(self, name: str) -> T:
        """Return the thing registered as ``name`` (see :meth:`entry` for errors)."""
        return self.entry(name).value

    def names(self) -> tuple[str, ...]:
        """Return all registered names, sorted."""
        self._import_home()
        return tuple(sorted(self._entries))

    def unknown(self, name: str) -> str:
        """Return the sentence for a name that is not registered."""
        near = difflib.get_close_matches(str(name), self.names(), n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        known = ", ".join(self.names())
        return f"There is no {self.kind} named {name!r}.{hint} Known: {known}."

    def __contains__(self, name: object) -> bool:
        return name in self.names()

    def __iter__(self) -> Iterator[Entry[T]]:
        return (self._entries[name] for name in self.names())

    def _import_home(self) -> None:
        if self._loaded:
            return
        self._loaded = True
        package = importlib.import_module(self.home)
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{self.home}.{module.name}")


TRACKERS: Registry[Any] = Registry("tracker", "lightning_pose.models")
BACKBONES: Registry[Any] = Registry("backbone", "lightning_pose.models.backbones")
LOSSES: Registry[Any] = Registry("loss", "lightning_pose.losses")
AUGMENTATIONS: Registry[Any] = Registry("augmentation preset", "lightning_pose.data.augmentation")
READERS: Registry[Any] = Registry("video reader", "lightning_pose.video")
METRICS: Registry[Any] = Registry("metric", "lightning_pose.metrics")
OPTIMIZERS: Registry[Any] = Registry("optimizer", "lightning_pose.training.optimizers")
SCHEDULERS: Registry[Any] = Registry(
    "learning-rate scheduler", "lightning_pose.training.optimizers"
)


def load_plugins(modules: Iterable[str], *, search_dir: Path | None = None) -> None:
    """Import the user's own modules so that they register their trackers, losses and the rest.

    Args:
        modules: importable module names.
        search_dir: a folder to look in as well (the configuration file's own).

    Raises:
        ConfigError: a module cannot be imported; the message names it and the reason.
    """
    if search_dir is not None and str(search_dir) not in sys.path:
        sys.path.insert(0, str(search_dir))
    for name in modules:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise ConfigError(
                f"The plugin {name!r} cannot be imported ({error}). Check the name under "
                "`plugins`, or install the package that holds it."
            ) from error


def _same_definition(first: object, second: object) -> bool:
    """Tell a module imported twice from two things that share a name."""
    where = [
        (getattr(x, "__module__", None), getattr(x, "__qualname__", None)) for x in (first, second)
    ]
    return where[0] == where[1] and None not in where[0]
