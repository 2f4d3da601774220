"""MemoryDenyWriteExecute=: whether a microphone does without memory that is written and then run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from asc_edge.service.program import Program
from asc_edge.service.unit import UnitOptions, render
from command import COMMAND, environment
from fake_microphone import CHANNELS, NAME, RATE_HZ, FakeMicrophone, what_is_missing

# prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN), which outlives exec; then proof that it holds, or the command.
_DENIED = """
import ctypes, mmap, os, sys
if ctypes.CDLL(None, use_errno=True).prctl(65, 1, 0, 0, 0) != 0:
    sys.exit(77)
try:
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
except PermissionError:
    os.execv(sys.argv[1], sys.argv[1:])
sys.exit(78)
"""
DENIED = [sys.executable, "-c", _DENIED]


def _is_denied_by_the_unit() -> bool:
    unit = render(UnitOptions(program=Program(("/usr/bin/python3",)), config=Path("/c")))
    return "\nMemoryDenyWriteExecute=yes\n" in unit


def _not_here(message: str) -> None:
    # Where the project is proven, a test that can't run has not passed.
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


# Catches: a hardening under which every network decides, and no microphone can be opened.
def test_the_unit_denies_no_memory_that_a_microphone_needs(tiny_bundle: Path) -> None:
    missing = what_is_missing()
    if missing:
        _not_here(f"no fake microphone without: apt install {' '.join(missing)}")
    with FakeMicrophone() as microphone:
        listen = ["listen", "--device", NAME, "--bundle", str(tiny_bundle), "--duration-s", "1"]
        env = environment({**microphone.env, "ASC_EDGE_CONFIG": ""})
        with subprocess.Popen(
            [*DENIED, *COMMAND, *listen], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            if process.stdout.readline():
                microphone.play(np.ones((2 * RATE_HZ, CHANNELS), dtype=np.int16))
            _, errors = process.communicate(timeout=60)
    if process.returncode == 77:
        _not_here("this kernel has no PR_SET_MDWE (Linux 6.3)")
    works = process.returncode == 0
    assert works or "write+execute memory" in errors, errors
    assert works or not _is_denied_by_the_unit()
