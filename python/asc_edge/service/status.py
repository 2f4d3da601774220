"""How the service is, in a few lines, from what systemd knows of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from asc_edge.errors import ServiceError
from asc_edge.service.install import Run, run_command
from asc_edge.service.unit import UNIT
from asc_edge.text import rough_span

__all__ = ["is_running", "properties", "status_lines"]

_PROPERTIES = (
    *(
        "LoadState",
        "ActiveState",
        "SubState",
        "Result",
        "UnitFileState",
        "StatusText",
        "MainPID",
        "NRestarts",
    ),
    *("ActiveEnterTimestampMonotonic", "WatchdogTimestampMonotonic", "WatchdogUSec", "MemoryCurrent"),
    *("CPUUsageNSec", "ExecMainStatus"),
)
_NOT_SET = ("", "[not set]", "18446744073709551615")


def properties(run: Run = run_command) -> dict[str, str]:
    """What ``systemctl show`` tells.

    Raises
    ------
    ServiceError
        Where systemd doesn't answer.
    """
    done = run(["systemctl", "show", UNIT, "--property", ",".join(_PROPERTIES)])
    if done.returncode != 0:
        raise ServiceError(f"systemd doesn't answer: {' '.join(done.stderr.split())}")
    pairs = (line.partition("=") for line in done.stdout.splitlines())
    return {key: value for key, _, value in pairs if value not in _NOT_SET}


def is_running(found: Mapping[str, str]) -> bool:
    """Whether it listens."""
    return found.get("ActiveState") == "active"


def status_lines(found: Mapping[str, str], clock: Callable[[], float] = time.monotonic) -> list[str]:
    """The state, what it does, when it last gave a sign of life, and what it takes.

    Parameters
    ----------
    found : mapping of str to str
        What :func:`properties` gave.
    clock : callable
        Monotonic seconds since the boot, as systemd counts them.
    """
    if found.get("LoadState") == "not-found":
        return ["not installed; asc-edge service install does it"]
    active = found.get("ActiveState", "unknown")
    state = active if active == "active" else f"{active} ({found.get('SubState', '?')})"
    began_s = _seconds(found, "ActiveEnterTimestampMonotonic")
    if is_running(found) and began_s:
        state += f" for {rough_span(clock() - began_s)}"
    enabled = found.get("UnitFileState", "unknown")
    lines = [f"state      {state}, {enabled}" + ("" if enabled == "enabled" else " (won't start at boot)")]
    if found.get("StatusText"):
        lines.append(f"doing      {found['StatusText']}")
    beat_s = _seconds(found, "WatchdogTimestampMonotonic")
    if is_running(found):
        every_s = _seconds(found, "WatchdogUSec")
        allowed = f", at least every {every_s:g} s" if every_s else ""
        lines.append(
            f"heartbeat  {rough_span(clock() - beat_s)} ago{allowed}" if beat_s else "heartbeat  none yet"
        )
    restarts = int(found.get("NRestarts", "0"))
    if restarts:
        lines.append(f"restarts   {restarts}; journalctl -u asc-edge tells why")
    if found.get("Result", "success") != "success":
        code = found.get("ExecMainStatus", "0")
        lines.append(f"result     {found['Result']}, exit code {code}; journalctl -u asc-edge tells why")
    used = []
    if "MemoryCurrent" in found:
        used.append(f"{int(found['MemoryCurrent']) / 1e6:.0f} MB")
    if "CPUUsageNSec" in found:
        used.append(f"{int(found['CPUUsageNSec']) / 1e9:.0f} s of the processor")
    return [*lines, f"takes      {', '.join(used)}"] if used and is_running(found) else lines


def _seconds(found: Mapping[str, str], key: str) -> float:
    """Microseconds, or a span like ``1min 30s``, which systemctl makes of some of them."""
    text = found.get(key, "0")
    if text.isdecimal():
        return int(text) / 1e6
    units = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}
    total = 0.0
    for part in text.split():
        number = part.rstrip("abcdefghijklmnopqrstuvwxyz")
        total += float(number or 0) * units.get(part[len(number) :], 0.0)
    return total
