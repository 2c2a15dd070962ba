"""Nothing we ship runs code from a data file, swallows an error, or loads half of a model.

A handler that catches everything must raise in the end, or say on its line where the error goes.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

PICKLERS = {"cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
HARMLESS_IN_PICKLE = {"pickle.UnpicklingError", "pickle.PicklingError"}
PICKLING_CALLS = {"read_pickle", "to_pickle"}
BROAD = {"Exception", "BaseException"}


def faults(source: str) -> Iterator[str]:
    """Yield one sentence for every unsafe construct in ``source``."""
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import():
                yield from _pickle_imports(node.lineno, [alias.name for alias in node.names])
            case ast.ImportFrom(module=str(module)):
                names = [f"{module}.{alias.name}" for alias in node.names]
                yield from _pickle_imports(node.lineno, [module])
                yield from _uses_pickle(node.lineno, names)
            case ast.Attribute():
                yield from _uses_pickle(node.lineno, [ast.unparse(node)])
            case ast.Call():
                yield from _unsafe_call(node)
            case ast.ExceptHandler() if "#" not in lines[node.lineno - 1]:
                yield from _broad_handler(node)
            case _:
                pass


def _pickle_imports(line: int, modules: list[str]) -> Iterator[str]:
    yield from (f"line {line}: imports {m}" for m in modules if m.split(".")[0] in PICKLERS)


def _uses_pickle(line: int, names: list[str]) -> Iterator[str]:
    used = {n for n in names if n.startswith("pickle.")} - HARMLESS_IN_PICKLE
    yield from (f"line {line}: uses {name}" for name in used)


def _unsafe_call(node: ast.Call) -> Iterator[str]:
    name = ast.unparse(node.func)
    arguments = {k.arg: ast.unparse(k.value) for k in node.keywords}
    if name == "torch.load" and arguments.get("weights_only") != "True":
        yield f"line {node.lineno}: torch.load without weights_only=True"
    if name != "zip" and arguments.get("strict") == "False":
        yield f"line {node.lineno}: {name}(strict=False) hides what does not fit"
    if arguments.get("allow_pickle") == "True" or name.split(".")[-1] in PICKLING_CALLS:
        yield f"line {node.lineno}: {name} reads or writes pickles"


def _broad_handler(node: ast.ExceptHandler) -> Iterator[str]:
    caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
    broad = any(item is None or ast.unparse(item) in BROAD for item in caught)
    last = node.body[-1]
    goes_on = not isinstance(last, ast.Raise)
    if broad and goes_on:
        yield f"line {node.lineno}: catches everything and goes on"


def test_nothing_unsafe_is_shipped(sources: dict[str, str]) -> None:
    found = {path: list(faults(source)) for path, source in sources.items()}
    assert not {path: sentences for path, sentences in found.items() if sentences}


@pytest.mark.parametrize(
    "source",
    [
        "import pickle\npickle.load(file)",
        "from pickle import loads",
        "from joblib import load",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "net.load_state_dict(state, strict=False)",
        "np.load(path, allow_pickle=True)",
        "pd.read_pickle(path)",
        "try: f()\nexcept: pass",
        "try: f()\nexcept Exception as e: print(e)",
        "try: f()\nexcept (ValueError, Exception): pass",
    ],
)
def test_the_rule_sees(source: str) -> None:
    assert list(faults(source))


@pytest.mark.parametrize(
    "source",
    [
        "torch.load(path, map_location='cpu', weights_only=True)",
        "zip(a, b, strict=False)",
        "try: f()\nexcept Exception as e:\n    note(e)\n    raise",
        "try: f()\nexcept ValueError: pass",
        "try: f()\nexcept Exception as e:  # handed to the consumer\n    put(e)",
        "try: f()\nexcept pickle.UnpicklingError: pass",
    ],
)
def test_the_rule_lets_pass(source: str) -> None:
    assert not list(faults(source))
