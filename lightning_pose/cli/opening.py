"""Opening a trained model for a command, with the modules of the user's own that it needs."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from lightning_pose.config.load import load_run_config
from lightning_pose.contracts.errors import ConfigError, DataError, ModelError
from lightning_pose.contracts.registry import load_plugins
from lightning_pose.contracts.run_record import PLUGIN_FOLDER, RUN_FILE, RunRecord
from lightning_pose.inference.model import Model
from lightning_pose.inference.model_files import ModelFiles
from lightning_pose.mlops.registry import local_model


def open_model(
    model: Path | str,
    *,
    device: str,
    precision: str,
    tracking_uri: str | None = None,
    raw_confidence: bool = False,
    compiled: bool = False,
) -> Model:
    """Return the model of a run directory, checkpoint or registry, its plug-ins imported first.

    Plug-ins are looked for as any module is, in the current folder, and where they were when the
    model was trained; a model of the registry brings them.

    Args:
        model: a path, or ``models:/NAME@alias``.
        device: auto, cpu, cuda or cuda:N.
        precision: auto, fp32, bf16 or fp16.
        tracking_uri: of the registry; None = the default store.
        raw_confidence: pass over the model's calibration.
        compiled: let torch compile the network when it is first used.

    Raises:
        ConfigError: a plug-in cannot be imported; there is no such device or precision.
        ModelError: there is no such model, or its checkpoint is not that of its run.
    """
    load = partial(
        Model.load,
        device=device,
        precision=precision,
        raw_confidence=raw_confidence,
        compiled=compiled,
    )
    model = local_model(model, tracking_uri=tracking_uri)
    run_dir = ModelFiles.find(model).run_dir
    if run_dir is None:
        return load(model)
    config = load_run_config(run_dir)
    folders = _recorded_folders(run_dir) if config.plugins else {}
    for name in config.plugins:
        load_plugins([], search_dir=Path.cwd())
        load_plugins([name], search_dir=folders.get(name))
    opened = load(model)
    names = config.data.keypoint_names
    if names and tuple(names) != opened.keypoint_names:
        raise ModelError(
            f"The checkpoint in {run_dir} is of another model: it has the keypoints "
            f"{', '.join(opened.keypoint_names[:3])}..., the run's config.yaml "
            f"{', '.join(names[:3])}... Bring the run's own checkpoint back, or give the "
            "checkpoint file alone, outside of this folder."
        )
    return opened


def open_together(names: Sequence[Path | str], args: argparse.Namespace) -> list[Model]:
    """Return models that say something together: of the same keypoints and views, each once.

    Args:
        names: as they were named.
        args: device, precision, tracking_uri.

    Raises:
        ConfigError: a model is named twice.
        ModelError: one cannot be opened, or has other keypoints or views.
    """
    models = [
        open_model(
            name, device=args.device, precision=args.precision, tracking_uri=args.tracking_uri
        )
        for name in names
    ]
    check_alike(names, models)
    if twice := same_weights([str(name) for name in names], models):
        raise ConfigError(f"{' and '.join(twice)} hold the same weights; name each model once.")
    return models


def check_alike(names: Sequence[Path | str], models: Sequence[Model]) -> None:
    """Raise ModelError if models have other keypoints or views than the first one."""
    first = models[0]
    for name, model in zip(names, models, strict=True):
        if (model.keypoint_names, model.view_names) != (first.keypoint_names, first.view_names):
            raise ModelError(
                f"{name} has other keypoints or views than {names[0]}; name models that were "
                "trained on the same ones."
            )


def same_weights(names: Sequence[str], models: Sequence[Model]) -> list[str]:
    """Return the names of models that are one and the same; none if all differ.

    Args:
        names: as they were named.
        models: opened.
    """
    weights = [model.files.checkpoint_sha256 if model.files else None for model in models]
    twice = [one for one, times in Counter(weights).items() if times > 1 and one is not None]
    return [name for name, own in zip(names, weights, strict=True) if own in twice[:1]]


def plugin_folders(plugins: Sequence[str]) -> dict[str, str]:
    """Return the folder that each imported plug-in is found in, for the record of a run."""
    found = {}
    for name in plugins:
        file = getattr(sys.modules.get(name.partition(".")[0]), "__file__", None)
        if file is not None:
            path = Path(file).resolve()
            in_package = path.name == "__init__.py"
            found[name] = str(path.parent.parent if in_package else path.parent)
    return found


def _recorded_folders(run_dir: Path) -> dict[str, Path]:
    try:
        folders = RunRecord.read(run_dir / RUN_FILE).plugin_folders
    except DataError:  # the model itself says what is wrong with the record
        return {}
    packed = run_dir / PLUGIN_FOLDER
    return dict.fromkeys(folders, packed) if packed.is_dir() else folders
