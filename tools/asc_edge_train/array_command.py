"""The commands ``asc-edge-train make-array-set`` and ``evaluate-arrays``."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from asc_edge.cli.options import add_command
from asc_edge.errors import UsageError
from asc_edge_train.typed import typed

__all__ = ["add_array_commands"]

# As in `arrays`, which imports what a --help needn't wait for.
_ARRAYS = "linear4,circle4,circle6,measured7"
_FAULTS = "none,dead,noisy"

_MAKE = """\
  asc-edge-train make-array-set arrays --data ../shared/data
  asc-edge-train make-array-set arrays --data ../shared/data --clips-per-label 4 --arrays linear4 --jobs 2
  asc-edge-train evaluate runs/home/home.ascb --data arrays --fold 1     the mean of the microphones

Simulated rooms need: pip install 'asc-edge[train]'. Interrupted, the same command goes on where it was.
"""
_EVALUATE = """\
  asc-edge-train evaluate-arrays runs/home --set arrays --data ../shared/data --out docs/results
  asc-edge-train evaluate-arrays home.ascb --set arrays --unheard
  asc-edge-train evaluate-arrays runs/home --set arrays --json

A run is tested out of fold: each recording by networks, SVMs and fusion that never heard its fold. A bundle
has heard the clips that it was trained on, unless --unheard leaves them out.
"""


def add_array_commands(commands: Any, default_data: Path) -> None:
    """Add both commands to the parser's."""
    make = add_command(
        commands, "make-array-set", "Render a fixed set of microphone array recordings from clips.", _MAKE
    )
    make.add_argument("out", type=Path, metavar="OUT", help="folder of the set; resumed if there")
    _add_data(make, default_data)
    make.add_argument(
        "--recipe", default="home", metavar="RECIPE", help="whose clips and labels (default: %(default)s)"
    )
    make.add_argument("--seed", type=int, default=0, metavar="N", help="of rooms and noise (default: 0)")
    make.add_argument(
        "--clips-per-label", type=int, default=8, metavar="N", help="of every label and fold (default: 8)"
    )
    make.add_argument(
        "--rooms-per-clip", type=int, default=3, metavar="N", help="scenes of every clip (default: 3)"
    )
    make.add_argument("--arrays", default=_ARRAYS, metavar="LIST", help="which (default: %(default)s)")
    make.add_argument(
        "--faults", default=_FAULTS, metavar="LIST", help="recordings of a scene (default: %(default)s)"
    )
    make.add_argument(
        "--jobs", type=int, metavar="N", help="scenes at a time (default: processors, at most 2)"
    )
    make.add_argument("--quiet", action="store_true", help="no progress")
    make.set_defaults(run=_make)

    evaluate = add_command(
        commands,
        "evaluate-arrays",
        "All channels of an array against each one, and with a bad one, on a set of array recordings.",
        _EVALUATE,
    )
    evaluate.add_argument(
        "judge", metavar="BUNDLE|RUNDIR", help="an .ascb file, a built-in bundle's name, or a finished run"
    )
    evaluate.add_argument(
        "--set", type=Path, required=True, metavar="DIR", dest="folder", help="what make-array-set made"
    )
    evaluate.add_argument("--out", type=Path, metavar="DIR", help="write a page, figures and a picture here")
    evaluate.add_argument(
        "--unheard", action="store_true", help="of a bundle: leave out recordings that it was trained on"
    )
    _add_data(evaluate, default_data)
    evaluate.add_argument(
        "--weights", type=Path, metavar="DIR", help="what was given to run --weights, for frozen members"
    )
    evaluate.add_argument("--cache", type=Path, metavar="DIR", help="what was given to run --cache")
    evaluate.add_argument(
        "--jobs", type=int, metavar="N", help="workers at a time (default: processors, at most 2)"
    )
    evaluate.add_argument("--quiet", action="store_true", help="no progress")
    evaluate.add_argument("--json", action="store_true", help="one JSON object instead of text")
    evaluate.set_defaults(run=_evaluate)


def _add_data(command: argparse.ArgumentParser, default_data: Path) -> None:
    command.add_argument(
        "--data", type=Path, default=default_data, metavar="DIR", help="the corpora (default: %(default)s)"
    )


def _make(args: argparse.Namespace, _argv: Sequence[str] | None) -> int:
    from asc_edge_train.array_set import SetOptions, make_array_set
    from asc_edge_train.arrays import FAULTS, ArrayConfig
    from asc_edge_train.parallel import Parallel
    from asc_edge_train.recipe import load_recipe
    from asc_edge_train.run import progress_bar

    if not args.data.is_dir():
        raise UsageError(f"{args.data}: no such folder; say with --data where the corpora are")
    for name in ("clips_per_label", "rooms_per_clip"):
        if getattr(args, name) < 1:
            raise UsageError(f"--{name.replace('_', '-')} must be 1 or more")
    if args.seed < 0:
        raise UsageError("--seed must be 0 or more")
    faults = _words(args.faults)
    if not set(faults) <= set(FAULTS) or "none" not in faults:
        raise UsageError(f"--faults {args.faults}: none, and beside it any of {', '.join(FAULTS[1:])}")
    options = SetOptions(
        data=args.data,
        out=args.out,
        seed=args.seed,
        clips_per_label=args.clips_per_label,
        rooms_per_clip=args.rooms_per_clip,
        faults=faults,
        config=ArrayConfig(arrays=_words(args.arrays)),
    )
    with progress_bar(0, "scenes", "scene", args.quiet) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        path = make_array_set(
            load_recipe(args.recipe), options, parallel=Parallel(_jobs(args.jobs)), progress=progress
        )
    print(f"wrote {path}")
    return 0


def _evaluate(args: argparse.Namespace, argv: Sequence[str] | None) -> int:
    from asc_edge_train.arrays_scoring import evaluate_bundle, evaluate_run
    from asc_edge_train.parallel import Parallel
    from asc_edge_train.reporting.array_page import array_text, write_array_page

    parallel = Parallel(_jobs(args.jobs))
    if Path(args.judge).is_dir():
        if args.unheard:
            raise UsageError("--unheard is for a bundle: a run is tested out of fold")
        result = evaluate_run(
            Path(args.judge),
            args.folder,
            args.data,
            weights=args.weights,
            cache=args.cache,
            parallel=parallel,
            quiet=args.quiet,
        )
    else:
        result = evaluate_bundle(
            args.judge, args.folder, unheard=args.unheard, parallel=parallel, quiet=args.quiet
        )
    if args.out is not None:
        write_array_page(result, args.out, typed(argv))
    print(json.dumps(result) if args.json else "\n".join(array_text(result)))
    return 0


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _jobs(given: int | None) -> int:
    if given is not None and given < 1:
        raise UsageError(f"--jobs {given}: give a whole number from 1")
    return given or min(2, os.cpu_count() or 1)
