"""What a supervised microphone needs of the machine, and PortAudio's way of giving it."""

from __future__ import annotations

import atexit
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from asc_edge.audio.devices import (
    InputDevice,
    list_devices,
    load_sounddevice,
    refresh_devices,
    resolve_device,
)
from asc_edge.audio.identity import is_plugged_in
from asc_edge.audio.microphone import DeviceSource
from asc_edge.audio.samples import Samples

__all__ = ["Capture", "DeviceLayer", "PortAudioLayer"]

# A dead device is noticed within five seconds, polling included.
WATCHDOG_S = 3.0


class Capture(Protocol):
    """An opened device: a source that also knows when its blocks came; :class:`DeviceSource` is one."""

    channels: int
    sample_rate_hz: int
    lost_frames: int

    @property
    def description(self) -> dict[str, object]: ...
    @property
    def overruns(self) -> int: ...
    @property
    def waiting_frames(self) -> int: ...
    @property
    def arrived_s(self) -> float: ...

    def blocks(self) -> Iterator[Samples]: ...

    def close(self) -> None: ...


class DeviceLayer(Protocol):
    """What a supervisor needs of the machine."""

    def is_plugged_in(self, identity: str) -> bool:
        """False when the device surely isn't there; quick."""
        ...

    def refresh(self) -> None:
        """Look again which devices there are; called when no stream is open."""
        ...

    def find(self, selector: str) -> InputDevice:
        """The device that answers to an identity, name or index; the default one to an empty text."""
        ...

    def open(self, device: InputDevice, rate_hz: int, channel_map: Sequence[int] | None) -> Capture:
        """Open it, and begin to record."""
        ...

    def abandon(self) -> None:
        """A stream can't be closed: see that the end of the process doesn't wait for it."""
        ...


class PortAudioLayer:
    """The microphones that PortAudio offers.

    Parameters
    ----------
    root : Path
        Where ``proc`` and ``sys`` are mounted.

    Raises
    ------
    DeviceError
        When PortAudio isn't installed: no waiting helps.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root
        self._sounddevice = load_sounddevice()

    def is_plugged_in(self, identity: str) -> bool:
        return is_plugged_in(identity, self._root)

    def refresh(self) -> None:
        refresh_devices()

    def find(self, selector: str) -> InputDevice:
        return resolve_device(selector or None, list_devices(self._root))

    def open(self, device: InputDevice, rate_hz: int, channel_map: Sequence[int] | None) -> Capture:
        return DeviceSource(device, rate_hz, channel_map, WATCHDOG_S)

    def abandon(self) -> None:
        # PortAudio's own end would wait for the stream, too.
        atexit.unregister(self._sounddevice._exit_handler)
