"""What was measured on: processor, compiler, libraries and threads, for the head of every table."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import threadpoolctl

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)
LIBRARIES = (
    "asc-edge",
    "numpy",
    "scipy",
    "librosa",
    "kaldi-native-fbank",
    "essentia",
    "torch",
    "pytest-benchmark",
)
# Flags of the processor that decide which code the libraries choose.
SIMD_FLAGS = ("sse2", "sse4_2", "avx", "fma", "avx2", "avx512f", "avx512vl", "avx512dq", "asimd")


def pin() -> None:
    """Keep this process and its children on one core with one thread; call before numpy is imported."""
    for name in THREAD_VARIABLES:
        os.environ[name] = "1"
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def threads() -> dict[str, int]:
    """Threads of every pool that has been loaded, by name; each must be 1.

    Raises
    ------
    AssertionError
        When one has more: what it gave would be no figure for one thread.
    """
    threadpoolctl.threadpool_limits(1)
    counts = {info["internal_api"]: info["num_threads"] for info in threadpoolctl.threadpool_info()}
    try:
        torch = importlib.import_module("torch")
    except ImportError:
        pass
    else:
        torch.set_num_threads(1)
        counts["torch"] = torch.get_num_threads()
    if hasattr(os, "sched_getaffinity"):
        counts["cores of this process"] = len(os.sched_getaffinity(0))
    assert set(counts.values()) == {1}, f"not one thread everywhere: {counts}"
    return counts


def compiler_version(command: str = "g++") -> str:
    """First line of the compiler's version, or that there is none."""
    try:
        result = subprocess.run([command, "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "none"
    return result.stdout.splitlines()[0]


def _processor() -> dict[str, Any]:
    fields: dict[str, str] = {}
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            fields.setdefault(name.strip(), value.strip())
    except OSError:
        pass
    flags = set(fields.get("flags", fields.get("Features", "")).split())
    return {
        "model": fields.get("model name", platform.processor() or platform.machine()),
        "family_model_stepping": "/".join(
            fields.get(name, "?") for name in ("cpu family", "model", "stepping")
        ),
        "cores": os.cpu_count(),
        "virtual": "hypervisor" in flags,
        "simd": [flag for flag in SIMD_FLAGS if flag in flags],
        "caches": _caches(),
    }


def _caches() -> list[str]:
    found = []
    for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        try:
            level, kind, size = ((index / name).read_text().strip() for name in ("level", "type", "size"))
        except OSError:
            continue
        found.append(f"L{level} {kind.lower()} {size}")
    return found


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def describe() -> dict[str, Any]:
    """Everything that a reader needs to judge the figures, or to repeat them."""
    from asc_edge import _core

    from . import fftw

    return {
        "processor": _processor(),
        "system": f"{platform.system()} {platform.release()}, {' '.join(platform.libc_ver())}",
        "python": platform.python_version(),
        "compiler": compiler_version(),
        "libraries": {name: _version(name) for name in LIBRARIES},
        "fftw": fftw.versions(),
        "asc_edge_isa": _core.isa() if hasattr(_core, "isa") else "one build for all",
        "threads": threads(),
        "load_average": [round(load, 2) for load in os.getloadavg()],
    }
