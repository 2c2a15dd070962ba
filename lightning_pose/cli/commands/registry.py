"""Named models with versions: register, compare, promote, roll back.

  litpose registry register outputs/DATE/TIME --name mouse    it becomes the challenger
  litpose registry promote mouse --csv CollectedData_test.csv
  litpose predict models:/mouse@champion videos/              from any folder
  litpose registry rollback mouse                             back to the champion before

A challenger is promoted if a paired test on the frozen test set shows that it errs less, or not
more and is faster; else its numbers are told and the champion stays (docs/registry.md).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from lightning_pose.cli.options import add_compute_options, add_image_options


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions and their options."""
    actions = parser.add_subparsers(metavar="ACTION", required=True, dest="action")
    listing = _action(actions, "list", "tell all models and who is champion")
    listing.set_defaults(act="list_models")
    show = _action(actions, "show", "tell the versions of a model and how each compared")
    show.add_argument("name", metavar="NAME")
    show.set_defaults(act="show_model")
    register = _action(actions, "register", "store a trained model as a version, the challenger")
    register.add_argument("run_dir", metavar="RUN", type=Path, help="run directory")
    register.add_argument("--name", help="of the model [name of the data]")
    register.set_defaults(act="register")
    rollback = _action(actions, "rollback", "make the previous champion the champion again")
    rollback.add_argument("name", metavar="NAME")
    rollback.set_defaults(act="roll_back")
    _configure_promote(actions)


def run(args: argparse.Namespace) -> int:
    """Do what was asked; return 1 if a challenger was refused."""
    if args.act == "promote":
        from lightning_pose.cli.registry.promoting import promote

        return promote(args)
    from lightning_pose.cli.registry import registering

    return getattr(registering, args.act)(args)


def _configure_promote(
    actions: argparse._SubParsersAction[argparse.ArgumentParser],
) -> None:
    promote = _action(actions, "promote", "make the challenger the champion, if it is better")
    promote.add_argument("name", metavar="NAME", help="NAME, or NAME/VERSION for another version")
    promote.add_argument(
        "--csv", type=Path, nargs="+", help="labels of the test set; one a view [the frozen ones]"
    )
    add_image_options(promote)
    promote.add_argument(
        "--new-test-set", action="store_true", help="freeze this test set in place of the old one"
    )
    add_compute_options(promote)
    promote.set_defaults(act="promote")


def _action(
    actions: argparse._SubParsersAction[argparse.ArgumentParser], name: str, text: str
) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    parser.add_argument("--tracking-uri", help="store [MLFLOW_TRACKING_URI, else ./mlflow.db]")
    parser.add_argument("--json", action="store_true", help="print the outcome as JSON")
    return parser
