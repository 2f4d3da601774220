"""The live source: its queue, and a PortAudio that does what the test says."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from asc_edge.audio.devices import InputDevice
from asc_edge.audio.microphone import BlockQueue, DeviceSource
from asc_edge.errors import ChannelMapError, DeviceError

ARRAY = InputDevice(3, "Array", "ALSA", 6, 48000, "usb-id:1:2:3", True)


def _block(value: int, frames: int = 100) -> np.ndarray:
    return np.full((frames, 2), value, dtype=np.int16)


def test_drops_the_oldest_and_counts_every_frame() -> None:
    """Catches a queue that drops the newest, or forgets what it dropped."""
    queue = BlockQueue(max_frames=250)
    for value in range(5):
        queue.put(_block(value))
    assert (queue.waiting_frames, queue.overruns) == (200, 3)
    block, lost = queue.get(0)
    assert (block[0, 0], lost) == (3, 300)
    block, lost = queue.get(0)
    assert (block[0, 0], lost) == (4, 0)
    assert queue.get(0) == (None, 0)
    assert queue.waiting_frames == 0


def test_a_loss_reported_by_the_driver_counts_as_an_overrun() -> None:
    queue = BlockQueue(max_frames=1000)
    queue.put(_block(0), overflowed=True)
    queue.put(_block(1))
    assert queue.overruns == 1


class _FakeStream:
    """A PortAudio stream that delivers nothing by itself."""

    def __init__(self, **settings: Any) -> None:
        self.settings = settings
        self.calls: list[str] = []
        self.active = True

    def start(self) -> None:
        self.calls.append("start")

    def stop(self, **_: object) -> None:
        raise AssertionError("stop() waits forever for a dead device")

    def abort(self, **_: object) -> None:
        self.calls.append("abort")

    def close(self, **_: object) -> None:
        self.calls.append("close")

    def deliver(self, block: np.ndarray, *, overflow: bool = False) -> None:
        self.settings["callback"](block, len(block), None, SimpleNamespace(input_overflow=overflow))


class _PortAudioError(Exception):
    pass


@pytest.fixture
def portaudio(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A sounddevice that takes the rates in ``rates``, and keeps its streams in ``streams``."""
    fake = SimpleNamespace(PortAudioError=_PortAudioError, rates={16000, 48000}, streams=[])

    def check(*, samplerate: int, **_: object) -> None:
        if samplerate not in fake.rates:
            raise _PortAudioError("Invalid sample rate")

    def open_stream(**settings: Any) -> _FakeStream:
        fake.streams.append(_FakeStream(**settings))
        return fake.streams[-1]

    fake.check_input_settings = check
    fake.InputStream = open_stream
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    return fake


def test_blocks_are_copies_in_order(portaudio: SimpleNamespace) -> None:
    """Catches a callback that keeps PortAudio's buffer, which the next block overwrites."""
    source = DeviceSource(ARRAY, 16000, (1, 2, 3))
    buffer = np.zeros((160, 4), dtype=np.int16)
    for value in (1, 2):
        buffer[:] = value
        portaudio.streams[0].deliver(buffer)
    blocks = source.blocks()
    assert [next(blocks)[0, 0], next(blocks)[0, 0]] == [1, 2]
    assert portaudio.streams[0].settings["channels"] == 4
    source.close()
    assert portaudio.streams[0].calls == ["start", "abort", "close"]


def test_losses_stand_before_the_block_that_follows_them(portaudio: SimpleNamespace) -> None:
    source = DeviceSource(ARRAY, 16000)
    for _ in range(12):
        portaudio.streams[0].deliver(np.zeros((16000, 6), dtype=np.int16))
    blocks = source.blocks()
    next(blocks)
    assert (source.lost_frames, source.overruns, source.waiting_frames) == (32000, 2, 144000)
    next(blocks)
    assert source.lost_frames == 0


@pytest.mark.parametrize(("rates", "chosen"), [({16000, 48000}, 16000), ({48000}, 48000)])
def test_takes_the_bundles_rate_where_the_device_can(
    rates: set[int], chosen: int, portaudio: SimpleNamespace
) -> None:
    """Catches a microphone that is called incompatible although it could be resampled."""
    portaudio.rates = rates
    source = DeviceSource(ARRAY, 16000)
    assert source.sample_rate_hz == chosen == portaudio.streams[0].settings["samplerate"]


def test_a_device_that_takes_no_rate_is_refused(portaudio: SimpleNamespace) -> None:
    portaudio.rates = set()
    with pytest.raises(DeviceError, match=r"can't record 6 channels.*Invalid sample rate"):
        DeviceSource(ARRAY, 16000)


def test_a_map_beyond_the_device_is_refused(portaudio: SimpleNamespace) -> None:
    with pytest.raises(ChannelMapError, match="has 6 channels, the channel map asks for 8"):
        DeviceSource(ARRAY, 16000, (0, 7))


