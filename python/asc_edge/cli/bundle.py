"""``asc-edge bundle``: what a trained system says about itself, and whether it is sound."""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from typing import TYPE_CHECKING, Any

from asc_edge.cli.options import DEFAULT_BUNDLE, add_command, open_bundle

if TYPE_CHECKING:
    from asc_edge.bundle import Bundle

_EXAMPLES = """\
  asc-edge bundle show                 the built-in one
  asc-edge bundle verify kitchen.ascb
  asc-edge bundle show --json kitchen.ascb
  asc-edge bundle show home --print ATTRIBUTION.md
"""
_SHOW = "Show labels, members, accuracy and training data of a bundle."
_VERIFY = "Check a bundle's seal, front ends and networks, and run it once."


def add_parser(commands: Any) -> None:
    parser = add_command(commands, "bundle", "Look into a bundle, or check it.", _EXAMPLES)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, summary, run in (("show", _SHOW, _show), ("verify", _VERIFY, _verify)):
        action = add_command(actions, name, summary, f"  asc-edge bundle {name} kitchen.ascb\n")
        action.add_argument(
            "file", nargs="?", default=DEFAULT_BUNDLE, metavar="FILE", help="default: %(default)s"
        )
        action.add_argument("--json", action="store_true", help="print one JSON object")
        action.set_defaults(run=run)
        if name == "show":
            action.add_argument("--print", metavar="NAME", help="print one of the files inside, as it is")


def _show(args: argparse.Namespace) -> int:
    bundle = open_bundle(args.file)
    if args.print:
        sys.stdout.buffer.write(bundle.read(args.print))
        sys.stdout.flush()
    elif args.json:
        print(json.dumps({"sha256": bundle.sha256, **bundle.manifest.raw}, indent=2))
    else:
        print("\n".join(_lines(bundle)))
    return 0


def _verify(args: argparse.Namespace) -> int:
    bundle = open_bundle(args.file)
    latency_ms = _run_once(bundle)
    if args.json:
        fields = {"sound": True, "name": bundle.name, "version": bundle.version, "sha256": bundle.sha256}
        print(json.dumps(fields))
    else:
        print(
            f"{args.file}: sound; {bundle.name} {bundle.version}, one decision took {latency_ms:.1f} ms here"
        )
    return 0


def _run_once(bundle: Bundle) -> float:
    """Load every network and decide once on noise; the time of it in milliseconds.

    Raises
    ------
    BundleError
        When the system doesn't come to a finite decision.
    EngineError
        When a network can't be run here.
    """
    import numpy as np

    from asc_edge.errors import BundleError
    from asc_edge.pipeline import Pipeline

    count = round(bundle.window_s * bundle.sample_rate_hz)
    noise = 0.1 * np.random.default_rng(0).uniform(-1.0, 1.0, (count, 1)).astype(np.float32)
    (decision,) = Pipeline(bundle, channels=1).push(noise)
    if not np.isfinite(list(decision.posterior.values())).all() or decision.top is None:
        raise BundleError(f"{bundle.path}: doesn't come to a decision on noise; ask for a newer bundle")
    return decision.latency_ms


def _lines(bundle: Bundle) -> list[str]:
    raw = bundle.manifest.raw
    accuracy, training = _table(raw.get("accuracy")), _table(raw.get("training"))
    facts: list[tuple[str, str]] = [
        ("about", str(raw.get("summary", ""))),
        ("hears", ", ".join(bundle.labels)),
        ("not heard", ", ".join(bundle.labels_not_covered)),
        ("decides", f"every {bundle.hop_s:g} s on {bundle.window_s:g} s at {bundle.sample_rate_hz} Hz"),
    ]
    for member in bundle.members:
        size = len(bundle.read(member.network))
        facts.append(("member", f"{member.name}: {member.kind}, {member.network} ({size / 1e6:.2f} MB)"))
    if "macro_f1" in accuracy:
        both = f"macro-F1 {_percent(accuracy['macro_f1'])} %, accuracy {_percent(accuracy.get('accuracy'))} %"
        scores = [f"{name} {_percent(f1)}" for name, f1 in _table(accuracy.get("per_class_f1")).items()]
        facts += [("accuracy", both), ("F1 %", ", ".join(scores))]
        facts.append(("measured", str(accuracy.get("protocol", ""))))
        facts += [("but", str(caveat)) for caveat in accuracy.get("caveats", [])]
    corpora = [f"{count} {name}" for name, count in _table(training.get("clips_by_corpus")).items()]
    licences = [f"{count} {name}" for name, count in _table(training.get("licences")).items()]
    facts += [("clips", ", ".join(corpora)), ("licences", ", ".join(licences))]
    facts.append(("files", ", ".join(bundle.file_names)))
    facts.append(("sha256", bundle.sha256))
    lines = [f"{bundle.name} {bundle.version}"]
    for key, text in facts:
        if text:
            lines += textwrap.wrap(
                text,
                width=100,
                initial_indent=f"  {key:<11}",
                subsequent_indent=" " * 13,
                break_long_words=False,
            )
    return lines


def _table(value: object) -> dict[str, Any]:
    """What people wrote into the manifest may have any form; only the expected one is shown."""
    return value if isinstance(value, dict) else {}


def _percent(value: object) -> str:
    return f"{100 * value:.1f}" if isinstance(value, int | float) else "?"
