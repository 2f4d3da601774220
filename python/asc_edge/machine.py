"""This machine, as its kernel describes it: processor, memory, heat, and whether it holds itself back."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

__all__ = ["describe", "heat", "resident_mb"]

_ROOT = Path("/")
# Bits of the firmware's word: Raspberry Pi documentation, vcgencmd, get_throttled.
_THROTTLED = {
    0: "under-voltage",
    1: "frequency capped",
    2: "throttled",
    3: "soft temperature limit",
    16: "under-voltage has occurred",
    17: "frequency capping has occurred",
    18: "throttling has occurred",
    19: "soft temperature limit has occurred",
}


def describe(root: Path = _ROOT) -> dict[str, Any]:
    """Processor, system, versions, and the instruction set that the core has chosen.

    Parameters
    ----------
    root : Path
        Where ``/proc`` and ``/sys`` lie.
    """
    from asc_edge import _core

    return {
        "processor": _processor(root),
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "numpy": _version("numpy"),
        "asc_edge": _version("asc-edge"),
        "isa": _core.isa(),
        "isas": list(_core.available_isas()),
    }


def heat(root: Path = _ROOT) -> dict[str, Any]:
    """Temperature, clock, and throttling of a Raspberry Pi's firmware; None for what the kernel doesn't tell.

    Returns
    -------
    dict
        ``temperature_c`` of the hottest thermal zone and its name as ``zone``, ``frequency_mhz`` of the
        fastest core now, ``governor``, and ``throttling``, a list of words that is empty where nothing ever
        happened.
    """
    zones = []
    for folder in sorted((root / "sys/class/thermal").glob("thermal_zone*")):
        millidegrees = _number(folder / "temp")
        if millidegrees is not None:
            zones.append((millidegrees / 1e3, _text(folder / "type") or folder.name))
    hottest = max(zones, default=(None, None), key=lambda zone: zone[0] or 0.0)
    policies = sorted((root / "sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq"))
    clocks = [kilohertz for folder in policies if (kilohertz := _number(folder / "scaling_cur_freq"))]
    return {
        "temperature_c": hottest[0],
        "zone": hottest[1],
        "frequency_mhz": max(clocks) / 1e3 if clocks else None,
        "governor": _text(policies[0] / "scaling_governor") if policies else None,
        "throttling": _throttling(root),
    }


def resident_mb(*, peak: bool = False) -> float | None:
    """Megabytes of memory that this process holds, or has held at most; None where the kernel doesn't tell.

    The peak is that of this program: ``getrusage`` would give a small child the peak of its large parent.
    """
    status = _text(Path("/proc/self/status")) or ""
    found = re.search(rf"^{'VmHWM' if peak else 'VmRSS'}:\s+(\d+) kB", status, re.MULTILINE)
    return None if found is None else int(found[1]) * 1024 / 1e6


def _throttling(root: Path) -> list[str] | None:
    text = _text(root / "sys/devices/platform/soc/soc:firmware/get_throttled")
    try:
        word = int(text or "", 16)
    except ValueError:
        return None
    return [words for bit, words in _THROTTLED.items() if word >> bit & 1]


def _processor(root: Path) -> str:
    """A board's own name where there is one (a Pi's says more than its cores' part number)."""
    board = _text(root / "proc/device-tree/model")
    if board:
        return board
    fields: dict[str, str] = {}
    for line in (_text(root / "proc/cpuinfo") or "").splitlines():
        name, _, value = line.partition(":")
        fields.setdefault(name.strip(), value.strip())
    return fields.get("Model") or fields.get("model name") or platform.processor() or platform.machine()


def _text(path: Path) -> str | None:
    try:
        text = path.read_text(encoding="utf-8", errors="replace").strip().strip("\0")
    except OSError:
        return None
    return "".join(letter for letter in text if letter.isprintable() or letter == "\n")


def _number(path: Path) -> int | None:
    text = _text(path)
    try:
        return int(text or "")
    except ValueError:
        return None


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "unknown"
