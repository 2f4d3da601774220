"""How listening ends: by a signal, or because nobody reads any more."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pytest

from command import COMMAND, environment


def _listen(tiny_bundle: Path, *args: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
    command = [*COMMAND, "listen", *args, "--bundle", str(tiny_bundle), "--format", "jsonl"]
    return subprocess.Popen(
        command, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_the_last_line(number: signal.Signals, tiny_bundle: Path) -> None:
    """Catches KeyboardInterrupt's traceback, and a service that systemd calls failed after every stop."""
    with _listen(tiny_bundle, "--demo") as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(2)]
        process.send_signal(number)
        rest, errors = process.communicate(timeout=20)
    assert [json.loads(line)["type"] for line in lines] == ["start", "decision"]
    assert json.loads(rest.splitlines()[-1])["type"] == "stats"
    assert (process.returncode, errors) == (0, "")


def test_a_signal_ends_the_wait_for_a_pipe_that_is_silent(tiny_bundle: Path) -> None:
    """Catches a stop that has to wait for the next block."""
    with _listen(tiny_bundle, "--input", "-", "--raw", "16000,1", stdin=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["type"] == "start"
        process.send_signal(signal.SIGTERM)
        process.wait(20)
        assert json.loads(process.stdout.readlines()[-1])["duration_s"] == 0.0
        assert process.returncode == 0


@pytest.mark.parametrize("form", ["jsonl", "text"])
def test_a_reader_that_has_seen_enough_ends_it_quietly(form: str, tiny_bundle: Path) -> None:
    """Catches the BrokenPipeError of `asc-edge listen | head`, also the one at the interpreter's exit."""
    command = [*COMMAND, "listen", "--demo", "--speed", "max", "--bundle", str(tiny_bundle), "--format", form]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        errors = process.stderr.read()
        process.wait(30)
    assert (process.returncode, errors) == (0, "")
