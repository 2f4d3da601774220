"""The command ``asc-edge-train``: run, evaluate, report."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from asc_edge.cli.options import add_command, forget_output, make_parser, report, report_unexpected
from asc_edge.errors import AscEdgeError, UsageError

__all__ = ["main"]

PROG = "asc-edge-train"
DEFAULT_DATA = Path("../shared/data")
INTERRUPTED = 130

_DESCRIPTION = "Trains, scores and reports the bundles that asc-edge runs on the device."
_EXAMPLES = """\
  asc-edge-train run home --out runs/home              every stage; run it again to resume
  asc-edge-train run home --smoke --out /tmp/smoke     the same in a minute, on a few clips
  asc-edge-train evaluate runs/home/home.ascb --data ESC-50-master --fold 5
"""
_RUN = """\
  asc-edge-train run home --data ../shared/data --out runs/home --jobs 2
  asc-edge-train run my-recipe.toml --data recordings --out runs/mine --seed 7
  asc-edge-train run esc10 --smoke --out /tmp/esc10-smoke
"""
_EVALUATE = """\
  asc-edge-train evaluate home.ascb --data ESC-50-master --fold 5
  asc-edge-train evaluate home --data ../shared/data/esc50 --unheard
  asc-edge-train evaluate home.ascb --data my-clips --layout folders --map my-classes.toml --json

a mapping file:
  default = "other"                     # classes that are not named; without it they are left out
  exclude = ["pouring_water"]
  labels = { vacuum_cleaner = "vacuum_cleaner", keyboard_typing = "working" }
"""
_REPORT = """\
  asc-edge-train report runs/home --out docs/results
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``asc-edge-train``.

    Returns
    -------
    int
        0 done, 1 failed while running, 2 used wrongly, 130 interrupted (what is done is kept).
    """
    resume = ""
    try:
        args = _parser().parse_args(argv)
        if args.run is _run:
            resume = f"; resume with: {_typed(argv)}"
        code: int = args.run(args, argv)
        return code
    except KeyboardInterrupt:
        print(f"\nasc-edge-train: interrupted{resume}", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        forget_output()
        return 0
    except AscEdgeError as error:
        if os.environ.get("ASC_EDGE_DEBUG"):
            raise
        return report(str(error), error.exit_code, PROG)
    except ModuleNotFoundError as error:
        needs = f"{error.name} is not installed; training needs: pip install 'asc-edge[train]'"
        return report(needs, 1, PROG)
    except Exception as error:
        if os.environ.get("ASC_EDGE_DEBUG"):
            raise
        return report_unexpected(error, PROG)


def _typed(argv: Sequence[str] | None) -> str:
    return shlex.join([PROG, *(sys.argv[1:] if argv is None else argv)])


def _parser() -> argparse.ArgumentParser:
    parser = make_parser(PROG, _DESCRIPTION, _EXAMPLES)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_run(commands)
    _add_evaluate(commands)
    redraw = add_command(commands, "report", "Draw the pages of a finished run again.", _REPORT)
    redraw.add_argument("run_dir", type=Path, metavar="RUNDIR", help="the folder given to run --out")
    redraw.add_argument("--out", type=Path, metavar="DIR", help="where to (default: the run's folder)")
    redraw.set_defaults(run=_report)
    return parser


def _add_run(commands: Any) -> None:
    summary = "Train a recipe: features, networks, SVMs, late fusion, bundle and report."
    run = add_command(commands, "run", summary, _RUN)
    run.add_argument("recipe", metavar="RECIPE", help="home, esc10, or a TOML file")
    run.add_argument("--data", type=Path, metavar="DIR", help=f"the corpora (default: {DEFAULT_DATA})")
    run.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder of this run; resumed if there"
    )
    run.add_argument(
        "--smoke", action="store_true", help="few clips, one epoch: shows that every stage works"
    )
    run.add_argument("--seed", type=_whole, metavar="N", help="instead of the recipe's")
    run.add_argument(
        "--jobs", type=_positive, metavar="N", help="networks at a time (default: processors, at most 2)"
    )
    run.add_argument("--quiet", action="store_true", help="no progress")
    run.set_defaults(run=_run)


def _add_evaluate(commands: Any) -> None:
    summary = "Score a folder that the bundle has never seen, through the device's own pipeline."
    evaluate = add_command(commands, "evaluate", summary, _EVALUATE)
    evaluate.add_argument("bundle", metavar="BUNDLE", help="an .ascb file, or the name of a built-in one")
    evaluate.add_argument("--data", type=Path, required=True, metavar="DIR", help="the folder to score")
    evaluate.add_argument(
        "--layout",
        choices=("esc50", "esc10", "kitchen20", "household", "manifest", "folders"),
        help="how the folder is laid out (default: what it looks like)",
    )
    evaluate.add_argument(
        "--map", type=Path, metavar="FILE.toml", help="classes to labels, instead of the recipe's"
    )
    evaluate.add_argument("--fold", type=_positive, metavar="N", help="only this fold")
    evaluate.add_argument(
        "--unheard", action="store_true", help="leave out recordings that the bundle was trained on"
    )
    evaluate.add_argument("--json", action="store_true", help="one JSON object instead of text")
    evaluate.set_defaults(run=_evaluate)


def _run(args: argparse.Namespace, argv: Sequence[str] | None) -> int:
    from asc_edge_train.recipe import load_recipe
    from asc_edge_train.stages import run_recipe

    data = args.data or DEFAULT_DATA
    if not data.is_dir():
        raise UsageError(f"{data}: no such folder; say with --data where the corpora are")
    jobs = args.jobs or min(2, os.cpu_count() or 1)
    finished = run_recipe(
        load_recipe(args.recipe),
        data,
        args.out,
        seed=args.seed,
        jobs=jobs,
        smoke=args.smoke,
        command=_typed(argv),
        quiet=args.quiet,
    )
    fusion = finished["fusion"]
    for name, row in {**finished["members"], "late fusion": fusion}.items():
        print(f"{name:<12} macro-F1 {100 * row['macro_f1']:5.1f} %   accuracy {100 * row['accuracy']:5.1f} %")
    size = finished["bundle"]["bytes"]
    print(f"wrote {args.out / finished['recipe']}.ascb ({size} bytes), .json, .md, -confusion.png")
    return 0


def _evaluate(args: argparse.Namespace, _argv: Sequence[str] | None) -> int:
    from tqdm import tqdm

    from asc_edge.cli.options import open_bundle
    from asc_edge_train.evaluate import evaluate, evaluation_text, guess_layout, load_mapping

    bundle = open_bundle(args.bundle)
    layout = args.layout or guess_layout(args.data)
    mapping = load_mapping(bundle, layout, args.map)
    with tqdm(desc="clips", unit="clip", disable=not sys.stderr.isatty()) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        result = evaluate(
            bundle,
            args.data,
            layout=layout,
            mapping=mapping,
            fold=args.fold,
            unheard=args.unheard,
            progress=progress,
        )
    print(json.dumps(result) if args.json else "\n".join(evaluation_text(result)))
    return 0


def _report(args: argparse.Namespace, _argv: Sequence[str] | None) -> int:
    from asc_edge_train.report import draw_report, load_report

    for path in draw_report(load_report(args.run_dir), args.out or args.run_dir):
        print(path)
    return 0


def _whole(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = -1
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0")
    return value


def _positive(text: str) -> int:
    value = _whole(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return value


if __name__ == "__main__":
    sys.exit(main())
