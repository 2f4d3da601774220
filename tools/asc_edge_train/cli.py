"""The command ``asc-edge-train``: run, export, evaluate, belief, arrays, scenes, compare, report, fetch."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asc_edge.cli.options import add_command, forget_output, make_parser, report, report_unexpected
from asc_edge.errors import AscEdgeError, UsageError
from asc_edge_train.array_command import add_array_commands
from asc_edge_train.belief_command import add_belief_command
from asc_edge_train.export_command import add_export_command
from asc_edge_train.fetch import add_fetch_command
from asc_edge_train.leave_out_command import add_leave_out_command
from asc_edge_train.scenes_command import add_scenes_command
from asc_edge_train.typed import PROG, typed

if TYPE_CHECKING:
    from asc_edge_train.run import RunOptions

__all__ = ["main"]

DEFAULT_DATA = Path("../shared/data")
DEFAULT_WEIGHTS = Path("../shared/weights")
INTERRUPTED = 130

_DESCRIPTION = "Trains, scores and reports the bundles that asc-edge runs on the device."
_EXAMPLES = """\
  asc-edge-train run home --out runs/home              every stage; run it again to resume
  asc-edge-train run home --smoke --out /tmp/smoke     the same in a minute, on a few clips
  asc-edge-train run esc50 --out runs/esc50            the paper's whole system on ESC-50
  asc-edge-train export runs/home                      bundles for ONNX Runtime and TFLite, in 32 and 8 bits
  asc-edge-train evaluate runs/home/home.ascb --data ESC-50-master --fold 5
  asc-edge-train belief runs/home                      calibration, out of fold
  asc-edge-train make-array-set arrays --recipe home   clips as microphone arrays hear them
"""
_RUN = """\
  asc-edge-train run home --data ../shared/data --out runs/home --jobs 2
  asc-edge-train run my-recipe.toml --data recordings --out runs/mine --seed 7
  asc-edge-train run esc10 --smoke --out /tmp/esc10-smoke
  asc-edge-train run esc50 --out runs/esc50 --dask tcp://scheduler:8786
  torchrun --nproc-per-node 4 -m asc_edge_train.cli run dcase2018-task5 --data /data --out runs/task5 --jobs 1
"""
_ABLATE = """\
  asc-edge-train ablate esc50 --out runs/ablation
  asc-edge-train ablate esc50 --out runs/ablation --only "no mixing" --only "no masks"
"""
_EVALUATE = """\
  asc-edge-train evaluate runs/esc50 --data ESC-50-master --fold 5 --system "DS + audio" --json
  asc-edge-train evaluate home.ascb --data ESC-50-master --fold 5
  asc-edge-train evaluate home --data ../shared/data/esc50 --unheard
  asc-edge-train evaluate home.ascb --data my-clips --layout folders --map my-classes.toml --json

a mapping file:
  default = "other"                     # classes that are not named; without it they are left out
  exclude = ["pouring_water"]
  unknown = ["siren"]                   # sounds that it can't know: how well does it tell that?
  labels = { vacuum_cleaner = "vacuum_cleaner", keyboard_typing = "working" }
"""
_COMPARE = """\
  asc-edge-train compare runs/esc50 runs/esc50-mixstyle
  asc-edge-train compare runs/plain runs/mixing runs/masks --system crnn   a table; the first is the baseline
"""
_RECIPES = """\
  asc-edge-train recipes
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
        if args.command in {"run", "ablate", "leave-out", "export", "fetch", "make-array-set", "make-scenes"}:
            resume = f"; resume with: {typed(argv)}"
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
    except (ModuleNotFoundError, OSError) as error:
        if os.environ.get("ASC_EDGE_DEBUG"):
            raise
        return report(_lacking(error), 1, PROG)
    except Exception as error:
        if os.environ.get("ASC_EDGE_DEBUG"):
            raise
        return report_unexpected(error, PROG)


def _lacking(error: ModuleNotFoundError | OSError) -> str:
    if isinstance(error, ModuleNotFoundError):
        return f"{error.name} is not installed; training needs: pip install 'asc-edge[train]'"
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}"


def _parser() -> argparse.ArgumentParser:
    parser = make_parser(PROG, _DESCRIPTION, _EXAMPLES)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_run(commands)
    _add_ablate(commands)
    add_leave_out_command(commands, _add_run_options, _run_options)
    add_belief_command(commands, DEFAULT_WEIGHTS)
    add_export_command(commands, DEFAULT_DATA)
    _add_evaluate(commands)
    add_array_commands(commands, DEFAULT_DATA)
    add_scenes_command(commands, DEFAULT_DATA)
    _add_compare(commands)
    add_fetch_command(commands)
    add_command(commands, "recipes", "List the recipes that ship.", _RECIPES).set_defaults(run=_recipes)
    redraw = add_command(commands, "report", "Draw the pages of a finished run again.", _REPORT)
    redraw.add_argument("run_dir", type=Path, metavar="RUNDIR", help="the folder given to run --out")
    redraw.add_argument("--out", type=Path, metavar="DIR", help="where to (default: the run's folder)")
    redraw.set_defaults(run=_report)
    return parser


