"""The live source: a PortAudio device, its bounded queue, and the watchdog that notices when it dies."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asc_edge.audio.devices import InputDevice, channels_to_open, load_sounddevice, quiet_libraries
from asc_edge.audio.samples import Samples
from asc_edge.audio.sources import BLOCK_S
from asc_edge.errors import ChannelMapError, DeviceError

QUEUE_S = 10.0
WATCHDOG_S = 5.0
_POLL_S = 0.2


class BlockQueue:
    """Blocks on their way from the audio thread: at most so many frames, the oldest dropped and counted.

    Parameters
    ----------
    max_frames : int
    clock : callable
        Seconds, for the watchdog; replaceable, so that tests need not wait.
    """

    def __init__(self, max_frames: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_frames = max_frames
        self._clock = clock
        self._blocks: deque[NDArray[np.int16]] = deque()
        self._changed = threading.Condition()
        self._lost = 0
        self._last_put_s = clock()
        self.waiting_frames = 0
        self.overruns = 0

    def put(self, block: NDArray[np.int16], *, overflowed: bool = False) -> None:
        """Append a block; called by the audio thread, so it never waits for the reader's work."""
        with self._changed:
            self._last_put_s = self._clock()
            self._blocks.append(block)
            self.waiting_frames += len(block)
            full = self.waiting_frames > self._max_frames
            self.overruns += overflowed or full
            while self.waiting_frames > self._max_frames:
                oldest = self._blocks.popleft()
                self.waiting_frames -= len(oldest)
                self._lost += len(oldest)
            self._changed.notify()

    def get(self, timeout_s: float) -> tuple[NDArray[np.int16] | None, int]:
        """The oldest block, or None when none came in time, and how many frames were dropped before it."""
        with self._changed:
            if not self._blocks:
                self._changed.wait(timeout_s)
            if not self._blocks:
                return None, 0
            block = self._blocks.popleft()
            self.waiting_frames -= len(block)
            lost, self._lost = self._lost, 0
            return block, lost

    @property
    def quiet_s(self) -> float:
        """Seconds since a block was put."""
        return self._clock() - self._last_put_s


class DeviceSource:
    """A microphone, opened when it is made and heard from then on.

    Parameters
    ----------
    device : InputDevice
    wanted_rate_hz : int
        The bundle's rate: taken if the device can, else the device's own default rate.
    channel_map : sequence of int, optional
        Indices (from 0) that will be used, which says how many channels to open.
    watchdog_s : float
        A device that delivers nothing for so long has failed.

    Raises
    ------
    ChannelMapError
        When the map asks for more inputs than the device has.
    DeviceError
        When the device can't be opened; while reading, when it stops delivering.
    """

    live = True

    def __init__(
        self,
        device: InputDevice,
        wanted_rate_hz: int,
        channel_map: Sequence[int] | None = None,
        watchdog_s: float = WATCHDOG_S,
    ) -> None:
        self._sounddevice = load_sounddevice()
        self._watchdog_s = watchdog_s
        self.name = f"input device {device.index} {device.name!r}"
        self.channels = channels_to_open(device, channel_map)
        if self.channels > device.channels:
            raise ChannelMapError(
                f"{self.name} has {device.channels} channels, the channel map asks for {self.channels}"
            )
        with quiet_libraries():
            self.sample_rate_hz = self._choose_rate(device, wanted_rate_hz)
            self._queue = BlockQueue(round(QUEUE_S * self.sample_rate_hz))
            self._stream = self._open(device)
        self.lost_frames = 0
        self.description: dict[str, object] = {
            "kind": "device",
            "id": device.stable_id,
            "name": device.name,
            "index": device.index,
            "channels": self.channels,
            "sample_rate_hz": self.sample_rate_hz,
        }

    @property
    def waiting_frames(self) -> int:
        return self._queue.waiting_frames

    @property
    def overruns(self) -> int:
        return self._queue.overruns

    def blocks(self) -> Iterator[Samples]:
        while True:
            block, self.lost_frames = self._queue.get(_POLL_S)
            if block is not None:
                yield block
            elif not self._stream.active:
                raise DeviceError(
                    f"{self.name} stopped; is it still plugged in? (asc-edge devices lists them)"
                )
            elif self._queue.quiet_s > self._watchdog_s:
                raise DeviceError(
                    f"{self.name} has delivered nothing for {self._watchdog_s:g} s; "
                    "plug it in again, or choose another one (asc-edge devices lists them)"
                )

    def close(self) -> None:
        # Never stop(): it waits for buffers that a dead device will not fill.
        self._stream.abort(ignore_errors=True)
        self._stream.close(ignore_errors=True)

    def _choose_rate(self, device: InputDevice, wanted_rate_hz: int) -> int:
        for rate_hz in (wanted_rate_hz, device.default_rate_hz):
            try:
                self._sounddevice.check_input_settings(
                    device=device.index, channels=self.channels, dtype="int16", samplerate=rate_hz
                )
            except (self._sounddevice.PortAudioError, ValueError) as error:
                refusal = error
            else:
                return rate_hz
        raise DeviceError(f"{self.name} can't record {self.channels} channels of 16 bits: {refusal}")

    def _open(self, device: InputDevice) -> Any:
        try:
            stream = self._sounddevice.InputStream(
                device=device.index,
                channels=self.channels,
                dtype="int16",
                samplerate=self.sample_rate_hz,
                blocksize=round(BLOCK_S * self.sample_rate_hz / 2),
                latency="high",
                callback=self._hear,
            )
        except self._sounddevice.PortAudioError as error:
            raise DeviceError(f"{self.name} can't be opened: {error}; is another program using it?") from None
        try:
            stream.start()
        except self._sounddevice.PortAudioError as error:
            stream.close(ignore_errors=True)
            raise DeviceError(f"{self.name} can't be opened: {error}; is another program using it?") from None
        return stream

    def _hear(self, block: NDArray[np.int16], _frames: int, _time: object, status: Any) -> None:
        """Called by PortAudio's thread; its buffer is used again after the return."""
        self._queue.put(block.copy(), overflowed=bool(status.input_overflow))
