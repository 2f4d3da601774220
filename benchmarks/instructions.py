"""Instructions of one push, counted by callgrind: the same on every run, whatever else the machine does.

``make instructions`` compares with the figures in ``docs/performance.json`` and fails when one rose by more
than 2 %, if the compiler is the one that those were made with; another compiler's counts say nothing about
a change of ours.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from .machine import compiler_version
from .presets import CHANNELS, PRESETS, Preset

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "benchmarks"
COMMITTED = ROOT / "docs" / "performance.json"
HOPS = 4
MAY_RISE = 0.02
# Valgrind translates no AVX-512 yet.
COUNTABLE = ("sse2", "avx2", "neon")


class CannotCountError(Exception):
    """Something that counting needs is not there."""


def build() -> Path:
    """Build the driver and return its path.

    Raises
    ------
    CannotCountError
        When CMake or a compiler is missing, or the build fails.
    """
    cmake = shutil.which(
        "cmake", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    )
    if cmake is None:
        raise CannotCountError("cmake is not installed")
    configure = [cmake, "-S", str(ROOT), "-B", str(BUILD), "-DCMAKE_BUILD_TYPE=Release"]
    options = ["-DASC_EDGE_PYTHON=OFF", "-DASC_EDGE_TESTS=OFF", "-DASC_EDGE_BENCHMARKS=ON"]
    for command in ([*configure, *options], [cmake, "--build", str(BUILD), "--parallel"]):
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode:
            raise CannotCountError(f"{' '.join(command[:2])} failed: {result.stderr.strip()[-400:]}")
    return next(BUILD.rglob("hop_instructions"))


def instruction_sets() -> list[str]:
    """Those of asc-edge that valgrind can run; "" where the core has one build for all."""
    from asc_edge import _core

    if not hasattr(_core, "available_isas"):
        return [""]
    return [isa for isa in _core.available_isas() if isa in COUNTABLE]


def count(driver: Path, preset: Preset, channels: int, isa: str) -> int:
    """Instructions of one push of one hop that completes one frame a channel.

    Raises
    ------
    CannotCountError
        When valgrind is missing or can't run the driver.
    """
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise CannotCountError("valgrind is not installed")
    arguments = [str(preset.window), str(preset.hop), preset.mel_scale, str(channels), str(HOPS)]
    result = subprocess.run(
        [
            valgrind,
            "--tool=callgrind",
            "--callgrind-out-file=/dev/null",
            "--collect-atstart=no",
            "--toggle-collect=push_hop",
            str(driver),
            *arguments,
        ],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **({"ASC_EDGE_ISA": isa} if isa else {})},
    )
    found = re.search(r"Collected : (\d+)", result.stderr)
    if result.returncode or found is None or not int(found[1]):
        raise CannotCountError(f"valgrind could not run {driver.name}: {result.stderr.strip()[-400:]}")
    return round(int(found[1]) / HOPS)


def measure() -> dict[str, Any]:
    """All counts, with the compiler that they belong to."""
    driver = build()
    counts = [
        {
            "preset": preset.name,
            "channels": channels,
            "isa": isa or "one build for all",
            "instructions_per_hop": count(driver, preset, channels, isa),
        }
        for isa in instruction_sets()
        for preset in PRESETS.values()
        for channels in CHANNELS
    ]
    return {"compiler": compiler_version(), "counts": counts}


def committed() -> dict[str, Any] | None:
    """The counts in ``docs/performance.json``, or None where there are none."""
    if not COMMITTED.exists():
        return None
    found = json.loads(COMMITTED.read_text(encoding="utf-8")).get("instructions", {})
    return found if "counts" in found else None


KEY = ("preset", "channels", "isa")


def compared(before: dict[str, Any], measured: dict[str, Any]) -> int:
    """How many counts have one to be compared with."""
    old = {tuple(row[k] for k in KEY) for row in before["counts"]}
    return sum(tuple(row[k] for k in KEY) in old for row in measured["counts"])


def risen(before: dict[str, Any], measured: dict[str, Any]) -> list[str]:
    """One line for each count that rose by more than is allowed."""
    old = {tuple(row[k] for k in KEY): row["instructions_per_hop"] for row in before["counts"]}
    lines = []
    for row in measured["counts"]:
        name = tuple(row[k] for k in KEY)
        if name in old and row["instructions_per_hop"] > old[name] * (1 + MAY_RISE):
            rise = row["instructions_per_hop"] / old[name] - 1
            lines.append(
                f"{row['isa']}, {row['preset']} s, {row['channels']} channels: {old[name]} instructions a "
                f"hop became {row['instructions_per_hop']}, {rise:+.1%}"
            )
    return lines


def main() -> int:
    """Count, compare, and say what rose."""
    try:
        measured = measure()
    except CannotCountError as error:
        print(f"instructions: error: {error}", file=sys.stderr)
        return 1
    for row in measured["counts"]:
        case = f"{row['isa']:18} {row['preset']:12} {row['channels']:2} channels"
        print(f"{case} {row['instructions_per_hop']:9} a hop")
    before = committed()
    if before is None:
        print(f"instructions: {COMMITTED.relative_to(ROOT)} holds none to compare with")
        return 0
    if before["compiler"] != measured["compiler"]:
        print(f"instructions: not compared: counted with {before['compiler']}, not {measured['compiler']}")
        return 0
    lines = risen(before, measured)
    for line in lines:
        print(f"instructions: error: {line}", file=sys.stderr)
    if not lines:
        count_of = f"{compared(before, measured)} of {len(measured['counts'])}"
        print(f"instructions: {count_of} compared, none rose by more than {MAY_RISE:.0%}")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
