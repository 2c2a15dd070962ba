"""From ``training.imgaug`` to a chain, and what is said when it makes no sense."""

from __future__ import annotations

import doctest
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from lightning_pose.contracts.errors import ConfigError
from lightning_pose.contracts.registry import AUGMENTATIONS
from lightning_pose.data.augmentation import build, build_augmenter
from lightning_pose.data.augmentation.transform import TRANSFORMS


def chances(*args: Any, **kwargs: Any) -> dict[str, float]:
    return {step.name: step.p for step in build_augmenter(*args, **kwargs).steps}


def test_every_example_in_the_module_is_true() -> None:
    assert doctest.testmod(build).failed == 0


def test_dlc_is_what_the_documentation_says() -> None:
    assert chances("dlc") == {
        "Rotate": 0.4,
        "CropAndPad": 0.4,
        "ElasticTransformation": 0.5,
        "MotionBlur": 0.5,
        "CoarseDropout": 0.5,
        "CoarseSalt": 0.5,
        "CoarsePepper": 0.5,
        "AllChannelsHistogramEqualization": 0.1,
        "AllChannelsCLAHE": 0.1,
        "Emboss": 0.1,
    }
    settings = {step.name: step.transform for step in build_augmenter("dlc").steps}
    assert settings["Rotate"].rotate == (-25, 25)
    assert settings["CropAndPad"].percent == (-0.15, 0.15)
    assert (settings["MotionBlur"].k, settings["CoarseDropout"].p) == (5, 0.02)
    assert (settings["CoarseSalt"].p, settings["CoarsePepper"].p) == (0.01, 0.01)
    assert settings["ElasticTransformation"].alpha == (0, 10)
    assert settings["ElasticTransformation"].sigma == 5
    assert (settings["Emboss"].alpha, settings["Emboss"].strength) == ((0, 0.5), (0.5, 1.5))


def test_other_presets_add_turns_or_leave_geometry_out() -> None:
    top_down, left_right = build_augmenter("dlc-top-down"), build_augmenter("dlc-lr")
    assert (top_down.steps[0].name, top_down.steps[0].p) == ("Rot90", 1.0)
    assert top_down.steps[0].transform.k == (0, 1, 2, 3)
    assert left_right.steps[0].transform.k == (0, 2)
    assert top_down.steps[1:] == left_right.steps[1:] == build_augmenter("dlc").steps
    moving = {"Rotate", "CropAndPad", "ElasticTransformation"}
    assert set(chances("dlc")) - set(chances("dlc-mv")) == moving
    assert chances("none") == chances("default") == {}


def test_mapping_alone_is_the_whole_chain() -> None:
    assert chances({"Rotate": {"p": 0.3}, "MotionBlur": None}) == {
        "Rotate": 0.3,
        "MotionBlur": 0.5,
    }


def test_mapping_with_a_preset_changes_adds_and_takes_out() -> None:
    chain = {"preset": "dlc", "Rotate": {"p": 1}, "Emboss": {"p": 0}, "Multiply": {"p": 0.2}}
    expected = chances("dlc") | {"Rotate": 1.0, "Multiply": 0.2}
    del expected["Emboss"]
    assert chances(chain) == expected


@pytest.mark.parametrize(
    "entry",
    [
        {"p": 0.5, "args": {"rotate": [-10, 10]}},
        {"p": 0.5, "kwargs": {"rotate": (-10.0, 10.0)}},
        {"p": 0.5, "args": [[-10, 10]]},
        {"p": 0.5, "args": [], "kwargs": {"rotate": [-10, 10]}},
    ],
)
def test_settings_may_be_written_in_any_way_imgaug_configs_do(entry: dict[str, Any]) -> None:
    assert build_augmenter({"Rotate": entry}).steps[0].transform.rotate == (-10, 10)


def test_single_number_is_a_range_of_that_value() -> None:
    chain = build_augmenter(
        {"Rotate": {"args": {"rotate": 90}}, "Rot90": {"args": {"k": [[1, 3]]}}}
    )
    assert chain.steps[0].transform.rotate == (90, 90)
    assert chain.steps[1].transform.k == (1, 3)


def test_hflip_pairs_switch_mirroring_on_for_half_of_the_samples() -> None:
    steps = build_augmenter("dlc", hflip_pairs=[(0, 1)]).steps
    assert (steps[-1].name, steps[-1].p, steps[-1].transform.pairs) == ("Fliplr", 0.5, ((0, 1),))
    assert chances("none", hflip_pairs=()) == {"Fliplr": 0.5}
    assert "Fliplr" not in chances("dlc")


def test_hflip_pairs_fill_in_a_flip_that_does_not_name_its_own() -> None:
    given = build_augmenter({"Fliplr": {"p": 0.3}}, hflip_pairs=[(0, 1)]).steps
    assert [(s.p, s.transform.pairs) for s in given] == [(0.3, ((0, 1),))]
    own = {"Fliplr": {"p": 0.3, "args": {"pairs": [[2, 3]]}}}
    assert build_augmenter(own, hflip_pairs=[(0, 1)]).steps[0].transform.pairs == ((2, 3),)


