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
