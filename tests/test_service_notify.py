"""Signs of life to the service manager: what is sent, when, and that nobody who hangs sends any."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from asc_edge.events import Event
from asc_edge.pipeline import Decision
from asc_edge.sinks import Notice, Session, Stats
from asc_edge.sinks.heartbeat import HeartbeatSink, HeartbeatSource
from asc_edge.systemd import Notifier
from command import COMMAND, environment

WATCHDOG = {"WATCHDOG_USEC": "4000000"}


class Manager:
    """Hears what is sent to a notify socket."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self.socket.setblocking(False)

    def heard(self) -> list[str]:
        """What has come since the last time."""
        messages = []
        while True:
            try:
                messages.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return messages

    def wait_for(self, message: str, timeout_s: float = 30.0) -> list[str]:
        """All messages up to one that begins like this."""
        messages: list[str] = []
        end_s = time.monotonic() + timeout_s
        while not any(one.startswith(message) for one in messages):
            assert time.monotonic() < end_s, messages
            messages += self.heard()
            time.sleep(0.01)
        return messages


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    address = str(tmp_path / "n") if request.param == "path" else f"@asc-edge-test-{os.getpid()}"
    manager = Manager(address)
    yield manager
    manager.socket.close()


# Catches: an abstract name taken for a path, messages twice, signs of life at every block.
def test_what_is_sent(manager: Manager) -> None:
    now_s = [100.0]
    notifier = Notifier({"NOTIFY_SOCKET": manager.address, **WATCHDOG}, lambda: now_s[0])
    assert notifier.is_wanted
    notifier.ready()
    notifier.ready()
    notifier.status("cooking\nsince\x0018:05")
    notifier.status("cooking since\x0018:05")
    assert manager.heard()[0] == "READY=1"
    for _ in range(100):
        notifier.alive()
        now_s[0] += 0.1
    # Ten seconds, and four signs in the four of the watchdog.
    assert manager.heard() == ["WATCHDOG=1"] * 10
    notifier.stopping()
    assert manager.heard() == ["STOPPING=1"]


# Catches: a STATUS of two lines, of which the second would be another message (READY=1, say).
def test_a_status_is_one_line(manager: Manager) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": manager.address})
    notifier.status("a\nREADY=1\r b")
    notifier.status("a READY=1 b")
    assert manager.heard() == ["STATUS=a READY=1 b"]


@pytest.mark.parametrize(
    "environ", [{}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "x"}, {**WATCHDOG, "WATCHDOG_PID": "1"}]
)
def test_no_watchdog_no_signs(environ: dict[str, str], tmp_path: Path) -> None:
    """Catches a child that answers for its parent."""
    manager = Manager(str(tmp_path / "n"))
    Notifier({"NOTIFY_SOCKET": manager.address, **environ}).alive()
    assert manager.heard() == []
    manager.socket.close()


def test_a_manager_that_is_gone_or_full_stops_nobody(tmp_path: Path) -> None:
    """Catches a listener that dies, or waits, because systemd is being replaced."""
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "none")}).ready()
    manager = Manager(str(tmp_path / "n"))
    notifier = Notifier({"NOTIFY_SOCKET": manager.address})
    started_s = time.monotonic()
    for number in range(2000):
        notifier.status(str(number))
    assert time.monotonic() - started_s < 5.0
    manager.socket.close()


class Script:
    """A source of three blocks."""

    name, description = "s", {"kind": "script"}
    channels, sample_rate_hz, live = 1, 16000, True
    lost_frames = overruns = waiting_frames = 0
    on_notice = None

    def blocks(self) -> Iterator[np.ndarray]:
        for _ in range(3):
            yield np.zeros((1600, 1), dtype=np.int16)

    def close(self) -> None:
        pass


# Catches: signs of life from anywhere but the loop that hears. A loop that hangs gives none.
def test_only_the_loop_itself_is_alive(tmp_path: Path) -> None:
    manager = Manager(str(tmp_path / "n"))
    now_s = [0.0]
    notifier = Notifier({"NOTIFY_SOCKET": manager.address, **WATCHDOG}, lambda: now_s[0])
    source = HeartbeatSource(Script(), notifier)
    blocks = source.blocks()
    assert manager.heard() == []
    next(blocks)
    assert manager.heard() == ["READY=1", "WATCHDOG=1"]
    # The loop deals with that block, for ever: time goes on, and nothing is sent.
    now_s[0] += 1000.0
    time.sleep(0.3)
    assert manager.heard() == []
    next(blocks)
    assert manager.heard() == ["WATCHDOG=1"]
    manager.socket.close()