@pytest.mark.parametrize(
    ("imgaug", "words"),
    [
        ("dcl", ["'dcl'", "'dlc'"]),
        ({"preset": "dlk"}, ["'dlk'", "'dlc'"]),
        ({"Rotat": {"p": 1}}, ["'Rotat'", "'Rotate'"]),
        ({"Rotate": 0.5}, ["Rotate", "p and args", "0.5"]),
        ({"Rotate": {"prob": 0.5}}, ["Rotate", "p and args"]),
        ({"Rotate": {"p": 1.5}}, ["Rotate", "p must be", "0 to 1", "1.5"]),
        ({"Rotate": {"p": "often"}}, ["Rotate", "'often'"]),
        ({"Rotate": {"args": {"rotat": 5}}}, ["Rotate", "'rotat'", "'rotate'"]),
        ({"Rotate": {"args": {"rotate": "far"}}}, ["rotate must be", "[low, high]", "'far'"]),
        ({"Rotate": {"args": {"rotate": [1, 2, 3]}}}, ["[low, high]", "[1, 2, 3]"]),
        ({"Rotate": {"args": {"rotate": [10, -10]}}}, ["low end first"]),
        ({"Rotate": {"args": [1, 2]}}, ["Rotate", "mapping", "rotate"]),
        ({"Rotate": {"args": 3}}, ["Rotate", "mapping"]),
        ({"Rot90": {"args": {"k": [5]}}}, ["Rot90", "k must be", "[0, 1, 2, 3]", "[5]"]),
        ({"Rot90": {"args": {"k": []}}}, ["Rot90", "k must be"]),
        ({"MotionBlur": {"args": {"k": 4}}}, ["MotionBlur", "odd", "4"]),
        ({"CropAndPad": {"args": {"percent": -0.6}}}, ["CropAndPad", "at least -0.45", "-0.6"]),
        ({"CoarseSalt": {"args": {"p": 2}}}, ["CoarseSalt", "at most 1", "2"]),
        ({"Fliplr": {"p": 0.5}}, ["Fliplr", "pairs", "[] if nothing changes sides"]),
        ({"Fliplr": {"args": {"pairs": [[0, 0]]}}}, ["Fliplr", "no number twice"]),
        ({"Fliplr": {"args": {"pairs": [[0, 1, 2]]}}}, ["Fliplr", "list of pairs"]),
        ({"Fliplr": {"args": {"pairs": [["a", "b"]]}}}, ["Fliplr", "keypoint numbers"]),
        ({"ElasticTransformation": {"args": {"alpha": 500}}}, ["fold", "alpha", "raise sigma"]),
        ({"AllChannelsHistogramEqualization": {"args": {"x": 1}}}, ["no setting 'x'", "none"]),
    ],
    ids=str,
)  # fmt: skip
def test_nonsense_is_refused_in_words_that_name_it(imgaug: Any, words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        build_augmenter(imgaug)
    for word in words:
        assert word in str(caught.value)


def test_pair_that_names_a_keypoint_too_many_is_refused() -> None:
    augmenter = build_augmenter("none", hflip_pairs=[(0, 9)])
    with pytest.raises(ConfigError, match=r"\[0, 9\].*there are 2"):
        augmenter(
            torch.zeros(8, 1, 1, 3, 16, 16),
            torch.zeros(8, 1, 2, 2),
            torch.eye(2, 3).expand(8, 1, 2, 3),
            seed=0,
        )


def test_every_transform_and_preset_says_what_it_does() -> None:
    for entry in (*TRANSFORMS, *AUGMENTATIONS):
        assert len(entry.summary) > 15


def test_documentation_names_every_preset_transform_and_setting(checkout: Path) -> None:
    text = (checkout / "docs" / "augmentation.md").read_text(encoding="utf-8")
    for entry in AUGMENTATIONS:
        assert f"`{entry.name}`" in text
    for entry in TRANSFORMS:
        line = next(
            row for row in text.splitlines() if row.startswith("|") and f"`{entry.name}`" in row
        )
        for field in fields(entry.value):
            assert f"`{field.name}`" in line


def test_blocks_of_the_documentation_run(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TRANSFORMS, "_entries", dict(TRANSFORMS._entries))
    text = (checkout / "docs" / "augmentation.md").read_text(encoding="utf-8")
    namespace = {"__name__": "documentation"}
    for block in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL):
        exec(compile(block, "docs/augmentation.md", "exec", dont_inherit=True), namespace)
    for block in re.findall(r"```yaml\n(.*?)```", text, flags=re.DOTALL):
        assert build_augmenter(yaml.safe_load(block)["training"]["imgaug"]).steps
    with_own = build_augmenter({"Gamma": {"p": 1.0, "args": {"gamma": 2}}})
    images, _, _ = with_own(
        torch.full((1, 1, 1, 3, 8, 8), 0.5),
        torch.zeros(1, 1, 1, 2),
        torch.eye(2, 3)[None, None],
        seed=0,
    )
    assert images.mean() == pytest.approx(0.25)
