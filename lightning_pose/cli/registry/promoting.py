"""Promotion for the command line: champion and challenger on the frozen test set."""

from __future__ import annotations

import argparse
import hashlib
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from lightning_pose.cli.judge.held_out import (
    errors_px,
    learnt_images,
    predict_tables,
    read_scorable,
    unseen,
)
from lightning_pose.cli.opening import check_alike, open_model
from lightning_pose.cli.terminal import note, print_error, say, say_json
from lightning_pose.contracts.errors import ConfigError, DataError, ModelError
from lightning_pose.data.fingerprint import data_fingerprint
from lightning_pose.data.labels import read_labels
from lightning_pose.metrics.differences import paired_difference
from lightning_pose.mlops.registry import (
    CHALLENGER,
    CHAMPION,
    RULE,
    SCHEME,
    ModelRegistry,
    RegisteredVersion,
    judge,
)
from lightning_pose.mlops.versions.champions import track_champion

ROUNDS = 3


def promote(args: argparse.Namespace) -> int:
    """Compare challenger and champion, and promote or refuse; return 1 if it was refused.

    Raises:
        LitposeError: they cannot be compared; nothing was changed.
    """
    registry = ModelRegistry.open(args.tracking_uri)
    name, challenger = _challenger(registry, args.name)
    champion = registry.holder(name, CHAMPION)
    if champion is None:
        if args.csv:
            registry.freeze_test_set(name, _test_set(registry, name, args))
        registry.promote(challenger)
        _report_first(challenger, as_json=args.json)
        tell_tracked(challenger, args.tracking_uri)
        return 0
    if champion.version == challenger.version:
        raise ModelError(f"{challenger.uri} is the champion already.")
    test_set = _test_set(registry, name, args)
    uris = [version.uri for version in (champion, challenger)]
    opened = [
        open_model(
            uri, device=args.device, precision=args.precision, tracking_uri=args.tracking_uri
        )
        for uri in uris
    ]
    check_alike(uris, opened)
    files = [Path(file) for file in test_set["csv"]]
    labels = read_scorable(opened[0], files, data_dir=Path(test_set["data_dir"]))
    tables = unseen(labels, frozenset[str]().union(*map(learnt_images, opened)))
    predict = [partial(predict_tables, model, tables, args.bbox_file) for model in opened]
    of_champion, of_challenger = (errors_px(run(), tables) for run in predict)
    verdict = judge(
        paired_difference(of_champion, of_challenger, tables[0].images),
        rates=lambda: _rates(predict, frames=len(tables[0])),
    )
    registry.freeze_test_set(name, test_set)
    plain = {"champion": champion.version, **verdict.as_plain()}
    registry.note_verdict(challenger, plain)
    if verdict.promoted:
        registry.promote(challenger)
    if args.json:
        say_json({"challenger": challenger.version, **plain})
    elif verdict.promoted:
        say(f"{challenger.uri} is the champion now, {verdict.reason}: {verdict.sentence()}.")
    else:
        print_error(
            f"{challenger.uri} is not promoted, version {champion.version} stays the champion. It "
            f"is {verdict.reason}: {verdict.sentence()}. The rule: {RULE}."
        )
    if verdict.promoted:
        tell_tracked(challenger, args.tracking_uri)
    return int(not verdict.promoted)


def tell_tracked(champion: RegisteredVersion, tracking_uri: str | None) -> None:
    """Put a new champion into the DVC project around the current folder, and say so."""
    sentence = track_champion(champion, folder=Path.cwd(), tracking_uri=tracking_uri)
    if sentence:
        note(sentence)


def _challenger(registry: ModelRegistry, words: str) -> tuple[str, RegisteredVersion]:
    """Return the name of the model and the version that challenges."""
    name, _, number = words.removeprefix(SCHEME).partition("/")
    versions = registry.versions(name)
    chosen = [
        version
        for version in versions
        if (str(version.version) == number if number else CHALLENGER in version.aliases)
    ]
    if not chosen:
        known = ", ".join(str(version.version) for version in reversed(versions))
        what = f"version {number}" if number else "challenger"
        raise ModelError(
            f"The model {name!r} has no {what} (versions: {known}). Register one with `litpose "
            f"registry register RUN --name {name}`."
        )
    return name, chosen[0]


def _report_first(version: RegisteredVersion, *, as_json: bool) -> None:
    if as_json:
        say_json({"challenger": version.version, "promoted": True, "reason": "the first"})
    else:
        say(f"{version.uri} is the champion now: there was none to compare it with.")


def _test_set(registry: ModelRegistry, name: str, args: argparse.Namespace) -> dict[str, Any]:
    """Return the test set: label files, folder of images and the hash of both.

    Raises:
        ConfigError: none was named yet.
        DataError: it is another than the frozen one.
    """
    frozen = registry.test_set(name)
    if not args.csv and not frozen:
        raise ConfigError(
            f"The model {name!r} has no test set yet. Name labelled frames that no version learns "
            "from with --csv; they are the test set of all later promotions too."
        )
    files = [str(path.resolve()) for path in args.csv or map(Path, frozen["csv"])]
    gone = [file for file in files if not Path(file).is_file()]
    if gone:
        raise DataError(f"The test set {' and '.join(gone)} is not there. Name it with --csv.")
    folder = args.data_dir or (Path(files[0]).parent if args.csv else Path(frozen["data_dir"]))
    tables = [read_labels(Path(file), data_dir=folder) for file in files]
    hashes = sorted(entry["sha256"] for entry in data_fingerprint(tables).values())
    digest = hashlib.sha256("\n".join(hashes).encode()).hexdigest()
    if frozen and frozen["sha256"] != digest and not args.new_test_set:
        raise DataError(
            f"{' and '.join(files)} is not the test set that {name!r} was frozen with (labels or "
            f"images differ; the frozen one was {' and '.join(frozen['csv'])}). Bring that back, "
            "or freeze this one with --new-test-set: numbers before and after cannot be compared."
        )
    return {"csv": files, "data_dir": str(folder.resolve()), "sha256": digest}


def _rates(predict: Sequence[Any], *, frames: int) -> tuple[float, float]:
    """Return the frames per second of both models, the best of some rounds in turns."""
    best = [float("inf")] * len(predict)
    for _ in range(ROUNDS):
        for number, run in enumerate(predict):
            started = time.perf_counter()
            run()
            best[number] = min(best[number], time.perf_counter() - started)
    champion, challenger = (frames / seconds for seconds in best)
    return champion, challenger
