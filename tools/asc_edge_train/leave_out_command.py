"""The command ``asc-edge-train leave-out``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from asc_edge.cli.options import add_command

if TYPE_CHECKING:
    from asc_edge_train.run import RunOptions

__all__ = ["add_leave_out_command"]

_SUMMARY = "Score a recipe's frozen networks with a whole corpus, or a person, held out at a time."
_EXAMPLES = """\
  asc-edge-train leave-out home --by corpus --out runs/left-out
  asc-edge-train leave-out home --by recordist --member yamnet --out runs/left-out --json

Networks are not trained: SVMs over frozen embeddings take minutes. To train a recipe's networks for each
corpus, write split = "corpus" into a recipe and run it. Interrupted, the same command goes on where it was.
"""

OpenOptions = Callable[[argparse.Namespace, Sequence[str] | None], AbstractContextManager["RunOptions"]]


def add_leave_out_command(
    commands: Any, add_run_options: Callable[[argparse.ArgumentParser], None], open_options: OpenOptions
) -> None:
    """Add ``leave-out`` to the parser's commands."""
    command = add_command(commands, "leave-out", _SUMMARY, _EXAMPLES)
    add_run_options(command)
    command.add_argument("--by", choices=("corpus", "recordist"), default="corpus", help="what is held out")
    command.add_argument("--member", action="append", metavar="NAME", help="only this one; may be repeated")
    command.add_argument(
        "--c",
        type=float,
        metavar="C",
        help="of all SVMs, instead of choosing one for each: a third of the time",
    )
    command.add_argument("--json", action="store_true", help="one JSON object instead of text")

    def run(args: argparse.Namespace, argv: Sequence[str] | None) -> int:
        from asc_edge_train.leaving_out import leave_out, leave_out_text
        from asc_edge_train.recipe import load_recipe

        recipe = load_recipe(args.recipe)
        with open_options(args, argv) as options:
            result = leave_out(
                recipe.for_smoke() if args.smoke else recipe, options, args.by, only=args.member, c=args.c
            )
        print(json.dumps(result) if args.json else "\n".join(leave_out_text(result)))
        return 0

    command.set_defaults(run=run)
