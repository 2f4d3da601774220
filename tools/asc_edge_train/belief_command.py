"""The command ``asc-edge-train belief``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from asc_edge.cli.options import add_command

__all__ = ["add_belief_command"]

_SUMMARY = "Measure a finished run's calibration, and how well it tells sounds that it can't know."
_EXAMPLES = """\
  asc-edge-train belief runs/home                                      calibration, out of fold
  asc-edge-train belief runs/home --unknown sounds/music --unknown sounds/film --out docs/results
  asc-edge-train belief runs/home --system stream --json
"""


def add_belief_command(commands: Any, default_weights: Path) -> None:
    """Add ``belief`` to the parser's commands."""
    command = add_command(commands, "belief", _SUMMARY, _EXAMPLES)
    command.add_argument("run_dir", type=Path, metavar="RUNDIR", help="the folder given to run --out")
    command.add_argument(
        "--unknown",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="sounds of none of the labels",
    )
    command.add_argument("--system", metavar="NAME", help="which answers in posteriors (default: what ships)")
    command.add_argument("--out", type=Path, metavar="DIR", help="where to (default: the run's folder)")
    command.add_argument(
        "--weights", type=Path, default=default_weights, metavar="DIR", help="files of pretrained networks"
    )
    command.add_argument("--json", action="store_true", help="one JSON object instead of text")
    command.set_defaults(run=_belief)


def _belief(args: argparse.Namespace, _argv: Sequence[str] | None) -> int:
    from asc_edge_train.belief import belief_text, measure

    out = args.out or args.run_dir
    result = measure(args.run_dir, out, system=args.system, unknown=args.unknown, weights=args.weights)
    print(
        json.dumps(result)
        if args.json
        else "\n".join([*belief_text(result), f"wrote {out / 'belief'}.html, .md, .json"])
    )
    return 0
