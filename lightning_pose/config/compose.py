"""The front door: a command line is checked whole before anything is made or started."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hydra._internal.hydra import Hydra
from hydra.types import RunMode

from lightning_pose.config.app import PreparedApp
from lightning_pose.config.assets import conf_dir, group_choices
from lightning_pose.config.build import Hooks
from lightning_pose.config.defaults import plain_tree
from lightning_pose.config.hydra_session import (
    PRIMARY,
    argument_parser,
    compose,
    hydra_session,
    plain_values,
)
from lightning_pose.config.load import load_run_config
from lightning_pose.config.origins import Layer, file_layer
from lightning_pose.config.overrides import Overrides, read_overrides
from lightning_pose.config.problems import ConfigProblems, Problem, placed, raise_if_any
from lightning_pose.config.resume import changes
from lightning_pose.config.run_dirs import find_run
from lightning_pose.config.schema import Config
from lightning_pose.config.single_file import (
    SingleFile,
    conflicts,
    find_file,
    keys_of_choice,
    load_file,
)
from lightning_pose.config.sweep_jobs import (
    pruning_problems,
    study_problems,
    sweep_jobs,
    sweeper_overrides,
)
from lightning_pose.config.yaml_file import put, read_yaml
from lightning_pose.contracts.errors import ConfigError
from lightning_pose.contracts.files import in_home

SHOWING = ("help", "hydra_help", "cfg", "info", "shell_completion")
OWN_FILE = "litpose.yaml"  # of a project: the single file of whoever trains in its folder
DEFAULT_DATA = "data=toy"
DEFAULT_NOTE = f"No data set was chosen: this is {DEFAULT_DATA}, the generated one."
DATA_KEYS = {"data.data_dir", "data.csv_file", "data.video_dir", "data.generator"}


@dataclass
class _Parts:
    """What the command line consists of."""

    options: Any
    overrides: Overrides
    file: SingleFile | None
    resume: Path | None

    @property
    def problems(self) -> list[Problem]:
        """Return what is wrong with the parts themselves."""
        return [*self.overrides.problems, *(self.file.problems if self.file else [])]

    @property
    def notes(self) -> list[str]:
        """Return what was translated."""
        return [*(self.file.notes if self.file else []), *self.overrides.notes]

    def for_hydra(self) -> list[str]:
        """Return the overrides that Hydra gets; stores the file where Hydra finds it."""
        file = [self.file.override] if self.file else []
        resume = [f"model.resume={str(self.resume)!r}"] if self.resume else []
        return [*file, *self.overrides.for_hydra, *resume]

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Return where values came from, the strongest first."""
        layers = [self.overrides.layer()]
        return (*layers, self.file.layer) if self.file else tuple(layers)


def prepare(
    argv: Sequence[str], *, cwd: Path | None = None, hooks: Hooks | None = None
) -> PreparedApp:
    """Return a checked command line of ``litpose train``; :func:`run.run_hydra` takes it.

    Nothing is written, except that a data set that is to be generated is made when nothing else is
    wrong. The values of every job of a multirun are checked.

    Args:
        argv: everything behind ``litpose train``.
        cwd: the folder that relative paths start from; the current one if None.
        hooks: generators of data sets and checks of rooms above.

    Raises:
        ConfigError: something is wrong; ``ConfigProblems`` if it is more than the way of asking.
    """
    cwd = (cwd or Path.cwd()).resolve()
    options = argument_parser().parse_intermixed_args(list(argv))
    config_dir = _config_dir(options.config_dir, cwd)
    with hydra_session(config_dir) as hydra:
        parts = _read_parts(options, cwd, config_dir)
        problems = list(parts.problems)
        if parts.file is not None:
            problems += conflicts(parts.file, parts.overrides.choices, hydra)
        default_data = _default_data(hydra, parts)
        app = PreparedApp(
            overrides=(*parts.for_hydra(), *default_data),
            given=tuple(options.overrides),
            cwd=cwd,
            config_file=parts.file.path if parts.file else None,
            config_dir=config_dir,
            multirun=options.multirun,
            resume=parts.resume,
            notes=(*parts.notes, *(DEFAULT_NOTE for _ in default_data)),
            options=options if _shows(options) else None,
            layers=parts.layers,
            hooks=hooks or Hooks(),
        )
        if app.shows_only:
            raise_if_any(problems)
            return app
        return _check_jobs(hydra, app, problems)


def _config_dir(named: str | None, cwd: Path) -> Path | None:
    if named is None:
        return None
    folder = (cwd / in_home(named)).resolve()
    if not folder.is_dir():
        raise ConfigError(f"--config-dir {named}: there is no such folder.")
    return folder


def _shows(options: Any) -> bool:
    return any(getattr(options, name) for name in SHOWING)


def _default_data(hydra: Hydra, parts: _Parts) -> tuple[str, ...]:
    """Return the choice of the toy set if nothing says what to train on."""
    named = any(key in DATA_KEYS for key, _, _ in parts.overrides.values)
    if named or "data" in parts.overrides.choices or parts.file is not None:
        return ()
    if parts.options.help or parts.options.hydra_help:
        return ()
    swept = (
        key
        for name in parts.overrides.choices.get("sweeps", ())
        for key in keys_of_choice(hydra, "sweeps", name)
    )
    is_swept = any(key.startswith("hydra.sweeper.params.data") for key in swept)
    return () if is_swept or DATA_KEYS & set(parts.overrides.sweeps) else (DEFAULT_DATA,)


