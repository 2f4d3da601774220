"""A machine whose microphone is plugged in and out by a script, in a time that passes only in waits."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from asc_edge.audio.devices import InputDevice, channels_to_open
from asc_edge.errors import DeviceError, DeviceNotFoundError

BLOCK_S = 0.05
WATCHDOG_S = 3.0
IDENTITY = "usb-id:2886:0018:A"


class Script:
    """The time, and what happens in it.

    What a microphone hears is the time itself: sample n of the machine's life has the value ``value_at(n)``.
    """

    def __init__(self) -> None:
        self.now_s = 1000.0
        self._due: list[tuple[float, Callable[[], None]]] = []

    def clock(self) -> float:
        return self.now_s

    def at(self, t_s: float, action: Callable[[], None]) -> None:
        """Do this ``t_s`` seconds after the start."""
        self._due.append((1000.0 + t_s, action))
        self._due.sort(key=lambda entry: entry[0])

    def sleep(self, seconds: float) -> None:
        end_s = self.now_s + seconds
        while self._due and self._due[0][0] <= end_s:
            self.now_s, action = self._due.pop(0)
            action()
        self.now_s = max(self.now_s, end_s)

    def wall_clock(self) -> datetime:
        """Time of day of a clock that nobody sets."""
        return datetime(2026, 3, 2, tzinfo=UTC) + timedelta(seconds=self.t_s)

    @property
    def t_s(self) -> float:
        """Seconds since the start."""
        return self.now_s - 1000.0


def value_at(sample: NDArray[np.int64]) -> NDArray[np.int16]:
    """Never 0, and the same again only after two seconds."""
    return (sample % 32000 + 1).astype(np.int16)


class ScriptedCapture:
    """One opened stream; dead or not, it belongs to the device as it was when it was opened."""

    def __init__(self, layer: ScriptedLayer, rate_hz: int, channels: int) -> None:
        self._layer = layer
        self.sample_rate_hz, self.channels = rate_hz, channels
        self.description: dict[str, object] = {"kind": "device", "id": IDENTITY, "sample_rate_hz": rate_hz}
        self.lost_frames = self.overruns = self.waiting_frames = 0
        self.arrived_s = layer.script.now_s
        self.born = layer.plugged_times
        self.is_open = True

    def blocks(self) -> Iterator[NDArray[np.int16]]:
        script, layer = self._layer.script, self._layer
        while True:
            script.sleep(BLOCK_S)
            if layer.hung:
                script.sleep(WATCHDOG_S)
                raise DeviceError("input device 'Array' has delivered nothing for 3 s; plug it in again")
            if not layer.plugged or layer.plugged_times != self.born:
                raise DeviceError("input device 'Array' stopped; is it still plugged in?")
            count = round(BLOCK_S * self.sample_rate_hz)
            self.arrived_s = script.now_s
            end = round(script.t_s * self.sample_rate_hz)
            values = np.zeros(count, np.int16) if layer.zeros else value_at(np.arange(end - count, end))
            block = np.repeat(values[:, np.newaxis], self.channels, axis=1)
            block[:, layer.silent_from :] = 0
            yield block

    def close(self) -> None:
        if self._layer.close_hangs:
            self._layer.hanging.wait()
        self.is_open = False


class ScriptedLayer:
    """The devices: at most one microphone, with everything that can be wrong with it."""

    def __init__(
        self, script: Script, *, rate_hz: int = 16000, channels: int = 4, plugged: bool = True
    ) -> None:
        self.script, self.rate_hz, self.channels = script, rate_hz, channels
        self.plugged, self.index, self.plugged_times = plugged, 3, 0
        self.busy = self.hung = self.zeros = self.close_hangs = False
        self.silent_from = channels
        self.hanging = threading.Event()
        self.captures: list[ScriptedCapture] = []
        self.refreshed = self.looked = self.abandoned = 0
        self.opened_s: list[float] = []
        self._listed: InputDevice | None = None
        self._look()

    def plug(self, index: int = 3) -> None:
        self.plugged, self.index = True, index
        self.plugged_times += 1

    def unplug(self) -> None:
        self.plugged = False

    def _look(self) -> None:
        device = InputDevice(self.index, "Array", "ALSA", self.channels, self.rate_hz, IDENTITY, True)
        self._listed = device if self.plugged else None

    def is_plugged_in(self, identity: str) -> bool:
        self.looked += 1
        return self.plugged or not identity.startswith("usb-id:")

    def refresh(self) -> None:
        # Catches: a refresh that kills streams, or waits for one that hangs.
        assert not any(capture.is_open for capture in self.captures)
        self.refreshed += 1
        self._look()

    def find(self, selector: str) -> InputDevice:
        if self._listed is None:
            raise DeviceNotFoundError("no microphone found; plug one in, or try: asc-edge listen --demo")
        return self._listed

    def open(self, device: InputDevice, rate_hz: int, channel_map: Sequence[int] | None) -> ScriptedCapture:
        if self.busy:
            raise DeviceError("input device 'Array' can't be opened: Device unavailable; is it in use?")
        # Catches: an index of the time before.
        if not self.plugged or device.index != self.index:
            raise DeviceError("input device 'Array' can't be opened: Invalid device")
        self.opened_s.append(self.script.t_s)
        capture = ScriptedCapture(self, self.rate_hz, channels_to_open(device, channel_map))
        self.captures.append(capture)
        return capture

    def abandon(self) -> None:
        self.abandoned += 1
