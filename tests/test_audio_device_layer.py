"""Settings that open a microphone, and a thousand outages on a PortAudio that only exists here."""

from __future__ import annotations

import gc
import resource
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from asc_edge.audio import microphone as microphone_module
from asc_edge.audio.device_layer import PortAudioLayer
from asc_edge.audio.input_settings import InputSettings
from asc_edge.audio.microphone import clock_s
from asc_edge.audio.supervisor import SupervisedSource, open_microphone
from asc_edge.errors import ConfigError, DeviceNotFoundError

RATE = 16000


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"device": 2}, "input.device"),
        ({"channels": "0"}, "input.channels"),
        ({"channels": [1]}, "input.channels"),
        ({"preset": "theremin"}, "input.preset"),
        ({"channels": "1", "preset": "respeaker-4mic"}, "input.channels and input.preset"),
        ({"wait": "yes"}, "input.wait"),
    ],
)
def test_settings_that_can_not_be_name_their_field(fields: dict[str, Any], name: str) -> None:
    with pytest.raises(ConfigError, match=name) as caught:
        InputSettings(**fields)
    assert "\n" not in str(caught.value)


def test_settings_give_the_map() -> None:
    assert InputSettings().channel_map() is None
    assert InputSettings(channels="2,3").channel_map() == (1, 2)
    assert InputSettings(preset="respeaker-4mic").channel_map() == (1, 2, 3, 4)


class _PortAudioError(Exception):
    pass


class _Machine:
    """A sounddevice module: one microphone, streams that come and go with it."""

    def __init__(self) -> None:
        self.PortAudioError = _PortAudioError
        self.default = SimpleNamespace(device=(0, 0))
        self.plugged = True
        self.started = 1
        self.streams: list[Any] = []
        self._listed = True

    def _terminate(self) -> None:
        assert all(stream.closed for stream in self.streams)
        self.streams.clear()
        self.started -= 1

    def _initialize(self) -> None:
        self.started += 1
        self._listed = self.plugged

    def _exit_handler(self) -> None: ...

    def query_hostapis(self) -> list[dict[str, object]]:
        return [{"name": "ALSA"}]

    def query_devices(self) -> list[dict[str, object]]:
        array = {"name": "Array", "hostapi": 0, "max_input_channels": 4, "default_samplerate": 16000.0}
        return [array] if self._listed else []

    def check_input_settings(self, **_: object) -> None: ...

    def InputStream(self, **settings: Any) -> Any:  # noqa: N802
        stream = SimpleNamespace(settings=settings, active=True, closed=False, start=lambda: None)
        stream.abort = lambda **_: None
        stream.close = lambda **_: setattr(stream, "closed", True)
        self.streams.append(stream)
        return stream

    def deliver(self, frames: int = 800) -> None:
        stream = self.streams[-1]
        block = np.ones((frames, 4), np.int16)
        stream.settings["callback"](block, frames, None, SimpleNamespace(input_overflow=False))

    def unplug(self) -> None:
        self.plugged = False
        for stream in self.streams:
            stream.active = False


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> _Machine:
    fake = _Machine()
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    monkeypatch.setattr(microphone_module, "_POLL_S", 1e-3)
    return fake


# Catches: threads, descriptors, streams, queues or initialisations that stay behind each time.
def test_a_thousand_cycles_leave_nothing_behind(machine: _Machine) -> None:
    kinds: list[str] = []

    slept_s = 0.0

    def nap(seconds: float) -> None:
        nonlocal slept_s
        slept_s += seconds
        machine.plugged = True

    source = SupervisedSource(
        "",
        RATE,
        layer=PortAudioLayer(),
        clock=lambda: clock_s() + slept_s,
        sleep=nap,
        on_notice=lambda notice: kinds.append(notice.kind),
    )
    source.start()
    blocks = source.blocks()

    def cycle() -> None:
        machine.deliver()
        assert len(next(blocks)) == 800
        machine.unplug()
        # It is plugged in again while next() waits for it.
        original = machine.InputStream

        def open_and_deliver(**settings: Any) -> Any:
            stream = original(**settings)
            stream.start = machine.deliver
            return stream

        machine.InputStream = open_and_deliver  # type: ignore[method-assign]
        assert len(next(blocks)) == 800
        machine.InputStream = original  # type: ignore[method-assign]

    def held() -> tuple[int, int, int]:
        gc.collect()
        return threading.active_count(), len(list(Path("/proc/self/fd").iterdir())), len(gc.get_objects())

    for _ in range(50):
        cycle()
    before, memory_before = held(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(1000):
        cycle()
    after, memory_after = held(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    kinds_expected = ["input_lost", "input_back"] * 1050
    assert kinds == kinds_expected
    source.close()
    assert after[:2] == before[:2]
    assert after[2] - before[2] < 3000  # of them 2,000 are the messages in the list above
    assert memory_after - memory_before < 8 * 1024
    assert machine.started == 1
    assert len(machine.streams) <= 1


# Catches: a door that doesn't fit the settings.
def test_settings_open_a_microphone(machine: _Machine) -> None:
    source = open_microphone(InputSettings(channels="1,3"), RATE)
    assert (source.channels, source.name, source.state) == (3, "microphone 'Array'", "recovering")
    source.close()
    machine.plugged = machine._listed = False
    with pytest.raises(DeviceNotFoundError):
        open_microphone(InputSettings(wait=False), RATE)
    assert open_microphone(InputSettings(channels="1,3"), RATE).state == "absent"