def _read_parts(options: Any, cwd: Path, config_dir: Path | None) -> _Parts:
    groups = group_choices(config_dir)
    standing = _standing_groups()

    def read(below: dict[str, Any]) -> Overrides:
        return read_overrides(
            options.overrides,
            groups=groups,
            standing=standing,
            multirun=options.multirun,
            below=below,
        )

    path = find_file(options.config_path, options.config_name, cwd=cwd)
    overrides = read({})
    resume = _resumed_run(overrides, path, options, cwd)
    if resume is not None:
        path = resume / "config.yaml"
    own = path is None and "data" not in overrides.choices and (cwd / OWN_FILE).is_file()
    if own:
        path = cwd / OWN_FILE
    if path is None:
        return _Parts(options, overrides, None, None)
    legacy = options.legacy_weights
    file = load_file(path, cwd=cwd, legacy_weights=legacy, to_resume=resume is not None)
    if own:
        file.notes.insert(0, f"The configuration of this folder, {OWN_FILE}, is used.")
    return _Parts(options, read(file.tree), file, resume)


def _standing_groups() -> list[str]:
    """Return the groups that ``conf/config.yaml`` chooses from."""
    entries = read_yaml(conf_dir() / f"{PRIMARY}.yaml").tree["defaults"]
    keys = [next(iter(entry)) for entry in entries if isinstance(entry, dict)]
    return [key for key in keys if not key.startswith("override ")]


def _resumed_run(overrides: Overrides, path: Path | None, options: Any, cwd: Path) -> Path | None:
    named = overrides.value("model.resume")
    if named is None:
        return None
    run = find_run(str(named), cwd=cwd)
    if path is not None or overrides.choices:
        what = "--config-name" if path is not None else f"{next(iter(overrides.choices))}=..."
        raise ConfigError(f"model.resume takes its configuration from {run}; leave {what} out.")
    if options.multirun:
        raise ConfigError("model.resume carries one run on; leave -m out.")
    return run


def _check_jobs(hydra: Hydra, app: PreparedApp, problems: list[Problem]) -> PreparedApp:
    """Check the configuration of every job; return the app with the notes that came up."""
    try:
        composed = compose(hydra, app.overrides, multirun=app.multirun)
    except ConfigError:
        raise_if_any(problems)
        raise
    if composed.hydra.mode == RunMode.MULTIRUN:
        app = replace(app, multirun=True)
    jobs = iter([composed])
    if app.multirun:
        swept, more = sweeper_overrides(composed.hydra.sweeper.get("params"))
        problems += [*more, *study_problems(composed, app.overrides)]
        jobs = (compose(hydra, job) for job in sweep_jobs([*swept, *app.overrides]))
    found: list[Problem] = []
    notes: list[str] = list(app.notes)
    if not app.multirun and composed.hydra.runtime.choices.get("sweeps"):
        notes.append("One model is trained; to search the ranges of sweeps=..., add -m.")
    for job in jobs:
        built = app.build(plain_values(job), known_problems=problems)
        notes += built.notes
        found += built.problems
        if app.multirun and not built.problems:
            found += pruning_problems(composed, built.config)
        if app.resume is not None and not built.problems:
            found += _bends(app, app.resume, built.config)
    if found:
        raise ConfigProblems(_with_group_files(hydra, app, found))
    return replace(app, notes=tuple(dict.fromkeys(notes)))


def _bends(app: PreparedApp, run: Path, config: Config) -> list[Problem]:
    """Return what would make the resumed training another one than the stopped one."""
    before = app.build(plain_tree(load_run_config(run))).config
    return [placed(p, app.layers[0].find(p.key) or "") for p in changes(before, config)]


def _with_group_files(hydra: Hydra, app: PreparedApp, problems: list[Problem]) -> list[Problem]:
    """Name the group file of values that came from neither an override nor the user's file."""
    layers = list(_group_layers(hydra, app))
    placed_problems = []
    for problem in problems:
        plain_key = problem.key.split("[")[0]
        where = next((at for layer in layers if (at := layer.find(plain_key))), "")
        placed_problems.append(placed(problem, where))
    return placed_problems


def _group_layers(hydra: Hydra, app: PreparedApp) -> list[Layer]:
    folders = [conf_dir(), *([app.config_dir] if app.config_dir else [])]
    mode = RunMode.MULTIRUN if app.multirun else RunMode.RUN
    entries = hydra.config_loader.compute_defaults_list(PRIMARY, list(app.overrides), mode)
    layers = []
    for entry in reversed(entries.defaults):
        path = next((p for f in folders if (p := f / f"{entry.config_path}.yaml").is_file()), None)
        if path is None or "/" not in str(entry.config_path):
            continue
        file = read_yaml(path, may_be_empty=True)
        if file.tree:
            layers.append(_under_package(file, entry.package or "", f"{entry.config_path}.yaml"))
    return layers


def _under_package(file: Any, package: str, shown: str) -> Layer:
    tree: dict[str, Any] = {}
    prefix = "" if package in ("", "_global_") else f"{package}."
    if prefix:
        put(tree, package, file.tree)
    lines = {f"{prefix}{key}": line for key, line in file.lines.items()}
    moved = replace(file, tree=tree or file.tree, lines=lines)
    return file_layer(moved, moved.tree, moved={}, shown=shown)
