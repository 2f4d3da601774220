"""The command ``asc-edge-train export``."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asc_edge.cli.options import add_command
from asc_edge.errors import UsageError
from asc_edge_train.typed import typed

if TYPE_CHECKING:
    from asc_edge_train.exporting.command import Exported

__all__ = ["add_export_command"]

# As in `variants`, `tflite_int8` and `budget`, which import what a --help needn't wait for.
_VARIANTS = "onnx,onnx-int8,tflite,tflite-int8"
_TFLITE_SCHEMES = ("mixed", "dynamic", "full")
_BUDGETS = ("dcase",)

_SUMMARY = "Export a finished run to bundles: ONNX and TFLite, in 32 bits and in 8, each measured."
_EXAMPLES = """\
  asc-edge-train export runs/home                              four bundles in runs/home/export
  asc-edge-train export runs/home --out release --jobs 2       the same elsewhere, two networks at a time
  asc-edge-train export runs/home --variants onnx,onnx-int8    without litert-torch
  asc-edge-train export runs/home --tflite-int8 full           all-integer TFLite, where the gate lets it
  asc-edge-train export runs/home --fine-tune                  train what 8 bits cost too much
  asc-edge-train export runs/home --budget dcase               refuse what is over 128 kB or 30 MMAC a second
  asc-edge-train export runs/home --json                       the measured rows as one JSON object

An 8-bit variant must keep 99 % of the answers and macro-F1 within 0.5 point on clips that its networks never
heard, or it is refused (exit code 1). Interrupted, the same command goes on where it was.
"""


def add_export_command(commands: Any, default_data: Path) -> None:
    """Add ``export`` to the parser's commands."""
    export = add_command(commands, "export", _SUMMARY, _EXAMPLES)
    export.add_argument("run_dir", type=Path, metavar="RUN", help="the folder given to run --out")
    export.add_argument(
        "--out", type=Path, metavar="DIR", help="where the bundles go (default: export in the run's folder)"
    )
    export.add_argument(
        "--variants", default=_VARIANTS, metavar="LIST", help="which, with commas (default: %(default)s)"
    )
    export.add_argument(
        "--tflite-int8",
        choices=_TFLITE_SCHEMES,
        default=_TFLITE_SCHEMES[0],
        metavar="SCHEME",
        help="mixed (integer convolutions, the rest by the range of each call), dynamic (all by the range of "
        "each call) or full (all integer) (default: %(default)s)",
    )
    export.add_argument(
        "--fine-tune",
        action="store_true",
        help="let networks that fail the gate learn to live with 8 bits, before slower schemes are tried",
    )
    export.add_argument(
        "--allow-worse", action="store_true", help="ship what fails the accuracy gate; its model card says so"
    )
    export.add_argument(
        "--budget",
        choices=_BUDGETS,
        default="",
        metavar="NAME",
        help="refuse variants that cost more: dcase is 128 kB of weights and 30 million multiply-accumulates "
        "a second (default: none)",
    )
    export.add_argument(
        "--data", type=Path, default=default_data, metavar="DIR", help="the corpora (default: %(default)s)"
    )
    export.add_argument(
        "--weights",
        type=Path,
        metavar="DIR",
        help="what was given to run --weights, where the run has frozen networks",
    )
    export.add_argument("--cache", type=Path, metavar="DIR", help="what was given to run --cache")
    export.add_argument(
        "--jobs", type=int, metavar="N", help="networks at a time (default: processors, at most 2)"
    )
    export.add_argument("--quiet", action="store_true", help="no progress")
    export.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    export.set_defaults(run=_export)


def _export(args: argparse.Namespace, argv: Sequence[str] | None) -> int:
    from asc_edge_train.exporting.command import ExportOptions, export_run
    from asc_edge_train.exporting.gate import RefusedError
    from asc_edge_train.exporting.variants import parse_variants

    variants = parse_variants(args.variants)
    if not args.data.is_dir():
        raise UsageError(f"{args.data}: no such folder; say with --data where the corpora are")
    if args.out is not None and args.out.exists() and not args.out.is_dir():
        raise UsageError(f"{args.out}: is a file; --out is the folder of the bundles")
    if args.jobs is not None and args.jobs < 1:
        raise UsageError(f"--jobs {args.jobs}: give a whole number from 1")
    exported = export_run(
        ExportOptions(
            run=args.run_dir,
            data=args.data,
            variants=variants,
            out=args.out,
            weights=args.weights,
            cache=args.cache,
            tflite_scheme=args.tflite_int8,
            jobs=args.jobs or min(2, os.cpu_count() or 1),
            fine_tune=args.fine_tune,
            allow_worse=args.allow_worse,
            budget=args.budget,
            command=typed(argv),
            quiet=args.quiet,
        )
    )
    print(json.dumps(_as_json(exported)) if args.json else "\n".join(_table(exported)))
    if exported.refused:
        raise RefusedError("; ".join(str(error) for error in exported.refused))
    return 0


def _as_json(exported: Exported) -> dict[str, Any]:
    return {
        "variants": exported.rows,
        "bundles": {name: str(path) for name, path in exported.bundles.items()},
        "page": str(exported.page),
        "refused": [str(error) for error in exported.refused],
    }


def _table(exported: Exported) -> list[str]:
    from asc_edge_train.exporting.variants import scheme_words

    lines = [
        f"{'variant':<12} {'kB':>7} {'macro-F1':>9} {'change':>7} {'accuracy':>9} {'agree':>8} {'ms':>7}"
    ]
    for row in exported.rows:
        size = "refused" if row["bytes"] is None else f"{row['bytes'] / 1000:.0f}"
        lines.append(
            f"{row['variant']:<12} {size:>7} {100 * row['macro_f1']:>7.2f} % "
            f"{100 * row['macro_f1_change']:>+7.2f} {100 * row['accuracy']:>7.2f} % "
            f"{100 * row['argmax_agreement']:>6.2f} % {row['latency_ms']:>7.2f}"
        )
    for row in exported.rows:
        worst = min(row["per_class_change"], key=row["per_class_change"].__getitem__)
        change = 100 * row["per_class_change"][worst]
        name, words = row["variant"], scheme_words(row["schemes"])
        lines.append(f"{name}: {words}; lost most: {worst} {change:+.2f} points")
        lines += [
            f"{name}: {scheme_words(step['schemes'])} gave way: {100 * step['macro_f1_change']:+.2f} points, "
            f"{100 * step['argmax_agreement']:.2f} % agree"
            for step in row["gave_way"]
        ]
    return lines + [f"wrote {path}" for path in (*exported.bundles.values(), exported.page)]
