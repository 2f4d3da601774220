"""Runs asc-edge as its users do: as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

COMMAND = [sys.executable, "-m", "asc_edge.cli"]


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment, without what changes how asc-edge speaks."""
    env = {
        key: value
        for key, value in os.environ.items()
        if key not in ("ASC_EDGE_DEBUG", "NO_COLOR", "FORCE_COLOR")
    }
    # Nor a developer's own configuration.
    return {**env, "ASC_EDGE_CONFIG": "", **(extra or {})}


def asc_edge(
    *args: str | Path, stdin: bytes | None = None, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; standard input is empty unless given."""
    done = subprocess.run(
        [*COMMAND, *map(str, args)],
        input=stdin or b"",
        env=environment(env),
        capture_output=True,
        check=False,
        timeout=120,
    )
    return subprocess.CompletedProcess(args, done.returncode, done.stdout.decode(), done.stderr.decode())


def json_lines(text: str, kind: str | None = None) -> list[dict[str, Any]]:
    """The JSON objects of an output, all or those of one type."""
    objects = [json.loads(line) for line in text.splitlines()]
    return [one for one in objects if kind in (None, one["type"])]


def assert_one_line_error(done: subprocess.CompletedProcess[str], code: int, words: str) -> None:
    """It ended with this exit code, and one line on standard error that holds these words."""
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("asc-edge: error: "), done.stderr
    assert words in lines[0], done.stderr
    assert done.returncode == code, done.stderr
