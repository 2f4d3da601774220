"""The machine's practical peak: float32 operations a second of one core when nothing is in the way.

Two peaks for each instruction set. "fused": fused multiply-adds, with additions beside them where that is
faster; the most that any code can reach. "separate": multiplications and additions in equal number but
never fused; the most that code can reach whose results must not depend on fusing, as this project's.
"""

from __future__ import annotations

import ctypes
import platform
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

SOURCE = Path(__file__).with_name("peak.cpp")
BUILD = Path(__file__).resolve().parents[1] / "build" / "benchmarks"
COMPILER = "g++"
STEPS = 20_000

# Lanes and compiler flags of each instruction set; the order is that of their age.
FLAGS = {
    "x86_64": {
        "sse2": (4, ("-msse2",)),
        "avx2": (8, ("-mavx2", "-mfma")),
        "avx512": (16, ("-mavx512f", "-mavx512vl", "-mavx512dq", "-mprefer-vector-width=512")),
    },
    "aarch64": {"neon": (4, ())},
}
FUSED = {"avx2", "avx512", "neon"}


@dataclass(frozen=True)
class Chain:
    """One kind of operation on one instruction set; ``run()`` does `flops` operations."""

    isa: str
    kind: str
    run: Callable[[], object]
    flops: float


def chains(isas: list[str]) -> list[Chain]:
    """All chains of those of `isas` that this machine's compiler knows; none without a compiler."""
    known = FLAGS.get(platform.machine(), {})
    found = []
    for isa in isas:
        if isa not in known:
            continue
        library = _build(isa, *known[isa])
        if library is None:
            continue
        for kind in ("mul_add", "fma", "fma_and_add") if isa in FUSED else ("mul_add",):
            run = getattr(library, f"run_{kind}")
            run.argtypes, run.restype = [ctypes.c_long, ctypes.c_float, ctypes.c_float], ctypes.c_float
            count = getattr(library, f"flops_per_step_{kind}")
            count.restype = ctypes.c_double
            found.append(Chain(isa, kind, partial(run, STEPS, 1.0, 0.0), count() * STEPS))
    return found


def _build(isa: str, lanes: int, flags: tuple[str, ...]) -> ctypes.CDLL | None:
    BUILD.mkdir(parents=True, exist_ok=True)
    target = BUILD / f"peak-{isa}.so"
    command = [COMPILER, "-O3", "-fPIC", "-shared", "-ffp-contract=fast", f"-DLANES={lanes}", *flags]
    try:
        subprocess.run([*command, str(SOURCE), "-o", str(target)], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return ctypes.CDLL(str(target))


def host_isas() -> list[str]:
    """Instruction sets of this machine that have lanes here, oldest first."""
    if platform.machine() == "aarch64":
        return ["neon"]
    flags: set[str] = set()
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("flags"):
            flags = set(line.split(":", 1)[1].split())
            break
    needed = {"sse2": {"sse2"}, "avx2": {"avx2", "fma"}, "avx512": {"avx512f", "avx512vl", "avx512dq"}}
    return [isa for isa, names in needed.items() if names <= flags]
