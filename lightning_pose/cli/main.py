"""The program ``litpose``."""

from __future__ import annotations

import argparse
import importlib
import io
import os
import pkgutil
import sys
import traceback
from collections.abc import Sequence
from errno import ENOSPC
from pathlib import Path
from types import ModuleType

from lightning_pose import __version__
from lightning_pose.cli import commands
from lightning_pose.cli.reading import reading_shown
from lightning_pose.cli.terminal import print_error
from lightning_pose.cli.train.remarks import remarks
from lightning_pose.contracts.errors import FaultError, LitposeError

PASS_THROUGH = ("train",)  # commands whose words another parser reads (Hydra's)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line; return its exit code: 0 done, 1 failed, 2 wrong usage or configuration.

    Args:
        argv: the words after ``litpose``; None = those of the process.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    _make_streams_usable()
    try:
        args = _parse(words)
    except SystemExit as stop:  # argparse has printed its usage already
        return int(stop.code or 0)
    return guarded(args)


def guarded(args: argparse.Namespace) -> int:
    """Run the chosen command; turn what goes wrong into one paragraph and an exit code."""
    try:
        _check_folder()
        with remarks(debug=args.debug), reading_shown():
            return args.run(args)
    except LitposeError as error:
        return _report(error, str(error), debug=args.debug, code=error.exit_code)
    except KeyboardInterrupt as stop:
        print_error(str(stop) or "Interrupted. What was finished is kept.")
        return 1
    except BrokenPipeError:  # the reader of our output left, `litpose ... | head` say
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        return _report(error, _in_words(error), debug=args.debug, code=1)
    except Exception as error:  # shown, and told by the exit code
        return _report(error, str(FaultError.of(error)), debug=args.debug, code=1)


def _check_folder() -> None:
    """Raise LitposeError where the current folder was deleted: torch ends the process there."""
    try:
        Path.cwd()
    except FileNotFoundError as error:
        raise LitposeError(
            "The current folder was deleted; go to another one (cd), and begin again from there."
        ) from error


def _make_streams_usable() -> None:
    """Let a closed stream swallow what it is told, and one of few characters take all names."""
    nowhere = Path(os.devnull)
    sys.stdout = sys.stdout or nowhere.open("w", encoding="utf-8")
    sys.stderr = sys.stderr or nowhere.open("w", encoding="utf-8")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _parse(words: list[str]) -> argparse.Namespace:
    """Return the parsed line; what follows a pass-through command is left as it is."""
    name = words[0].replace("-", "_") if words else ""
    if name in PASS_THROUGH:
        module = importlib.import_module(f"{commands.__name__}.{name}")
        debug = "--debug" in words
        rest = [word for word in words[1:] if word != "--debug"]
        return argparse.Namespace(run=module.run, words=rest, debug=debug)
    return make_parser().parse_args(words)


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="litpose",
        description="Train animal pose trackers from few labels and much video.",
        epilog="`litpose COMMAND --help` tells more about each.",
    )
    parser.add_argument("--version", action="version", version=f"litpose {__version__}")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for module in pkgutil.iter_modules(commands.__path__):
        _add_command(subparsers, importlib.import_module(f"{commands.__name__}.{module.name}"))
    return parser


def _add_command(
    subparsers: argparse._SubParsersAction[argparse.ArgumentParser], module: ModuleType
) -> None:
    text = (module.__doc__ or "").strip()
    first, _, rest = text.partition("\n")
    parser = subparsers.add_parser(
        module.__name__.rpartition(".")[2],
        help=first,
        description=f"{first}\n{rest}".strip(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--debug", action="store_true", help="show the traceback of an error, and details"
    )
    parser.set_defaults(run=module.run)
    parser.register("type", Path, _path)  # of every option that is one
    module.configure(parser)


def _path(text: str) -> Path:
    """Return a path of the command line."""
    if not text:
        raise argparse.ArgumentTypeError("an empty text; is a variable of the shell not set?")
    return Path(text)


def _in_words(error: OSError) -> str:
    """Return what the operating system refused, and where."""
    if error.strerror is None:
        return f"{type(error).__name__}: {error}."
    where = f"{error.filename}: " if error.filename else ""
    way_out = " Free some space, or choose another folder." if error.errno == ENOSPC else ""
    return f"{where}{error.strerror}.{way_out}"


def _report(error: BaseException, text: str, *, debug: bool, code: int) -> int:
    if debug:
        traceback.print_exception(error)
    print_error(text)
    return code


if __name__ == "__main__":
    sys.exit(main())
