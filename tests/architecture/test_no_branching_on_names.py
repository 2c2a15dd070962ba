"""Names are looked up in a registry; nobody walks down a chain of string comparisons."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

CHAIN = 3


def compared_to_string(test: ast.expr) -> str | None:
    """Return the source of what ``test`` compares with strings, or None."""
    if isinstance(test, ast.BoolOp):
        found = [compared_to_string(value) for value in test.values]
        return next((name for name in found if name), None)
    if not isinstance(test, ast.Compare) or not isinstance(test.ops[0], ast.Eq | ast.In):
        return None
    sides = [test.left, test.comparators[0]]
    texts = [side for side in sides if _is_string(side)]
    names = [side for side in sides if not _is_string(side)]
    return ast.unparse(names[0]) if texts and names else None


def _is_string(node: ast.expr) -> bool:
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        return bool(node.elts) and all(_is_string(element) for element in node.elts)
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def chains(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and name of every chain of three or more comparisons of one name with strings.

    A chain is ``if/elif``, ``match``, or neighbouring ``if`` statements of one block.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Match):
            values = [c.pattern.value for c in node.cases if isinstance(c.pattern, ast.MatchValue)]
            if len(values) >= CHAIN and all(map(_is_string, values)):
                yield node.lineno, ast.unparse(node.subject)
        for block in ("body", "orelse"):
            statements = getattr(node, block, None)
            if isinstance(statements, list):
                yield from _chains_in_block(statements)


def _chains_in_block(statements: list[ast.stmt]) -> Iterator[tuple[int, str]]:
    for name in {compared_to_string(s.test) for s in statements if isinstance(s, ast.If)} - {None}:
        hits = [t for s in statements for t in _tests(s) if compared_to_string(t) == name]
        if len(hits) >= CHAIN:
            yield hits[0].lineno, str(name)


def _tests(statement: ast.stmt) -> Iterator[ast.expr]:
    while isinstance(statement, ast.If):
        yield statement.test
        if len(statement.orelse) != 1:
            return
        statement = statement.orelse[0]


def test_no_chain_of_comparisons_with_names(trees: dict[str, ast.Module]) -> None:
    found = {path: sorted(set(chains(tree))) for path, tree in trees.items()}
    assert not {path: lines for path, lines in found.items() if lines}, "look it up instead"


@pytest.mark.parametrize(
    "source",
    [
        "if a == 'x': 1\nelif a == 'y': 2\nelif a == 'z': 3",
        "if a.b == 'x': 1\nif a.b in ('y', 'w'): 2\nif 'z' == a.b: 3",
        "match a:\n case 'x': 1\n case 'y': 2\n case 'z': 3",
        "def f():\n if a == 'x' and b: return 1\n if a == 'y': return 2\n if a == 'z': return 3",
    ],
)
def test_the_rule_sees_a_chain(source: str) -> None:
    assert list(chains(ast.parse(source)))


@pytest.mark.parametrize(
    "source",
    [
        "if a == 'x': 1\nelif a == 'y': 2",
        "if a == 1: 1\nelif a == 2: 2\nelif a == 3: 3",
        "if a == 'x': 1\nelif b == 'y': 2\nelif c == 'z': 3",
    ],
)
def test_the_rule_lets_short_or_mixed_branches_pass(source: str) -> None:
    assert not list(chains(ast.parse(source)))
