"""Keys of the predecessor's configurations (2023 to 2026), translated with a note for the user."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from lightning_pose.config.yaml_file import leaves, look_up, put, take

UNUSED_HERE = "not used by this version"
EPSILON = "epsilon: null is the 99th percentile of the training error, or set epsilon"
PREDECESSOR_LOSSES = (
    "pca_multiview",
    "pca_singleview",
    "temporal",
    "temporal_heatmap_mse",
    "temporal_heatmap_kl",
    "unimodal_mse",
    "unimodal_kl",
    "unimodal_js",
    "unimodal_wasserstein",
    "supervised_pairwise_projections",
    "supervised_reprojection_heatmap_mse",
)
"""Losses that a predecessor's file may hold settings for, whether or not this version has them."""

_DROPPED: dict[str, str] = {
    "callbacks.anneal_weight.attr_name": UNUSED_HERE,
    "dali.context.predict.batch_size": "dali.context.predict.sequence_length says it",
    "dali.context.train.sequence_length": "dali.context.train.batch_size says it",
    "dali.*.*.consecutive_sequences": UNUSED_HERE,
    "dali.*.*.step": UNUSED_HERE,
    "dali.base.train.random_shuffle": UNUSED_HERE,
    "dali.general.num_threads": UNUSED_HERE,
    "data.header_rows": "header rows are recognised",
    "eval.create_labeled_video": "eval.save_vids_after_training says it",
    "eval.fiftyone.build_speed": UNUSED_HERE,
    "eval.fiftyone.dataset_to_create": UNUSED_HERE,
    "eval.fiftyone.n_dirs_back": UNUSED_HERE,
    "eval.pred_csv_files_to_plot": "`litpose predict --labeled-video` draws",
    "eval.video_file_to_plot": "`litpose predict --labeled-video` draws",
    "hydra.job.chdir": "training never changes the folder",
    "losses.*.empirical_epsilon_multiplier": EPSILON,
    "losses.*.empirical_epsilon_percentile": EPSILON,
    "losses.*.error_metric": UNUSED_HERE,
    "losses.*.loss_name": UNUSED_HERE,
    "model.head": UNUSED_HERE,
    "model.learn_weights": "each loss has its log_weight",
    "model.resnet_version": "model.backbone says it",
    "training.dropout_rate": UNUSED_HERE,
    "training.gpu_id": "choose a GPU with the variable CUDA_VISIBLE_DEVICES",
    "training.imgaug_3d": UNUSED_HERE,
    "training.multiple_trainloader_mode": "the shorter loader always cycles",
    "training.patch_mask": UNUSED_HERE,
    "training.patch_mask.*": UNUSED_HERE,
    "training.profiler": UNUSED_HERE,
    "training.val_check_interval": "training.check_val_every_n_epoch says it",
}


@dataclass
class Translation:
    """A tree in today's keys.

    Attributes:
        tree: the values.
        notes: what was translated, a sentence each.
        moved: new key -> old key.
        dropped: reason -> keys left out for it.
        below: the tree this one will lie on.
    """

    tree: dict[str, Any]
    notes: list[str] = field(default_factory=list)
    moved: dict[str, str] = field(default_factory=dict)
    dropped: dict[str, list[str]] = field(default_factory=dict)
    below: Mapping[str, Any] = field(default_factory=dict)

    def asked(self, key: str, default: Any) -> Any:
        """Return a value of this tree, else of the one below, else the default."""
        return look_up(self.tree, key, look_up(self.below, key, default))

    def move(self, old: str, new: str) -> None:
        """Give a value another key; a value that is there already stays."""
        value = take(self.tree, old)
        if look_up(self.tree, new) is None:
            put(self.tree, new, value)
            self.moved[new] = old
        self.notes.append(f"{old} is now {new}.")

    def drop(self, old: str, why: str) -> None:
        """Take a value out."""
        take(self.tree, old)
        self.dropped.setdefault(why, []).append(old)

    def all_notes(self) -> list[str]:
        """Return the notes, the keys left out gathered by reason."""
        return [*self.notes, *(left_out(keys, why) for why, keys in self.dropped.items())]


def left_out(keys: Sequence[str], why: str) -> str:
    """Return the note on keys that have no effect."""
    return f"{', '.join(keys)} {'is' if len(keys) == 1 else 'are'} left out: {why}."


def translate(tree: Mapping[str, Any], *, below: Mapping[str, Any] | None = None) -> Translation:
    """Return a predecessor's sections in today's keys; today's sections come back unchanged.

    Args:
        tree: plain values.
        below: a tree that this one will lie on; asked for what ``tree`` does not say.
    """
    result = Translation(copy.deepcopy(dict(tree)), below=below or {})
    _drop_empty_sections(result)
    for step in _STEPS:
        step(result)
    return result


