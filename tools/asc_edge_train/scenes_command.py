"""The command ``asc-edge-train make-scenes``."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from asc_edge.cli.options import add_command
from asc_edge.errors import UsageError

__all__ = ["add_scenes_command"]

_EXAMPLES = """\
  asc-edge-train make-scenes --recipe home --data ../shared/data --out scenes
  asc-edge-train make-scenes --recipe home --data ../shared/data --out few --count-per-label 8 --seed 7
  asc-edge-train evaluate home --data scenes --layout folders      the folder is a data set of its own

Simulated rooms need: pip install 'asc-edge[train]'. Interrupted, the same command goes on where it was.
"""


def add_scenes_command(commands: Any, default_data: Path) -> None:
    """Add the command to the parser's."""
    summary = "Render the simulated scenes that a recipe trains on, to listen to or to use elsewhere."
    make = add_command(commands, "make-scenes", summary, _EXAMPLES)
    make.add_argument(
        "--recipe", default="home", metavar="RECIPE", help="whose [scenes] (default: %(default)s)"
    )
    make.add_argument(
        "--data", type=Path, default=default_data, metavar="DIR", help="the corpora (default: %(default)s)"
    )
    make.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where to; resumed if there")
    make.add_argument(
        "--count-per-label", type=int, metavar="N", help="of every label (default: as the recipe says)"
    )
    make.add_argument("--seed", type=int, metavar="N", help="instead of the recipe's")
    make.add_argument(
        "--jobs", type=int, metavar="N", help="scenes at a time (default: processors, at most 2)"
    )
    make.add_argument("--quiet", action="store_true", help="no progress")
    make.set_defaults(run=_make)


def _make(args: argparse.Namespace, _argv: Any) -> int:
    from asc_edge_train.parallel import Parallel
    from asc_edge_train.recipe import load_recipe
    from asc_edge_train.run import progress_bar
    from asc_edge_train.scenes_set import make_scene_set

    if not args.data.is_dir():
        raise UsageError(f"{args.data}: no such folder; say with --data where the corpora are")
    for name, least in (("count_per_label", 1), ("seed", 0), ("jobs", 1)):
        value = getattr(args, name)
        if value is not None and value < least:
            raise UsageError(f"--{name.replace('_', '-')} {value}: give a whole number from {least}")
    parallel = Parallel(args.jobs or min(2, os.cpu_count() or 1))
    with progress_bar(0, "scenes", "scene", args.quiet) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done)

        path = make_scene_set(
            load_recipe(args.recipe),
            args.data,
            args.out,
            count=args.count_per_label,
            seed=args.seed,
            parallel=parallel,
            progress=progress,
        )
    parallel.rest()
    print(f"wrote {path}")
    return 0
