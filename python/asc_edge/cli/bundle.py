"""``asc-edge bundle``: what a trained system says about itself, and whether it is sound."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from asc_edge.cli.options import DEFAULT_BUNDLE, add_command, open_bundle

if TYPE_CHECKING:
    from asc_edge.bundle import Bundle

_EXAMPLES = """\
  asc-edge bundle show                 the built-in one
  asc-edge bundle verify kitchen.ascb
  asc-edge bundle show --json kitchen.ascb
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


def _show(args: argparse.Namespace) -> int:
    bundle = open_bundle(args.file)
    if args.json:
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
    lines = [
        f"{bundle.name} {bundle.version}",
        f"  sha256     {bundle.sha256}",
        f"  labels     {', '.join(bundle.labels)}",
    ]
    if bundle.labels_not_covered:
        lines.append(f"  not heard  {', '.join(bundle.labels_not_covered)}")
    lines.append(
        f"  decides    every {bundle.hop_s:g} s on {bundle.window_s:g} s at {bundle.sample_rate_hz} Hz"
    )
    for member in bundle.members:
        size = len(bundle.read(member.network))
        lines.append(f"  member     {member.name}: {member.kind}, {member.network} ({size / 1e6:.2f} MB)")
    for key in ("accuracy", "training"):
        lines += [f"  {key:10} {text}" for text in _flat(bundle.manifest.raw.get(key))]
    return lines


def _flat(value: object, prefix: str = "") -> list[str]:
    """Nested facts as lines of ``name.name: value``."""
    if isinstance(value, dict):
        return [line for key, inner in value.items() for line in _flat(inner, f"{prefix}.{key}".lstrip("."))]
    if value is None:
        return []
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return [f"{prefix}: {text}" if prefix else text]
