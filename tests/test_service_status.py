"""What ``asc-edge service status`` makes of what systemd knows."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from asc_edge.service.status import is_running, properties, status_lines
from command import asc_edge, assert_one_line_error

SHOWN = (
    "LoadState=loaded\nActiveState=active\nSubState=running\nResult=success\nUnitFileState=enabled\n"
    "StatusText=cooking since 18:05\nNRestarts=2\nActiveEnterTimestampMonotonic=1000000000\n"
    "WatchdogTimestampMonotonic=8197000000\nWatchdogUSec=1min 30s\nMemoryCurrent=104857600\n"
    "CPUUsageNSec=61000000000\nExecMainStatus=0\n"
)


def _found(shown: str) -> dict[str, str]:
    return properties(lambda command: subprocess.CompletedProcess(command, 0, shown, ""))


def test_a_running_service() -> None:
    """Catches microseconds shown as seconds, and a heartbeat of another clock."""
    found = _found(SHOWN)
    assert is_running(found)
    assert status_lines(found, lambda: 8200.0) == [
        "state      active for 2 h, enabled",
        "doing      cooking since 18:05",
        "heartbeat  3 s ago, at least every 90 s",
        "restarts   2; journalctl -u asc-edge tells why",
        "takes      105 MB, 61 s of the processor",
    ]


def test_a_failed_one() -> None:
    shown = (
        "LoadState=loaded\nActiveState=failed\nSubState=failed\nResult=exit-code\nUnitFileState=disabled\n"
        "NRestarts=0\nMemoryCurrent=[not set]\nCPUUsageNSec=18446744073709551615\nExecMainStatus=2\n"
    )
    assert status_lines(_found(shown), lambda: 1.0) == [
        "state      failed (failed), disabled (won't start at boot)",
        "result     exit-code, exit code 2; journalctl -u asc-edge tells why",
    ]


def test_none() -> None:
    assert status_lines(_found("LoadState=not-found\nActiveState=inactive\n")) == [
        "not installed; asc-edge service install does it"
    ]


def test_a_system_without_systemd(tmp_path: Path) -> None:
    """Catches a traceback where there is no systemd, or it doesn't answer."""
    assert_one_line_error(asc_edge("service", "status", env={"PATH": str(tmp_path)}), 1, "needs systemd")
    (tmp_path / "systemctl").write_text("#!/bin/sh\necho no bus >&2\nexit 1\n")
    (tmp_path / "systemctl").chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    assert_one_line_error(asc_edge("service", "status", env={"PATH": path}), 1, "doesn't answer: no bus")
