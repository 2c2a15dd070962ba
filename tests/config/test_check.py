"""The generic checker: types, bounds, and the words it finds for each mistake."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from lightning_pose.config.check import expected, read_section
from lightning_pose.config.schema import Config
from lightning_pose.contracts.errors import ConfigError
from lightning_pose.contracts.registry import Registry
from lightning_pose.contracts.settings import Rule, rule_of, setting


@dataclass(kw_only=True)
class Inner:
    depth: int = setting(3, "How deep.", minimum=1, maximum=9)


@dataclass(kw_only=True)
class Section:
    count: int = 1
    share: float = setting(0.5, "A share.", above=0, maximum=1)
    flag: bool = False
    name: str = "a"
    kind: str = setting("x", "A kind.", choices=("x", "y"))
    level: Literal["low", "high"] = "low"
    maybe: int | None = None
    amount: int | float | None = None
    indices: list[int] | None = setting(None, "Indices.", minimum=0)
    pairs: list[list[int]] | None = None
    text_or_map: str | dict[str, Any] = "dlc"
    path_or_paths: str | list[str] = "a.csv"
    extent: tuple[float, ...] = (1.0, 2.0)
    free: dict[str, Any] = field(default_factory=dict)
    anything: Any = None
    inner: Inner = field(default_factory=Inner)


@dataclass(kw_only=True)
class Needy:
    must: int
    may: int = 0

    def __post_init__(self) -> None:
        if self.may > self.must:
            raise ConfigError("may is more than must.")


def complaints(tree: dict[str, Any], section: type = Section) -> list[str]:
    return [str(problem) for problem in read_section(section, tree, prefix="s.")[1]]


@pytest.mark.parametrize(
    ("tree", "wanted"),
    [
        ({"count": "x"}, "s.count = 'x': must be a whole number"),
        ({"count": True}, "s.count = true: must be a whole number"),
        ({"count": 1.5}, "s.count = 1.5: must be a whole number"),
        ({"count": None}, "s.count = null: must be a whole number"),
        ({"share": 0}, "s.share = 0: must be a number, more than 0 and at most 1"),
        ({"share": 1.5}, "s.share = 1.5: must be a number, more than 0 and at most 1"),
        ({"share": "1"}, "s.share = '1': must be a number, more than 0 and at most 1"),
        (
            {"share": float("nan")},
            "s.share = nan: must be a number, more than 0 and at most 1",
        ),
        ({"flag": "yes"}, "s.flag = 'yes': must be true or false"),
        ({"flag": 1}, "s.flag = 1: must be true or false"),
        ({"name": None}, "s.name = null: must be text"),
        ({"name": True}, "s.name = true: must be text"),
        ({"kind": "z"}, "s.kind = 'z': must be one of x, y"),
        ({"level": "middle"}, "s.level = 'middle': must be one of low, high"),
        ({"maybe": "a"}, "s.maybe = 'a': must be a whole number, or null"),
        ({"amount": "a"}, "s.amount = 'a': must be a number, or null"),
        (
            {"indices": 3},
            "s.indices = 3: must be a list of whole numbers, each at least 0, or null",
        ),
        ({"indices": [0, -1]}, "s.indices[1] = -1: must be a whole number, at least 0"),
        ({"pairs": [1]}, "s.pairs[0] = 1: must be a list of whole numbers"),
        ({"pairs": [[1, "a"]]}, "s.pairs[0][1] = 'a': must be a whole number"),
        ({"text_or_map": 3.5}, None),
        ({"text_or_map": [1]}, "s.text_or_map = [1]: must be text or a mapping"),
        ({"path_or_paths": {"a": 1}}, "s.path_or_paths = {a: 1}: must be text or a list of names"),
        ({"extent": ["a"]}, "s.extent[0] = 'a': must be a number"),
        ({"free": [1]}, "s.free = [1]: must be a mapping"),
        ({"inner": 3}, "s.inner = 3: must be a section with keys"),
        (
            {"inner": {"depth": 10}},
            "s.inner.depth = 10: must be a whole number, at least 1 and at most 9",
        ),
        ({"cuont": 3}, "s.cuont = 3: there is no such key; did you mean s.count?"),
    ],
)
def test_each_mistake_is_said_in_words(tree: dict[str, Any], wanted: str | None) -> None:
    assert complaints(tree) == ([wanted] if wanted else [])


@pytest.mark.parametrize(
    ("tree", "name", "wanted"),
    [
        ({"count": 3.0}, "count", 3),
        ({"share": 1}, "share", 1.0),
        ({"name": 12}, "name", "12"),
        ({"amount": 2}, "amount", 2),
        ({"amount": 1.0}, "amount", 1.0),
        ({"indices": [1, 2]}, "indices", [1, 2]),
        ({"extent": [1, 2]}, "extent", (1.0, 2.0)),
        ({"path_or_paths": ["a", "b"]}, "path_or_paths", ["a", "b"]),
        ({"text_or_map": {"Rotate": {"p": 1}}}, "text_or_map", {"Rotate": {"p": 1}}),
        ({"inner": None}, "inner", Inner()),
        ({"anything": object}, "anything", object),
    ],
)
def test_values_come_out_in_their_type(tree: dict[str, Any], name: str, wanted: object) -> None:
    section, problems = read_section(Section, tree)
    value = getattr(section, name)
    assert (value, type(value), problems) == (wanted, type(wanted), [])


def test_all_problems_are_found_and_the_other_values_kept() -> None:
    section, problems = read_section(Section, {"count": "a", "share": 9, "maybe": 5, "foo": 1})
    assert len(problems) == 3
    assert (section.count, section.share, section.maybe) == (1, 0.5, 5)


def test_a_value_without_default_must_be_set() -> None:
    assert complaints({}, Needy) == ["s.must: must be set"]


def test_the_objection_of_a_parameter_class_is_passed_on() -> None:
    assert complaints({"must": 1, "may": 2}, Needy) == ["s: may is more than must"]


def test_a_key_like_no_other_is_answered_with_the_keys_there_are() -> None:
    assert complaints({"zzzzzz": 1}, Needy) == [
        "s.zzzzzz = 1: there is no such key; s has must, may",
        "s.must: must be set",
    ]


def test_a_rule_allows_what_it_does_not_speak_of() -> None:
    assert rule_of(Section.__dataclass_fields__["count"]) == Rule()
    assert Rule(minimum=1).allows("text")


def test_a_name_from_a_registry_is_called_one() -> None:
    rule = Rule(registry=Registry("tracker", "nowhere"))
    assert expected(str | None, rule) == "the name of a registered tracker, or null"


def test_an_empty_tree_is_the_default_configuration() -> None:
    assert read_section(Config, {}) == (Config(), [])