def _add_run(commands: Any) -> None:
    summary = "Train a recipe: frames, networks, embeddings, SVMs, late fusions, bundle and report."
    run = add_command(commands, "run", summary, _RUN)
    _add_run_options(run)
    run.set_defaults(run=_run)


def _add_ablate(commands: Any) -> None:
    summary = "Train a recipe's member again with one switch changed at a time, and print the table."
    ablate = add_command(commands, "ablate", summary, _ABLATE)
    _add_run_options(ablate)
    ablate.add_argument(
        "--only", action="append", metavar="VARIANT", help="only this variant; may be repeated"
    )
    ablate.set_defaults(run=_ablate)


def _add_run_options(run: argparse.ArgumentParser) -> None:
    run.add_argument("recipe", metavar="RECIPE", help="a recipe's name (see: recipes), or a TOML file")
    run.add_argument("--data", type=Path, metavar="DIR", help=f"the corpora (default: {DEFAULT_DATA})")
    _add_weights(run)
    run.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder of this run; resumed if there"
    )
    run.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        help="frames and embeddings, for several runs (default: in --out)",
    )
    run.add_argument(
        "--smoke", action="store_true", help="few clips, one epoch: shows that every stage works"
    )
    run.add_argument("--seed", type=_whole, metavar="N", help="instead of the recipe's")
    run.add_argument(
        "--jobs", type=_positive, metavar="N", help="workers at a time (default: processors, at most 2)"
    )
    run.add_argument(
        "--dask", metavar="ADDRESS", help="compute frames, embeddings and SVMs on this Dask cluster"
    )
    run.add_argument("--quiet", action="store_true", help="no progress")


def _add_weights(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--weights",
        type=Path,
        metavar="DIR",
        help=f"files of pretrained networks (default: {DEFAULT_WEIGHTS})",
    )


def _add_evaluate(commands: Any) -> None:
    summary = "Score a folder that a bundle or a finished run has never seen."
    evaluate = add_command(commands, "evaluate", summary, _EVALUATE)
    evaluate.add_argument(
        "judge",
        metavar="BUNDLE|RUNDIR",
        help="an .ascb file, a built-in bundle's name, or a finished run",
    )
    evaluate.add_argument("--data", type=Path, required=True, metavar="DIR", help="the folder to score")
    evaluate.add_argument(
        "--layout", metavar="NAME", help="how the folder is laid out (default: what it looks like)"
    )
    evaluate.add_argument(
        "--map", type=Path, metavar="FILE.toml", help="classes to labels, instead of the recipe's"
    )
    evaluate.add_argument("--fold", type=_positive, metavar="N", help="only this fold")
    evaluate.add_argument(
        "--unheard", action="store_true", help="leave out recordings that it was trained on"
    )
    evaluate.add_argument(
        "--system", metavar="NAME", help="of a run: the fusion or member that answers (default: its best)"
    )
    _add_weights(evaluate)
    evaluate.add_argument("--json", action="store_true", help="one JSON object instead of text")
    evaluate.set_defaults(run=_evaluate)


def _add_compare(commands: Any) -> None:
    summary = "Compare finished runs, on the clips that they share, with intervals."
    compare = add_command(commands, "compare", summary, _COMPARE)
    compare.add_argument("runs", nargs="+", type=Path, metavar="RUNDIR", help="two runs, or one and many")
    compare.add_argument("--system", metavar="NAME", help="this system only (default: all that they share)")
    compare.add_argument("--html", type=Path, metavar="FILE", help="write the comparison as a page, too")
    compare.add_argument("--json", action="store_true", help="one JSON object instead of text")
    compare.set_defaults(run=_compare)


@contextlib.contextmanager
def _run_options(args: argparse.Namespace, argv: Sequence[str] | None) -> Iterator[RunOptions]:
    from asc_edge_train.parallel import dask_cluster
    from asc_edge_train.ranks import torchrun_ranks
    from asc_edge_train.run import RunOptions

    data = args.data or DEFAULT_DATA
    if not data.is_dir():
        raise UsageError(f"{data}: no such folder; say with --data where the corpora are")
    if args.out.exists() and not args.out.is_dir():
        raise UsageError(f"{args.out}: is a file; --out is the folder of the run")
    with dask_cluster(args.dask) as dask, torchrun_ranks() as ranks:
        yield RunOptions(
            data=data,
            out=args.out,
            weights=args.weights or DEFAULT_WEIGHTS,
            cache=args.cache,
            seed=args.seed,
            jobs=args.jobs or min(2, os.cpu_count() or 1),
            dask=dask,
            smoke=args.smoke,
            command=typed(argv),
            quiet=args.quiet,
            ranks=ranks,
        )