def test_a_silent_callback_is_noticed(portaudio: SimpleNamespace) -> None:
    """Catches a runner that waits for ever for a microphone that was pulled out."""
    source = DeviceSource(ARRAY, 16000, watchdog_s=0.3)
    portaudio.streams[0].deliver(np.zeros((160, 6), dtype=np.int16))
    blocks = source.blocks()
    next(blocks)
    with pytest.raises(DeviceError, match=r"delivered nothing for 0\.3 s"):
        next(blocks)


def test_a_stream_that_ended_is_noticed_at_once(portaudio: SimpleNamespace) -> None:
    source = DeviceSource(ARRAY, 16000, watchdog_s=1e9)
    portaudio.streams[0].active = False
    with pytest.raises(DeviceError, match="still plugged in"):
        next(source.blocks())


def test_a_busy_device_is_named_and_let_go(
    portaudio: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: _FakeStream) -> None:
        raise _PortAudioError("Device unavailable")

    monkeypatch.setattr(_FakeStream, "start", refuse)
    with pytest.raises(DeviceError, match=r"'Array' can't be opened: Device unavailable; is another program"):
        DeviceSource(ARRAY, 16000)
    assert portaudio.streams[0].calls == ["close"]


# Catches: audio that the driver lost and nobody counts, and stamps that jitter taken for losses.
def test_what_the_driver_lost_is_counted_by_its_stamps(portaudio: SimpleNamespace) -> None:
    source = DeviceSource(ARRAY, 16000, asleep=lambda: 0.0)
    stream, block = portaudio.streams[0], np.zeros((1600, 6), np.int16)
    stamps_s = [5.0, 5.1, 5.203, 5.3, 5.9, 6.0, 8.5]
    for number, recorded_s in enumerate(stamps_s):
        status = SimpleNamespace(input_overflow=number == 4)
        stream.settings["callback"](block, 1600, SimpleNamespace(inputBufferAdcTime=recorded_s), status)
    blocks = source.blocks()
    lost = []
    for _ in stamps_s:
        next(blocks)
        lost.append(source.lost_frames)
    assert lost == [0, 0, 0, 0, 8000, 0, 38400]
    assert source.overruns == 2


# Catches: a night that the machine slept through, missing from the time.
def test_a_machine_that_slept_lost_that_time(portaudio: SimpleNamespace) -> None:
    asleep_s = [0.0]
    source = DeviceSource(ARRAY, 16000, asleep=lambda: asleep_s[0])
    block = np.zeros((1600, 6), np.int16)
    portaudio.streams[0].deliver(block)
    asleep_s[0] = 3600.0
    portaudio.streams[0].deliver(block)
    portaudio.streams[0].deliver(block)
    blocks = source.blocks()
    lost = []
    for _ in range(3):
        next(blocks)
        lost.append(source.lost_frames)
    assert lost == [0, 57600000, 0]


# Catches: a loss that is forgotten because the block behind it was dropped, too.
def test_losses_before_dropped_blocks_are_kept() -> None:
    queue = BlockQueue(max_frames=100)
    queue.put(_block(0), lost_frames=30)
    queue.put(_block(1), lost_frames=5)
    assert queue.get(0)[1] == 135


class _Stalled:
    """A reader that does nothing for some seconds while the microphone goes on."""

    def __init__(self, portaudio: SimpleNamespace, script: list[tuple[str, float]]) -> None:
        self.source = DeviceSource(ARRAY, 16000)
        self._portaudio, self._script = portaudio, script

    def blocks(self) -> Any:
        """Yield what comes: each step of the script plays, and then reads (or not, in a stall)."""
        sample, blocks = 0, self.source.blocks()
        for what, seconds in self._script:
            for _ in range(round(seconds / 0.05)):
                count = (np.arange(sample, sample + 800) % 32000).astype(np.int16)
                self._portaudio.streams[0].deliver(np.repeat(count[:, np.newaxis], 6, axis=1))
                sample += 800
                if what == "read":
                    yield next(blocks)
        while self.source.waiting_frames:
            yield next(blocks)


# Catches: a drop count that is off by a block, and samples that stand at another time afterwards.
@pytest.mark.parametrize(("stall_s", "dropped"), [(5.0, 0), (9.95, 0), (15.0, 80800), (60.0, 800800)])
def test_a_reader_that_stalls_loses_the_oldest_and_time_stays_right(
    stall_s: float, dropped: int, portaudio: SimpleNamespace
) -> None:
    stalled = _Stalled(portaudio, [("read", 2.0), ("stall", stall_s), ("read", 2.0)])
    position = lost = 0
    for block in stalled.blocks():
        position += stalled.source.lost_frames
        lost += stalled.source.lost_frames
        assert block[0, 0] == position % 32000
        position += len(block)
    # The queue holds ten seconds, and one block more came before the first was read again.
    assert lost == dropped
    assert position == round((4.0 + stall_s) * 16000)