def loss_weights(result: Translation, *, legacy: bool) -> None:
    """Double the loss weights of a configuration from before February 2026, or say how to.

    The predecessor applied each weight twice until then. ``log_weight`` enters through
    1 / (2 exp(log_weight)) and w is added to itself, so 2w keeps the ratio to its supervised loss.
    """
    small = []
    for name, settings in (result.tree.get("losses") or {}).items():
        weight = settings.get("log_weight") if isinstance(settings, dict) else None
        if isinstance(weight, bool) or not isinstance(weight, (int, float)):
            continue
        key = f"losses.{name}.log_weight"
        if legacy:
            settings["log_weight"] = 2 * weight
            result.notes.append(f"{key} is doubled from {weight:g} to {2 * weight:g}.")
        elif weight <= 7:
            small.append(f"{key} {weight:g}")
    if small:
        result.notes.append(
            f"If this file was written before February 2026, its losses weighed less there than "
            f"here; --legacy-weights doubles the values to make up for it: {', '.join(small)}."
        )


def _drop_empty_sections(result: Translation) -> None:
    for name in [name for name, value in result.tree.items() if value is None]:
        del result.tree[name]


def _drop_old(result: Translation) -> None:
    for key in [key for key, _ in leaves(result.tree)]:
        why = _first_match(key, _DROPPED)
        if why is not None:
            result.drop(key, why)


def _first_match(key: str, patterns: Mapping[str, str]) -> str | None:
    return next((why for pattern, why in patterns.items() if fnmatchcase(key, pattern)), None)


def _keypoints(result: Translation) -> None:
    if look_up(result.tree, "data.keypoints") is not None:
        result.move("data.keypoints", "data.keypoint_names")


def _context(result: Translation) -> None:
    wanted = look_up(result.tree, "model.do_context")
    if "do_context" not in (result.tree.get("model") or {}):
        return
    kind = result.asked("model.model_type", "heatmap")
    if wanted is True and kind == "heatmap":
        take(result.tree, "model.do_context")
        put(result.tree, "model.model_type", "heatmap_mhcrnn")
        result.moved["model.model_type"] = "model.do_context"
        result.notes.append("model.do_context: true is now model.model_type: heatmap_mhcrnn.")
    else:
        result.drop("model.do_context", "model.model_type says it")


def _scheduler_settings(result: Translation) -> None:
    """Lift the settings of the chosen scheduler out of a section with its name."""
    name = result.asked("training.lr_scheduler", "multisteplr")
    section = look_up(result.tree, "training.lr_scheduler_params")
    if not isinstance(section, dict):
        return
    for inner in [key for key, value in section.items() if isinstance(value, dict)]:
        key = f"training.lr_scheduler_params.{inner}"
        if inner != name:
            result.drop(key, f"the chosen scheduler is {name}")
            continue
        settings = take(result.tree, key)
        for setting, value in settings.items():
            put(result.tree, f"training.lr_scheduler_params.{setting}", value)
            result.moved[f"training.lr_scheduler_params.{setting}"] = f"{key}.{setting}"
        result.notes.append(f"{key}.* is now training.lr_scheduler_params.*.")


def _unset_lists(result: Translation) -> None:
    """Read null, blank and empty placeholders as "nothing", each key in its own way."""
    data = result.tree.get("data")
    if isinstance(data, dict) and data.get("mirrored_column_matches") == []:
        data["mirrored_column_matches"] = None
    for key in ("model.losses_to_use", "eval.hydra_paths", "data.view_names"):
        section, _, name = key.partition(".")
        values = result.tree.get(section)
        if not isinstance(values, dict) or name not in values:
            continue
        given = values[name]
        items = [given] if isinstance(given, str) and "${" not in given else given
        if given is None or isinstance(items, list):
            values[name] = [item for item in items or [] if not _blank(item)]


def _matches_of_cameras(result: Translation) -> None:
    """Read one list of keypoints, which old files give for several cameras, as that of each."""
    key = "data.mirrored_column_matches"
    given, views = look_up(result.tree, key), result.asked("data.view_names", [])
    flat = isinstance(given, list) and given and all(type(item) is int for item in given)
    if flat and isinstance(views, list) and len(views) > 1:
        put(result.tree, key, [list(given) for _ in views])
        result.notes.append(f"{key} is one list for each view now: {given} for all {len(views)}.")


def _blank(item: object) -> bool:
    return item is None or (isinstance(item, str) and not item.strip())


_STEPS: Iterable[Callable[[Translation], None]] = (
    _keypoints,
    _context,
    _scheduler_settings,
    _drop_old,
    _unset_lists,
    _matches_of_cameras,
)
