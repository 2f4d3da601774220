"""Lays what two machines computed beside each other, and fails where they differ.

    compare.py HOST.npz DEVICE.npz [--machine aarch64]

The files are those that `measure.py run` writes. Needs numpy only.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Answers = dict[str, NDArray[np.generic]]

FRAMES_TOLERANCE_DB = 1e-4
# Largest difference that is let through, and its unit.
TOLERANCES = {
    "frames": (FRAMES_TOLERANCE_DB, " dB"),
    # Natural logarithms, where 1e-4 dB are 2.3e-5.
    "cells": (2e-5, ""),
    # Inference engines sum in another order on other machines; a posterior is shown with two digits.
    "posterior": (1e-5, ""),
    # Of bundles that were asked for: float networks of any engine, and networks in 8 bits, where a sum that
    # falls on the other side of a half moves a value by a whole step.
    "float": (1e-4, ""),
    "int8": (0.02, ""),
}
# Kinds of answers that are only there when other bundles than the built-in one were asked for.
OPTIONAL = ("float", "int8")


@dataclass
class Comparison:
    """What was found: lines to show, and faults, each of which fails the comparison."""

    lines: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def check(self, holds: bool, fault: str) -> None:
        if not holds:
            self.faults.append(fault)


def compare(host: Answers, device: Answers, machine: str | None = None) -> Comparison:
    """Compare the answers of two machines.

    Parameters
    ----------
    host, device : dict of str to np.ndarray
        What `measure.py run` wrote: ``frames/*`` in dB, ``cells/*`` of other front ends, ``golden/*`` the
        bundle's frames, ``posterior/*``, ``float/*`` and ``int8/*`` (posteriors of further bundles),
        ``words/*`` (labels and states), ``same/*`` (other ways gave the same bits), ``facts`` (JSON).
    machine : str, optional
        What the device must be, so that nothing is compared with itself by mistake.

    Returns
    -------
    Comparison
    """
    found = Comparison()
    facts = [json.loads(str(answers["facts"])) for answers in (host, device)]
    for name in facts[0]:
        found.lines.append(f"{name:<16}{facts[0][name]:<30}{facts[1].get(name)}")
    if machine is not None:
        found.check(facts[1]["machine"] == machine, f"the device is a {facts[1]['machine']}, not a {machine}")
    for name in ("asc-edge", "bundle", "bundles"):
        mine, theirs = facts[0].get(name), facts[1].get(name)
        found.check(mine == theirs, f"{name} {mine} and {theirs} differ")
    # Each machine has its own instruction sets, held against its own frames.
    odd = {name for name in host.keys() ^ device.keys() if not name.startswith("same/")}
    found.check(not odd, f"only one side has {sorted(odd)}")
    shared = sorted(host.keys() & device.keys())
    for name in shared:
        found.check(host[name].shape == device[name].shape, f"{name} differs in its shape")
    alike = [name for name in shared if host[name].shape == device[name].shape]
    for kind, of_kind in (
        ("frames", _compare_numbers),
        ("cells", _compare_numbers),
        ("golden", _compare_golden),
        ("posterior", _compare_numbers),
        ("float", _compare_numbers),
        ("int8", _compare_numbers),
        ("words", _compare_words),
    ):
        names = [name for name in alike if name.startswith(f"{kind}/")]
        found.check(bool(names) or kind in OPTIONAL, f"there are no {kind} to compare")
        of_kind(found, host, device, names)
    for side, answers in (("host", host), ("device", device)):
        names = [name for name in answers if name.startswith("same/")]
        found.check(bool(names), f"{side}: chunks, channels and instruction sets were not compared")
        for name in names:
            found.check(bool(answers[name]), f"{side}: {name}: gives other bits")
        ways = sorted({name.split("/")[1] for name in names})
        found.lines.append(f"{side}: {len(names)} more ways to the same frames compared ({', '.join(ways)})")
    return found


def difference(a: NDArray[np.generic], b: NDArray[np.generic]) -> float:
    """Largest absolute difference of two arrays of one shape; NaN where there is a NaN in either."""
    return float(np.max(np.abs(a.astype(np.float64) - b.astype(np.float64)), initial=0.0))


def _compare_numbers(found: Comparison, host: Answers, device: Answers, names: list[str]) -> None:
    for name in names:
        worst = difference(host[name], device[name])
        tolerance, unit = TOLERANCES[name.split("/")[0]]
        if np.array_equal(host[name], device[name]):
            verdict = "bit-identical"
        else:
            share = float(np.mean(host[name] == device[name]))
            verdict = f"at most {worst:.3g}{unit} apart, {100 * share:.2f} % bit-identical"
        found.lines.append(f"{name:<34}{'x'.join(map(str, host[name].shape)):<14}{verdict}")
        # Written so that NaN fails.
        found.check(worst <= tolerance, f"{name} differs by {worst:.3g}{unit}, more than {tolerance:g}{unit}")


def _compare_golden(found: Comparison, host: Answers, device: Answers, names: list[str]) -> None:
    for name in names:
        for side, answers in (("host", host), ("device", device)):
            worst = difference(answers[name], answers[f"frames/{name}"])
            found.lines.append(f"{name} on the {side}: {worst:.3g} dB from the bundle's")
            found.check(
                worst <= FRAMES_TOLERANCE_DB, f"{side}: {name} lies {worst:.3g} dB from the bundle's frames"
            )


def _compare_words(found: Comparison, host: Answers, device: Answers, names: list[str]) -> None:
    for name in names:
        differing = np.flatnonzero(host[name] != device[name])
        kinds = ", ".join(sorted(set(host[name].tolist())))
        found.lines.append(f"{name:<34}{len(host[name]):<14}{len(differing)} differ ({kinds})")
        if len(differing):
            first = differing[0]
            here, there = str(host[name][first]), str(device[name][first])
            found.faults.append(f"{name}: decision {first + 1} is {here!r} here, {there!r} there")


def load(path: Path) -> Answers:
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare what two machines computed.")
    parser.add_argument("host", type=Path)
    parser.add_argument("device", type=Path)
    parser.add_argument("--machine", help="what the device must be, such as aarch64")
    args = parser.parse_args()
    try:
        found = compare(load(args.host), load(args.device), args.machine)
    except (OSError, ValueError, KeyError) as error:
        print(f"compare: error: no answers to compare: {error}", file=sys.stderr)
        return 1
    print("\n".join(found.lines))
    for fault in found.faults:
        print(f"compare: error: {fault}", file=sys.stderr)
    return 1 if found.faults else 0


if __name__ == "__main__":
    sys.exit(main())
