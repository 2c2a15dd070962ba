"""What every loss is: a module whose ``forward`` signature lists the tensors it needs."""

from __future__ import annotations

import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from lightning_pose.contracts.errors import ConfigError
from lightning_pose.contracts.settings import setting


@dataclass(frozen=True, kw_only=True)
class SupervisedParams:
    """Settings of a supervised loss: none. Its weight is fixed; others are weighed against it."""

    log_weight = 0.0  # not annotated, so not a setting


@dataclass(frozen=True, kw_only=True)
class UnsupervisedParams:
    """Settings that every unsupervised loss has.

    Attributes:
        log_weight: the loss is multiplied by 1 / (2 exp(log_weight)); larger means weaker.
    """

    log_weight: float = setting(
        11.0, "The loss counts 1 / (2 exp(log_weight)) times; larger is weaker."
    )

    def __post_init__(self) -> None:
        if not math.isfinite(self.log_weight):
            raise ConfigError(f"log_weight must be a finite number, got {self.log_weight}.")


@dataclass(frozen=True, kw_only=True)
class LossBasis:
    """What a loss may know of the project apart from its own settings.

    Keypoints are counted along the k axis of the loss inputs, where the views of several cameras
    lie side by side.

    Attributes:
        num_views: cameras; 1 also for mirrored views in one image.
        singleview_columns: keypoints of the single-view pose analysis, counted within a view;
            None = all.
        matched_columns: for each view its keypoints, the same body parts in the same order; of
            several cameras counted within each view. None = none are mirrored, and several cameras
            match keypoint by keypoint.
        heatmap_sigma: width of target Gaussians in heatmap pixels.
        window_radius: coordinates are read off so many heatmap pixels around a peak.
    """

    num_views: int = 1
    singleview_columns: Sequence[int] | None = None
    matched_columns: Sequence[Sequence[int]] | None = None
    heatmap_sigma: float = 1.25
    window_radius: int = 2


class Loss(nn.Module, ABC):
    """One term of the training objective.

    A subclass states what it needs by the parameters of its ``forward``: each is a key of
    ``LabeledLossInputs`` or ``UnlabeledLossInputs``, passed by name. What it learns in ``fit`` it
    keeps in buffers, which are saved with the model and may be loaded before ``fit``, whatever
    their shape.

    Args:
        params: its settings.
        basis: what it may know of the project.

    Attributes:
        replayable: True if what the loss does may be recorded once as a CUDA graph and replayed:
            it counts no calls and asks no tensor for its value. A class says so for itself alone.
        gradient_is_slope: False if the loss compares with something that follows the predictions
            without a gradient.
        needs_one_image_size: True if pixels of labelled images and of video must mean the same.
    """

    replayable: ClassVar[bool] = False
    gradient_is_slope: ClassVar[bool] = True
    needs_one_image_size: ClassVar[bool] = False

    def __init__(
        self, params: SupervisedParams | UnsupervisedParams, *, basis: LossBasis | None = None
    ) -> None:
        super().__init__()
        self.params = params
        self.basis = basis or LossBasis()
        hooked: Any = self  # torch does not say what a hook is
        hooked.register_load_state_dict_pre_hook(_take_saved_shapes)

    @property
    def log_weight(self) -> float:
        """Return the setting behind :attr:`weight`."""
        return self.params.log_weight

    @property
    def weight(self) -> float:
        """Return the factor 1 / (2 exp(log_weight)) that the loss enters the sum with."""
        return 1.0 / (2.0 * math.exp(self.log_weight))

    @property
    def needs(self) -> tuple[str, ...]:
        """Return the keys of the tensors that ``forward`` takes."""
        return required_keys(type(self))

    def fit(self, keypoints_img: Float[Tensor, "n k 2"]) -> None:
        """Learn from the training labels, once, before training; most losses learn nothing.

        Args:
            keypoints_img: labels of the training rows in image pixels; NaN = not labelled.
        """

    @abstractmethod
    def forward(self, *args: Any, **tensors: Any) -> Float[Tensor, ""]:
        """Return the loss of one batch, unweighted; 0 with a gradient if nothing can be said.

        A subclass replaces the arguments by the tensors it needs, by name.
        """


def required_keys(loss: type[nn.Module]) -> tuple[str, ...]:
    """Return the names that the ``forward`` of a loss class asks for, in order.

    Raises:
        ConfigError: ``forward`` has no named parameters, so nobody can tell what to pass.
    """
    parameters: Any = inspect.signature(loss.forward).parameters.values()
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    names = tuple(p.name for p in parameters if p.kind in kinds and p.name != "self")
    if not names:
        raise ConfigError(
            f"{loss.__name__}.forward must name the tensors it needs, for example "
            "`forward(self, *, heatmaps_pred, heatmaps_targ)`; it names none."
        )
    return names


def _take_saved_shapes(
    loss: nn.Module, state: Mapping[str, Tensor], prefix: str, *_ignored: Any
) -> None:
    """Give the buffers the shapes of the saved ones: a new loss does not know them yet."""
    for name, buffer in list(loss.named_buffers(recurse=False)):
        saved = state.get(f"{prefix}{name}")
        if saved is not None and saved.shape != buffer.shape:
            setattr(loss, name, buffer.new_empty(saved.shape))