def _ablate(args: argparse.Namespace, argv: Sequence[str] | None) -> int:
    from asc_edge_train.ablate import ablate
    from asc_edge_train.recipe import load_recipe

    recipe = load_recipe(args.recipe)
    with _run_options(args, argv) as options:
        table = ablate(recipe, options, args.only)
    print("\n".join(table))
    return 0


def _run(args: argparse.Namespace, argv: Sequence[str] | None) -> int:
    from asc_edge_train.recipe import load_recipe
    from asc_edge_train.stages import run_recipe

    with _run_options(args, argv) as options:
        finished = run_recipe(load_recipe(args.recipe), options)
    if finished is None:
        return 0
    wide = max(len(row["name"]) for row in finished["systems"])
    for row in finished["systems"]:
        figures = row["development"]
        line = f"{row['name']:<{wide}}  macro-F1 {100 * figures['macro_f1']:5.1f} %"
        print(f"{line}   accuracy {100 * figures['accuracy']:5.1f} %{_evaluation(row)}")
    for name, why in finished["left_out"].items():
        print(f"{name:<{wide}}  left out: {why}")
    print(f"wrote {args.out / finished['recipe']}.html, .md, .json{_bundle_size(finished)}")
    return 0


def _evaluation(row: dict[str, Any]) -> str:
    if "evaluation" not in row:
        return ""
    figures = row["evaluation"]["all"]
    return f"   evaluation {100 * figures['macro_f1']:5.1f} % / {100 * figures['accuracy']:5.1f} %"


def _bundle_size(report: dict[str, Any]) -> str:
    return "" if report["bundle"] is None else f", .ascb ({report['bundle']['bytes']} bytes)"


def _evaluate(args: argparse.Namespace, _argv: Sequence[str] | None) -> int:
    from tqdm import tqdm

    from asc_edge.cli.options import open_bundle
    from asc_edge_train.datasets import LAYOUTS, guess_layout
    from asc_edge_train.evaluate import BundleJudge, Judge, RunJudge, evaluate, evaluation_text, load_mapping
    from asc_edge_train.predict import Predictor

    judge: Judge
    if Path(args.judge).is_dir():
        judge = RunJudge(Predictor.open(Path(args.judge), args.system), args.weights or DEFAULT_WEIGHTS)
    elif args.system:
        raise UsageError(f"{args.judge}: --system is for the folder of a run; a bundle is one system")
    else:
        judge = BundleJudge(open_bundle(args.judge))
    layout = args.layout or guess_layout(args.data)
    if layout not in LAYOUTS:
        raise UsageError(f"--layout {layout}: unknown; choose one of {', '.join(sorted(LAYOUTS))}")
    mapping = load_mapping(judge, layout, args.map)
    with tqdm(desc="clips", unit="clip", disable=not sys.stderr.isatty()) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        result = evaluate(
            judge,
            args.data,
            layout=layout,
            mapping=mapping,
            fold=args.fold,
            unheard=args.unheard,
            unknown=mapping.unknown,
            progress=progress,
        )
    print(json.dumps(result) if args.json else "\n".join(evaluation_text(result)))
    return 0


def _compare(args: argparse.Namespace, _argv: Sequence[str] | None) -> int:
    from asc_edge_train.reporting import ablation_table, compare, comparison_page, comparison_text
    from asc_edge_train.storage import write_text

    if len(args.runs) < 2:
        raise UsageError("compare needs two runs or more")
    if len(args.runs) > 2:
        print("\n".join(ablation_table(args.runs, args.runs[0], [args.system] if args.system else None)))
        return 0
    result = compare(*args.runs, [(args.system, args.system)] if args.system else None)
    if args.html:
        write_text(args.html, comparison_page(result))
    print(json.dumps(result) if args.json else "\n".join(comparison_text(result)))
    return 0


def _recipes(_args: argparse.Namespace, _argv: Sequence[str] | None) -> int:
    from asc_edge_train.recipe import load_recipe, recipe_names

    names = recipe_names()
    for name in names:
        print(f"{name:<{max(map(len, names))}}  {load_recipe(name).summary}")
    return 0


def _report(args: argparse.Namespace, _argv: Sequence[str] | None) -> int:
    from asc_edge_train.stages import draw_run

    for path in draw_run(args.run_dir, args.out or args.run_dir):
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
