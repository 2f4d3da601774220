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
from asc_edge.notices import Notice

QUEUE_S = 10.0
WATCHDOG_S = 5.0
# Drivers stamp blocks to a few milliseconds; a jump this long is audio that never came.
STALL_S = 0.5
_POLL_S = 0.2


def clock_s() -> float:
    """Seconds that go on while the machine sleeps, where the system can tell."""
    boot_time = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot_time is None else time.clock_gettime(boot_time)


def asleep_s() -> float:
    """For how long the machine has been asleep so far, in seconds."""
    return clock_s() - time.monotonic()


class BlockQueue:
    """Blocks on their way from the audio thread: at most so many frames, the oldest dropped and counted.

    Parameters
    ----------
    max_frames : int
    clock : callable
        Seconds, for the watchdog; replaceable, so that tests need not wait.

    Attributes
    ----------
    waiting_frames, overruns : int
        Frames that were not fetched yet, and how often some were lost.
    arrived_s : float
        When the block that was fetched last came in, by the clock.
    """

    def __init__(self, max_frames: int, clock: Callable[[], float] = clock_s) -> None:
        self._max_frames = max_frames
        self._clock = clock
        # Each with the time at which it came, and how many frames the driver lost before it.
        self._blocks: deque[tuple[NDArray[np.int16], float, int]] = deque()
        self._changed = threading.Condition()
        self._lost = 0
        self._last_put_s = self.arrived_s = clock()
        self.waiting_frames = 0
        self.overruns = 0

    def put(self, block: NDArray[np.int16], *, overflowed: bool = False, lost_frames: int = 0) -> None:
        """Append a block; called by the audio thread, so it never waits for the reader's work.

        ``overflowed`` is the driver's word that it lost something before the block, ``lost_frames`` how much.
        """
        with self._changed:
            self._last_put_s = self._clock()
            self._blocks.append((block, self._last_put_s, lost_frames))
            self.waiting_frames += len(block)
            full = self.waiting_frames > self._max_frames
            self.overruns += overflowed or full or lost_frames > 0
            while self.waiting_frames > self._max_frames:
                oldest, _, lost_before = self._blocks.popleft()
                self.waiting_frames -= len(oldest)
                self._lost += len(oldest) + lost_before
            self._changed.notify()

    def get(self, timeout_s: float) -> tuple[NDArray[np.int16] | None, int]:
        """The oldest block, or None when none came in time, and how many frames were lost before it."""
        with self._changed:
            if not self._blocks:
                self._changed.wait(timeout_s)
            if not self._blocks:
                return None, 0
            block, self.arrived_s, lost_before = self._blocks.popleft()
            self.waiting_frames -= len(block)
            lost, self._lost = self._lost + lost_before, 0
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
    clock, asleep : callable
        Seconds, and for how many of them the machine slept; replaceable, so that tests need not wait.

    Attributes
    ----------
    arrived_s : float
        When the block that was yielded last came in, by the clock.

    Raises
    ------
    ChannelMapError
        When the map asks for more inputs than the device has.
    DeviceError
        When the device can't be opened; while reading, when it stops delivering.
    """

    live = True
    on_notice: Callable[[Notice], None] | None = None

    def __init__(
        self,
        device: InputDevice,
        wanted_rate_hz: int,
        channel_map: Sequence[int] | None = None,
        watchdog_s: float = WATCHDOG_S,
        *,
        clock: Callable[[], float] = clock_s,
        asleep: Callable[[], float] = asleep_s,
    ) -> None:
        self._sounddevice = load_sounddevice()
        self._watchdog_s = watchdog_s
        self._asleep = asleep
        self._asleep_s = asleep()
        # When the driver should have recorded the next block's first sample, by its own clock.
        self._next_recorded_s = 0.0
        self.name = f"input device {device.index} {device.name!r}"
        self.channels = channels_to_open(device, channel_map)
        if self.channels > device.channels:
            raise ChannelMapError(
                f"{self.name} has {device.channels} channels, the channel map asks for {self.channels}"
            )
        with quiet_libraries():
            self.sample_rate_hz = self._choose_rate(device, wanted_rate_hz)
            self._queue = BlockQueue(round(QUEUE_S * self.sample_rate_hz), clock)
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

    @property
    def arrived_s(self) -> float:
        return self._queue.arrived_s

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
        except BaseException:
            # A signal that ends everything: nobody else knows of the stream yet.
            stream.close(ignore_errors=True)
            raise
        return stream

    def _hear(self, block: NDArray[np.int16], frames: int, times: Any, status: Any) -> None:
        """Called by PortAudio's thread; its buffer is used again after the return."""
        overflowed = bool(status.input_overflow)
        recorded_s = float(getattr(times, "inputBufferAdcTime", 0.0))
        lost_frames = self._lost_in_driver(frames, recorded_s, overflowed=overflowed)
        self._queue.put(block.copy(), overflowed=overflowed, lost_frames=lost_frames)

    def _lost_in_driver(self, frames: int, recorded_s: float, *, overflowed: bool) -> int:
        """Frames that the driver lost before a block, by its stamps, and those of a machine that slept."""
        asleep_s, before_s = self._asleep(), self._asleep_s
        self._asleep_s = asleep_s
        # The difference of two clocks that are read one after the other is never quite still.
        lost_s = asleep_s - before_s if asleep_s - before_s > STALL_S else 0.0
        late_s = recorded_s - self._next_recorded_s
        # Not every driver has stamps: 0 is none.
        if recorded_s > 0.0 and self._next_recorded_s > 0.0 and late_s > (0.0 if overflowed else STALL_S):
            lost_s += late_s
        self._next_recorded_s = recorded_s + frames / self.sample_rate_hz if recorded_s > 0.0 else 0.0
        return round(lost_s * self.sample_rate_hz)