def test_the_source_is_still_the_source() -> None:
    """Catches a monitor's ear that ends up on the wrapper, where no notice ever comes."""
    inner = Script()
    source = HeartbeatSource(inner, Notifier({}))
    source.on_notice = print
    assert inner.on_notice is print
    assert source.on_notice is print
    assert (source.name, source.channels, source.live) == ("s", 1, True)


def _decision(state: str = "ok") -> Decision:
    return Decision(1.0, "a", {"a": 1.0}, state, ("ok",), 0.1)


# Catches: a status that goes on about what is over, and a wait for a microphone that never counts as ready.
def test_the_status_follows_what_goes_on() -> None:
    said: list[str] = []
    notifier = SimpleNamespace(
        status=said.append,
        ready=lambda: said.append("ready"),
        alive=lambda: None,
        stopping=lambda: said.append("end"),
    )
    sink = HeartbeatSink(notifier)
    sink.start(Session("b", "1", ("a",), "the microphone", {}, 1, 16000, 1.0, 1.0))
    sink.notice(Notice("input_lost", 0.0, "the microphone is not plugged in; waiting for it"))
    sink.notice(Notice("input_back", 0.0, "back"))
    sink.decision(_decision("silent"))
    sink.event(Event("cooking", 0.0))
    sink.decision(_decision())
    sink.event(Event("eating", 0.0, 1.0))
    sink.event(Event("cooking", 0.0, 1.0))
    sink.stats(Stats(3, 0, 0, 0.0, 1.0))
    assert said[:2] == ["ready", "the microphone is not plugged in; waiting for it"]
    assert said[3] == "silence"
    assert said[4].startswith("cooking since ")
    assert said[5] == said[6] == said[4]
    assert said[7] == "listening, nothing goes on"
    assert said[8:] == ["end", "stopped after 3 decisions"]


# Catches: a service that systemd waits for, or kills, although it hears.
def test_listen_tells_the_manager(tiny_bundle: Path, tmp_path: Path) -> None:
    manager = Manager(str(tmp_path / "n"))
    env = environment({"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "1000000", "ASC_EDGE_CONFIG": ""})
    env.pop("JOURNAL_STREAM", None)
    command = [*COMMAND, "listen", "--demo", "--bundle", str(tiny_bundle), "--format", "none"]
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) as process:
        messages = manager.wait_for("READY=1")
        assert "WATCHDOG=1" not in messages[: messages.index("READY=1")]
        messages += manager.wait_for("STATUS=listening")
        for _ in range(2):
            manager.wait_for("WATCHDOG=1")
        process.send_signal(signal.SIGTERM)
        manager.wait_for("STOPPING=1")
        assert process.stderr is not None
        # Under a manager the log's lines have priorities.
        assert process.stderr.readline().startswith("<6>listening to ")
        assert process.wait(20) == 0
    manager.socket.close()


# Catches: signs of life from a thread that knows nothing of a listener stuck behind its own output.
def test_a_listener_that_hangs_gives_no_sign(tiny_bundle: Path, tmp_path: Path) -> None:
    manager = Manager(str(tmp_path / "n"))
    env = environment({"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "400000", "ASC_EDGE_CONFIG": ""})
    command = [
        *COMMAND,
        "listen",
        "--demo",
        "--speed",
        "max",
        "--bundle",
        str(tiny_bundle),
        "--format",
        "jsonl",
    ]
    read_end, write_end = os.pipe()
    fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, 4096)
    process = subprocess.Popen(command, env=env, stdout=write_end)
    try:
        manager.wait_for("READY=1")
        # It has hung when nothing came for five times as long as the watchdog allows; alive, it would say so
        # ten times in each second.
        end_s = time.monotonic() + 20.0
        quiet_since_s = time.monotonic()
        while time.monotonic() - quiet_since_s < 2.0:
            assert time.monotonic() < end_s
            if manager.heard():
                quiet_since_s = time.monotonic()
            time.sleep(0.05)
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()
        os.close(read_end)
        os.close(write_end)
        manager.socket.close()
