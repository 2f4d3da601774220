"""A real broker (mosquitto) on 127.0.0.1 that can be killed, frozen and started again, and a listener."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")


def require_mosquitto() -> str:
    """The broker's program; the test skips where there is none, and fails where the project is proven."""
    if MOSQUITTO is None:
        message = "no broker without: apt install mosquitto"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return MOSQUITTO


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(condition: Callable[[], Any], timeout_s: float = 10.0, what: str = "") -> Any:
    """Wait for something to become true, and give it back."""
    deadline = time.monotonic() + timeout_s
    while not (result := condition()):
        assert time.monotonic() < deadline, what or "waited in vain"
        time.sleep(0.02)
    return result


class Broker:
    """mosquitto with a configuration of its own; persistent, so that a restart keeps what it knew.

    Parameters
    ----------
    folder : Path
    lines : str
        More lines for its configuration; by default everybody is let in.
    """

    def __init__(self, folder: Path, *lines: str) -> None:
        self.port = free_port()
        self._folder = folder
        # It gives up root for a user who may not look into pytest's folders.
        user = "user root" if os.geteuid() == 0 else ""
        self._config = folder / "mosquitto.conf"
        self._config.write_text(
            "\n".join(
                [
                    f"listener {self.port} 127.0.0.1",
                    *(lines or ["allow_anonymous true"]),
                    user,
                    "persistence true",
                    f"persistence_location {folder}/",
                    "",
                ]
            )
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        program = require_mosquitto()
        log = (self._folder / "mosquitto.log").open("ab")
        with log:
            self._process = subprocess.Popen(
                [program, "-v", "-c", str(self._config)], stdout=log, stderr=subprocess.STDOUT
            )
        until(self._answers, what=f"mosquitto does not answer: {self._folder / 'mosquitto.log'}")

    def forget(self) -> None:
        """What it kept; to be called while it doesn't run."""
        (self._folder / "mosquitto.db").unlink(missing_ok=True)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def freeze(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return True
        except OSError:
            return False

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(how)
            self._process.wait(10)
            self._process = None


class Listener:
    """Hears everything at a broker.

    Attributes
    ----------
    states : dict
        The newest retained or live payload by topic.
    heard : list
        Topic, payload and whether it was retained, of all messages.
    """

    def __init__(self, broker: Broker, *topics: str, **options: Any) -> None:
        self.states: dict[str, str] = {}
        self.heard: list[tuple[str, str, bool]] = []
        self._topics = topics or ("#",)
        self._client = Client(CallbackAPIVersion.VERSION2)
        if "username" in options:
            self._client.username_pw_set(options["username"], options["password"])
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = self._subscribe
        self._client.on_message = self._hear
        self._client.connect("127.0.0.1", broker.port)
        self._client.loop_start()

    def _subscribe(self, *_args: Any) -> None:
        for topic in self._topics:
            self._client.subscribe(topic, qos=1)

    def _hear(self, _client: Any, _data: Any, message: Any) -> None:
        payload = message.payload.decode()
        self.states[message.topic] = payload
        self.heard.append((message.topic, payload, message.retain))

    def say(self, topic: str, payload: str, *, retain: bool = False) -> None:
        self._client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(5)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
