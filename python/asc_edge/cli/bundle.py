"""``asc-edge bundle``: what a trained system says about itself, and whether it is sound."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
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
    from asc_edge.model_card import card_lines, fact_lines, printable

    raw = bundle.manifest.raw
    facts: list[tuple[str, str]] = [
        ("about", printable(raw.get("summary"))),
        ("hears", ", ".join(bundle.labels)),
        ("not heard", ", ".join(bundle.labels_not_covered)),
        ("decides", f"every {bundle.hop_s:g} s on {bundle.window_s:g} s at {bundle.sample_rate_hz} Hz"),
    ]
    for member in bundle.members:
        size = len(bundle.read(member.network))
        form = "" if member.precision == "float32" else f", {member.precision}"
        facts.append(
            ("member", f"{member.name}: {member.kind}, {member.network} ({size / 1e6:.2f} MB{form})")
        )
    taught = raw.get("taught")
    card = card_lines(raw.get("card"), taught)
    if not card:
        facts += _facts_without_card(raw)
    facts.append(("files", ", ".join(bundle.file_names)))
    facts.append(("sha256", bundle.sha256))
    return [f"{bundle.name} {bundle.version}", *fact_lines(facts), *card]


def _facts_without_card(raw: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Accuracy and training data as bundles told them before they had a card."""
    from asc_edge.model_card import percent, printable, table_of

    accuracy, training = table_of(raw.get("accuracy")), table_of(raw.get("training"))
    facts: list[tuple[str, str]] = []
    if "macro_f1" in accuracy:
        macro_f1, share = (percent(accuracy.get(name)) or "?" for name in ("macro_f1", "accuracy"))
        both = f"macro-F1 {macro_f1} %, accuracy {share} %"
        scores = [
            f"{name} {percent(f1) or '?'}" for name, f1 in table_of(accuracy.get("per_class_f1")).items()
        ]
        facts += [("accuracy", both), ("F1 %", ", ".join(scores))]
        facts.append(("measured", printable(accuracy.get("protocol"))))
        caveats = accuracy.get("caveats")
        facts += [("but", printable(caveat)) for caveat in (caveats if isinstance(caveats, list) else [])]
    for key, counted in (("clips", "clips_by_corpus"), ("licences", "licences")):
        counts = table_of(training.get(counted)).items()
        facts.append((key, ", ".join(f"{printable(count)} {name}" for name, count in counts)))
    return facts
