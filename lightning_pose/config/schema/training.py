"""The sections ``training`` and ``callbacks``: batches, splits, length, optimiser, annealing."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lightning_pose.contracts.registry import AUGMENTATIONS, OPTIMIZERS, SCHEDULERS
from lightning_pose.contracts.settings import REFERENCE_EPOCHS, Follows, rule_of, setting

USUAL_VALIDATION = 5


@dataclass(kw_only=True)
class TrainingConfig:
    """How a model is trained.

    The length is given in epochs or in steps, not both: ``max_epochs`` is None exactly when
    ``max_steps`` is set. Values left at None that follow the length are filled in when the object
    is made, so a reader never meets them unset in the unit the length is given in.
    """

    imgaug: str | dict[str, Any] = setting(
        "dlc",
        "Augmentation of labelled frames: the name of a preset, or a mapping "
        "{transform: {p, ...}} of one's own.",
        registry=AUGMENTATIONS,
    )
    imgaug_hflip: bool = setting(
        False, "Also flip images left to right, exchanging left and right keypoints."
    )
    train_batch_size: int = setting(
        16, "Labelled frames in a training batch, of all GPUs together.", minimum=1
    )
    val_batch_size: int = setting(32, "Labelled frames in a validation batch.", minimum=1)
    test_batch_size: int = setting(
        32, "Labelled frames at a time in the evaluation after training, at most.", minimum=1
    )
    train_prob: float = setting(
        0.95, "Share of the labelled frames to train on.", above=0, maximum=1
    )
    val_prob: float = setting(
        0.05,
        "Share of the labelled frames to validate on; the rest is test.",
        minimum=0,
        maximum=1,
    )
    split_by: str = setting(
        "frame",
        "`frame` splits frame by frame, `video` keeps the frames of one video together, `file` "
        "reads split_file.",
        choices=("frame", "video", "file"),
    )
    split_file: str | None = setting(
        None,
        "A csv with columns image and set (train, validation or test), for split_by: file.",
        path="input",
    )
    train_frames: int | float | None = setting(
        1,
        "How much of the training part is used: 1 or null all of it, below 1 a fraction, above 1 "
        "a number of frames. For one seed the smaller sets lie in the larger.",
        above=0,
    )
    num_gpus: int = setting(
        1,
        "GPUs of each machine to train on, a process for each; with `accelerator: cpu`, processes "
        "on the CPU. With 1, a machine without a GPU trains on the CPU.",
        minimum=0,
    )
    num_nodes: int = setting(
        1, "Machines to train on; more than one need torchrun or srun.", minimum=1
    )
    accelerator: str = setting(
        "auto",
        "Where to train; `auto` takes a GPU if there is one.",
        choices=("auto", "cpu", "gpu"),
    )
    precision: str = setting(
        "auto",
        "Arithmetic: `auto` is bf16 mixed on a GPU and on processors that have it, else fp32.",
        choices=("auto", "fp32", "bf16", "fp16"),
    )
    deterministic: bool = setting(
        True,
        "Add up sums in a fixed order on a GPU too, so that equal seeds give equal weights there.",
    )
    num_workers: int | None = setting(
        None,
        "Threads that decode the labelled images at start-up.",
        minimum=0,
        default_text="as many as help",
    )
    early_stopping: bool = setting(False, "Stop when the validation pixel error no longer falls.")
    early_stop_patience: int = setting(
        3, "Validations without improvement before early stopping.", minimum=1
    )
    unfreezing_epoch: int | None = setting(
        None,
        "Epoch at which the backbone starts to learn; frozen before.",
        minimum=0,
        follows=Follows(20, "share"),
    )
    unfreezing_step: int | None = setting(
        None,
        "The same in steps, instead of unfreezing_epoch.",
        minimum=0,
        follows=Follows(20, "share", "steps"),
        default_text="a fifteenth of max_steps, with max_steps",
    )
    min_epochs: int | None = setting(
        None, "Epochs before early stopping may act.", minimum=1, follows=Follows(300, "cap")
    )
    max_epochs: int | None = setting(
        None,
        "Length of training in passes over the training frames.",
        minimum=1,
        default_text=f"{REFERENCE_EPOCHS}, unless max_steps is given",
    )
    min_steps: int | None = setting(
        None,
        "Steps before early stopping may act, with max_steps.",
        minimum=1,
        follows=Follows(300, "end", "steps"),
        default_text="max_steps",
    )
    max_steps: int | None = setting(
        None, "Length of training in batches, instead of max_epochs.", minimum=1
    )
    check_val_every_n_epoch: int | None = setting(
        None, "Epochs from one validation to the next.", minimum=1, follows=Follows(5, "cap")
    )
    log_every_n_steps: int = setting(10, "Steps from one logged value to the next.", minimum=1)
    ckpt_every_n_epochs: int | None = setting(
        None,
        "Also keep a checkpoint every so many epochs, beside the best and the last one.",
        minimum=1,
    )
    rng_seed_data_pt: int = setting(
        0, "Seed of the split into train, validation and test.", minimum=0
    )
    rng_seed_model_pt: int = setting(
        0, "Seed of the initial weights, the order of frames and their augmentation.", minimum=0
    )
    optimizer: str = setting("Adam", "Optimiser, by name.", registry=OPTIMIZERS)
    optimizer_params: dict[str, Any] = setting(
        doc="Settings of the optimiser; left out ones take its defaults.",
        factory=dict,
        params_of="optimizer",
    )
    lr_scheduler: str = setting(
        "multisteplr", "Learning-rate scheduler, by name.", registry=SCHEDULERS
    )
    lr_scheduler_params: dict[str, Any] = setting(
        doc="Settings of the learning-rate scheduler; left out ones take its defaults.",
        factory=dict,
        params_of="lr_scheduler",
    )
    uniform_heatmaps_for_nan_keypoints: bool = setting(
        True, "The target of a missing label is a uniform heatmap; false: no loss for it."
    )
    accumulate_grad_batches: int = setting(
        1, "Batches whose gradients are added up before the weights move.", minimum=1
    )
    gradient_clip_val: float | None = setting(
        None, "Largest norm of the gradient; null: not clipped.", above=0
    )
    limit_train_batches: int | float | None = setting(
        None,
        "Use only so many batches of an epoch: a whole number, or a share up to 1.0; null: all.",
        above=0,
    )

    def __post_init__(self) -> None:
        """Fill in what follows the length of training."""
        if self.max_steps is None:
            self.max_epochs = self.max_epochs or REFERENCE_EPOCHS
        unset = {item.name: rule_of(item).follows for item in dataclasses.fields(self)}
        if self.unfreezing_epoch is not None or self.unfreezing_step is not None:
            del unset["unfreezing_epoch"], unset["unfreezing_step"]
        for name, follows in unset.items():
            end = self.end_in(follows.unit) if follows is not None else None
            if follows is not None and end is not None and getattr(self, name) is None:
                setattr(self, name, follows.at(end))
        if self.check_val_every_n_epoch is None:
            self.check_val_every_n_epoch = USUAL_VALIDATION

    @property
    def processes(self) -> int:
        """Return how many processes train together, on all machines."""
        return max(1, self.num_gpus) * self.num_nodes

    def end_in(self, unit: str) -> int | None:
        """Return the length of training in epochs or steps, None if it is given in the other."""
        return self.max_steps if unit == "steps" else self.max_epochs


@dataclass(kw_only=True)
class AnnealWeightConfig:
    """The weight of all unsupervised losses by epoch."""

    init_val: float = setting(0.0, "Weight until freeze_until_epoch.", minimum=0)
    increase_factor: float = setting(0.01, "Rise of the weight per epoch after that.", minimum=0)
    final_val: float = setting(1.0, "Largest weight.", minimum=0)
    freeze_until_epoch: int | None = setting(
        None,
        "Epoch from which the weight rises.",
        minimum=0,
        follows=Follows(60, "share"),
    )
    freeze_until_step: int | None = setting(
        None,
        "The same in steps, instead of freeze_until_epoch; the weight rises by the epoch.",
        minimum=0,
        follows=Follows(60, "share", "steps"),
        default_text="a fifth of max_steps, with max_steps",
    )

    def in_epochs(self, epoch_of: Callable[[int], int]) -> AnnealWeightConfig:
        """Return the same with its start as an epoch.

        Args:
            epoch_of: returns the first epoch that begins at a step or after it.
        """
        if self.freeze_until_step is None:
            return self
        start = epoch_of(self.freeze_until_step)
        return dataclasses.replace(self, freeze_until_epoch=start, freeze_until_step=None)

    def weight_at(self, epoch: int) -> float:
        """Return the weight of the unsupervised losses in an epoch, counted from 0."""
        epochs_risen = max(0, epoch - (self.freeze_until_epoch or 0))
        return min(self.init_val + epochs_risen * self.increase_factor, self.final_val)


@dataclass(kw_only=True)
class CallbacksConfig:
    """What changes in the course of training."""

    anneal_weight: AnnealWeightConfig = field(default_factory=AnnealWeightConfig)
