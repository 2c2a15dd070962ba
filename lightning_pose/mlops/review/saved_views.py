"""The questions a comparison is opened with, as saved views of its data set."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

from lightning_pose.mlops.review.fields import model_fields
from lightning_pose.mlops.review.table import PIXEL_ERROR


def our_views(dataset: Any, models: Sequence[str], wrong_px: float) -> dict[str, tuple[Any, str]]:
    """Return the saved views by name, each with what it shows in words.

    Args:
        dataset: of FiftyOne, with the fields of a review.
        models: their names, in order.
        wrong_px: the error from which a point counts as wrong; half of it is "much better".
    """
    value = importlib.import_module("fiftyone").ViewField
    base = dataset.select_group_slices() if dataset.media_type == "group" else dataset
    fields = dict(zip(models, model_fields(models), strict=True))
    errors = {model: value(f"{field}_{PIXEL_ERROR}") for model, field in fields.items()}
    much = wrong_px / 2
    views: dict[str, tuple[Any, str]] = {}
    for model in models:
        others = [errors[other] for other in models if other != model]
        if others:
            lead = _all(other - errors[model] >= much for other in others)
            order = "difference" if len(models) == 2 else f"{fields[model]}_{PIXEL_ERROR}"
            views[f"{model} much better"] = (
                base.match(lead).sort_by(order, reverse=len(models) == 2 and model == models[0]),
                f"its mean error is at least {much:.1f} px smaller than that of any other model",
            )
    name = {1: "wrong", 2: "both wrong"}.get(len(models), "all wrong")
    views[name] = (
        base.match(_all(error >= wrong_px for error in errors.values())).sort_by(
            f"{fields[models[0]]}_{PIXEL_ERROR}", reverse=True
        ),
        f"mean error of {wrong_px:.1f} px or more",
    )
    views["confident but wrong"] = (
        _ordered(base.match(value("confident_error") >= wrong_px), "confident_error"),
        f"a point with confidence 0.9 or more is {wrong_px:.1f} px or more off its label",
    )
    if len(models) > 1:
        unlabelled = value("labelled") == False  # noqa: E712 (an expression for the database)
        views["disagree, unlabelled"] = (
            _ordered(base.match(unlabelled & (value("disagreement") >= much)), "disagreement"),
            f"frames without labels; the models' spread is {much:.1f} px or more on a keypoint",
        )
        views["label suspects"] = (
            _ordered(base.match(value("suspect_error") >= wrong_px), "suspect_error"),
            f"all models agree on a place {wrong_px:.1f} px or more from the label",
        )
    return views


def _ordered(view: Any, field: str) -> Any:
    return view.sort_by(field, reverse=True)


def _all(conditions: Any) -> Any:
    first, *others = conditions
    for condition in others:
        first &= condition
    return first
