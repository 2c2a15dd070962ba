"""Losses by name, and their weighted sum."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from lightning_pose.contracts.errors import ConfigError, ModelError
from lightning_pose.contracts.loss_inputs import LabeledLossInputs, LossTerm, UnlabeledLossInputs
from lightning_pose.contracts.registry import LOSSES
from lightning_pose.losses.base import Loss, LossBasis, SupervisedParams


class LossFactory(nn.Module):
    """The terms of a training objective, evaluated together (implements ``contracts.LossSum``).

    Args:
        losses: name -> loss, in the order the terms are reported.
        offered: keys that the tracker fills in its loss inputs; None skips the check.
        tracker: name of the tracker, for the message.

    Raises:
        ModelError: a loss needs a tensor that the tracker does not offer.
    """

    def __init__(
        self,
        losses: Mapping[str, Loss],
        *,
        offered: Iterable[str] | None = None,
        tracker: str = "",
    ) -> None:
        super().__init__()
        self.losses = dict(losses)
        self.modules_by_name = nn.ModuleDict(self.losses)  # so that what a loss learnt moves along
        self._needs = {name: loss.needs for name, loss in losses.items()}
        if offered is not None:
            self.check_inputs(offered, tracker=tracker)

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the terms, in order."""
        return tuple(self._needs)

    @property
    def needs(self) -> frozenset[str]:
        """Return the keys of all tensors that the terms take; a tracker may leave out others."""
        return frozenset(key for needs in self._needs.values() for key in needs)

    @property
    def replayable(self) -> bool:
        """Tell whether every loss says of its own class that it may be replayed."""
        return all(vars(type(loss)).get("replayable", False) for loss in self.losses.values())

    def check_inputs(self, offered: Iterable[str], *, tracker: str = "") -> None:
        """Raise ModelError if a loss needs a tensor that is not among the ``offered`` keys."""
        offered = tuple(offered)
        for name, needs in self._needs.items():
            missing = [key for key in needs if key not in offered]
            if missing:
                raise ModelError(
                    f"The loss {name!r} needs {', '.join(missing)}, which the tracker"
                    f"{f' {tracker!r}' if tracker else ''} does not produce; it offers "
                    f"{', '.join(sorted(offered)) or 'nothing'}. Choose another loss or "
                    "another model_type."
                )

    def fit(self, keypoints_img: Float[Tensor, "n k 2"]) -> None:
        """Let every loss learn from the training labels (see :meth:`Loss.fit`)."""
        for loss in self.losses.values():
            loss.fit(keypoints_img)

    def forward(self, inputs: LabeledLossInputs | UnlabeledLossInputs) -> list[LossTerm]:
        """Return every term of one batch, raw and weighted.

        Raises:
            ModelError: the tracker left out a tensor it said it would offer.
        """
        tensors: Mapping[str, Any] = inputs
        terms: list[LossTerm] = []
        for name, needs in self._needs.items():
            absent = [key for key in needs if key not in tensors]
            if absent:
                raise ModelError(
                    f"The loss {name!r} needs {', '.join(absent)}; this batch has only "
                    f"{', '.join(tensors)}."
                )
            loss = self.losses[name]
            raw: Tensor = loss(**{key: tensors[key] for key in needs})
            terms.append(LossTerm(name=name, raw=raw, weighted=loss.weight * raw))
        return terms


def build_loss(
    name: str, settings: Mapping[str, Any] | None = None, *, basis: LossBasis | None = None
) -> Loss:
    """Return the loss registered as ``name``.

    Args:
        name: in the registry.
        settings: of the loss; the others are at their defaults.
        basis: what the loss may know of the project; None = one camera, no mirrored views.

    Raises:
        ConfigError: there is no such loss, or it has no such setting, and the nearest is named; or
            the basis lacks something that the loss cannot do without.
    """
    entry = LOSSES.entry(name)
    params = entry.params or SupervisedParams
    known = [f.name for f in fields(params)]
    unknown = [key for key in settings or {} if key not in known]
    if unknown:
        raise ConfigError(
            f"losses.{name}.{unknown[0]} is not a setting of the loss {name!r}; it has "
            f"{', '.join(known) or 'none'}."
        )
    return entry.value(params(**(settings or {})), basis=basis)


def build_losses(
    names: Iterable[str],
    settings: Mapping[str, Mapping[str, Any]],
    *,
    basis: LossBasis | None = None,
) -> LossFactory:
    """Return the factory of the named losses (see :func:`build_loss` for errors).

    Args:
        names: in the order the terms are reported.
        settings: the ``losses`` section of the configuration.
        basis: what the losses may know of the project.
    """
    return LossFactory({name: build_loss(name, settings.get(name), basis=basis) for name in names})
