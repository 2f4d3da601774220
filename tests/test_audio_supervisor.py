"""A microphone that goes and comes back, on a machine and in a time that a script makes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from asc_edge.audio import supervisor as supervisor_module
from asc_edge.audio.supervisor import SupervisedSource
from asc_edge.errors import (
    AmbiguousDeviceError,
    ChannelMapError,
    DeviceError,
    DeviceNotFoundError,
)
from asc_edge.sinks import Notice
from scripted_devices import BLOCK_S, IDENTITY, Script, ScriptedLayer, value_at

RATE = 16000


class Listener:
    """Takes the blocks of a source, counts its samples, and keeps its notices."""

    def __init__(self, script: Script, layer: ScriptedLayer, selector: str = "", **settings: Any) -> None:
        self.script, self.layer = script, layer
        self.notices: list[tuple[float, Notice]] = []
        settings.setdefault("channel_map", (0, 1, 2, 3))
        self.source = SupervisedSource(
            selector,
            RATE,
            settings.pop("channel_map"),
            layer=layer,
            clock=script.clock,
            sleep=script.sleep,
            on_notice=lambda notice: self.notices.append((script.t_s, notice)),
            **settings,
        )
        self.source.start()
        self._started_s = script.t_s
        self._blocks = self.source.blocks()
        self.position = 0
        self.lost: list[int] = []
        self.heard_s: list[float] = []

    def listen(self, until_s: float) -> None:
        while self.script.t_s < until_s:
            block = next(self._blocks)
            if self.source.lost_frames:
                self.lost.append(self.source.lost_frames)
            self.position += self.source.lost_frames + len(block)
            self.heard_s.append(self.script.t_s)

    @property
    def error_s(self) -> float:
        """By how much the counted samples and the time differ."""
        return self.position / RATE - (self.script.t_s - self._started_s)

    def kinds(self) -> list[str]:
        return [notice.kind for _, notice in self.notices]

    def longest_silence_s(self) -> float:
        return float(np.max(np.diff(self.heard_s)))


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture(autouse=True)
def no_long_close(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor_module, "CLOSE_TIMEOUT_S", 0.2)


# Catches: notices of a healthy microphone, and a start that counts as a loss.
def test_a_healthy_microphone_says_nothing_and_loses_nothing(script: Script) -> None:
    listener = Listener(script, ScriptedLayer(script))
    listener.listen(60.0)
    assert (listener.notices, listener.lost, listener.source.state) == ([], [], "healthy")
    assert listener.source.channels == 4


# Catches: time that stands still during an outage, and an index that is kept instead of an identity.
@pytest.mark.parametrize("index", [3, 7])
@pytest.mark.parametrize("away_s", [0.7, 8.0, 100.0])
def test_pulled_out_and_back_in(script: Script, index: int, away_s: float) -> None:
    layer = ScriptedLayer(script)
    script.at(20.0, layer.unplug)
    script.at(20.0 + away_s, lambda: layer.plug(index))
    listener = Listener(script, layer)
    listener.listen(150.0)
    assert listener.kinds() == ["input_lost", "input_back"]
    (lost_s, lost), (back_s, back) = listener.notices
    assert lost_s - 20.0 < 5.0
    assert back_s - (20.0 + away_s) < 10.0
    assert lost.details == {"id": IDENTITY} == {"id": back.details["id"]}
    assert back.details["gap_s"] == pytest.approx(sum(listener.lost) / RATE, abs=1e-3)
    assert lost.t_s == pytest.approx(20.0, abs=2 * BLOCK_S)
    assert back.t_s == pytest.approx(back_s, abs=2 * BLOCK_S)
    assert abs(listener.error_s) <= BLOCK_S
    assert len(listener.lost) == 1
    assert listener.source.state == "healthy"


# Catches: samples that stand at another time than the one at which they were recorded.
def test_what_is_heard_after_an_outage_stands_at_its_time(script: Script) -> None:
    layer = ScriptedLayer(script)
    script.at(5.0, layer.unplug)
    script.at(17.3, layer.plug)
    listener = Listener(script, layer)
    position = 0
    for block in listener.source.blocks():
        position += listener.source.lost_frames
        expected = value_at(np.arange(position, position + len(block)))
        # The value says when it was recorded, modulo two seconds.
        off = (int(block[0, 0]) - int(expected[0]) + 16000) % 32000 - 16000
        assert abs(off) <= BLOCK_S * RATE
        position += len(block)
        if script.t_s > 30.0:
            break


# Catches: an end instead of a wait, a message at each try, and the time of waiting left out of the count.
def test_absent_at_the_start(script: Script) -> None:
    layer = ScriptedLayer(script, plugged=False)
    script.at(600.0, layer.plug)
    listener = Listener(script, layer, IDENTITY)
    assert listener.source.state == "absent"
    assert listener.source.channels == 4
    listener.listen(700.0)
    assert listener.kinds() == ["input_lost", "input_back"]
    assert listener.notices[0][1].text.endswith("waiting for it")
    assert listener.notices[1][0] - 600.0 < 10.0
    assert abs(listener.error_s) <= BLOCK_S + 0.5


# Catches: a number of channels that is guessed before the device is there.
def test_without_a_map_the_start_waits_for_the_device(script: Script) -> None:
    layer = ScriptedLayer(script, plugged=False, channels=6)
    script.at(30.0, layer.plug)
    listener = Listener(script, layer, channel_map=None)
    assert 30.0 <= script.t_s < 34.0
    assert listener.source.channels == 6
    listener.listen(60.0)
    assert listener.kinds() == ["input_lost", "input_back"]
    assert listener.lost == []


# Catches: a device that another program has, taken for one that will never come.
def test_busy_until_another_program_lets_go(script: Script) -> None:
    layer = ScriptedLayer(script)
    layer.busy = True
    script.at(40.0, lambda: setattr(layer, "busy", False))
    listener = Listener(script, layer)
    listener.listen(60.0)
    assert listener.kinds() == ["input_lost", "input_back"]
    assert "can't be opened" in listener.notices[0][1].text
    assert listener.notices[1][0] - 40.0 < 5.0


# Catches: a close() that waits for ever for a dead stream, and a refresh that would wait for it, too.
def test_callbacks_that_stop_and_a_stream_that_never_closes(script: Script) -> None:
    layer = ScriptedLayer(script)
    script.at(10.0, lambda: (setattr(layer, "hung", True), setattr(layer, "close_hangs", True)))
    script.at(20.0, lambda: (setattr(layer, "hung", False), setattr(layer, "close_hangs", False)))
    listener = Listener(script, layer)
    try:
        listener.listen(40.0)
        assert layer.abandoned >= 1
        assert layer.refreshed == 0
        assert listener.kinds() == ["input_lost", "input_back"]
        assert listener.notices[0][0] - 10.0 < 5.0
        assert listener.notices[1][0] - 20.0 < 10.0
        assert abs(listener.error_s) <= BLOCK_S
    finally:
        layer.hanging.set()


# Catches: threads that pile up for ever in front of a stream that never closes.
def test_too_many_streams_that_never_close_end_it(script: Script) -> None:
    layer = ScriptedLayer(script)
    layer.hung = layer.close_hangs = True
    listener = Listener(script, layer)
    try:
        with pytest.raises(DeviceError, match="start asc-edge again"):
            listener.listen(1000.0)
        assert listener.kinds() == ["input_lost"]
    finally:
        layer.hanging.set()


# Catches: zeros taken for silence, a device opened again and again, and a message for each try.
def test_zeros_are_a_fault_that_opening_again_may_cure(script: Script) -> None:
    layer = ScriptedLayer(script)
    script.at(20.0, lambda: setattr(layer, "zeros", True))
    script.at(500.0, lambda: setattr(layer, "zeros", False))
    listener = Listener(script, layer)
    listener.listen(600.0)
    assert len(layer.opened_s) == 2
    assert layer.opened_s[1] == pytest.approx(50.0, abs=1.0)
    assert listener.kinds() == ["input_lost", "input_back"]
    assert "nothing but zeros" in listener.notices[0][1].text
    assert listener.notices[0][0] == pytest.approx(55.0, abs=1.0)
    assert listener.notices[1][0] == pytest.approx(500.0, abs=0.2)
    assert abs(listener.error_s) <= BLOCK_S


def test_zeros_that_opening_again_cures_are_not_worth_a_word(script: Script) -> None:
    layer = ScriptedLayer(script)
    layer.zeros = True
    listener = Listener(script, layer)
    original = layer.open

    def cured(*args: Any) -> Any:
        layer.zeros = False
        return original(*args)

    layer.open = cured  # type: ignore[method-assign]
    listener.listen(60.0)
    assert (listener.notices, len(layer.opened_s)) == ([], 2)


# Catches: a microphone that was told to be plugged in again, was, and is never looked at any more.
def test_zeros_after_a_replug_are_told_anew(script: Script) -> None:
    layer = ScriptedLayer(script)
    layer.zeros = True
    script.at(100.0, layer.unplug)
    script.at(110.0, layer.plug)
    listener = Listener(script, layer)
    listener.listen(200.0)
    assert listener.kinds() == ["input_lost", "input_back", "input_lost"]
    assert [round(t_s, -1) for t_s, _ in listener.notices] == [40.0, 110.0, 150.0]


# Catches: a noise gate that makes the same two messages all day long.
def test_a_device_that_is_silent_on_purpose_gets_more_time(script: Script) -> None:
    layer = ScriptedLayer(script)
    for start_s in range(10, 2000, 100):
        script.at(start_s, lambda: setattr(layer, "zeros", True))
        script.at(start_s + 90, lambda: setattr(layer, "zeros", False))
    listener = Listener(script, layer)
    listener.listen(2000.0)
    assert len(listener.notices) <= 4
    assert len(layer.opened_s) <= 4


# Catches: zeros on channels that nobody listens to, and zeros hidden by a channel that nobody listens to.
def test_only_the_channels_of_the_map_count(script: Script) -> None:
    layer = ScriptedLayer(script, channels=6)
    layer.silent_from = 2
    listener = Listener(script, layer, channel_map=(2, 3, 4, 5))
    listener.listen(60.0)
    assert listener.kinds() == ["input_lost"]


# Catches: more than two messages for an outage, tries that get rarer and rarer, and a costly one each time.
def test_an_outage_of_an_hour(script: Script) -> None:
    layer = ScriptedLayer(script)
    script.at(60.0, layer.unplug)
    script.at(3660.0, layer.plug)
    listener = Listener(script, layer)
    listener.listen(3700.0)
    assert listener.kinds() == ["input_lost", "input_back"]
    assert listener.notices[1][1].details["gap_s"] == pytest.approx(3600.0, abs=10.0)
    assert abs(listener.error_s) <= BLOCK_S
    assert 1000 < layer.looked < 1400
    assert layer.refreshed == 1


# Catches: a loose plug whose outages add up to a drift.
def test_a_hundred_short_outages_do_not_add_up(script: Script) -> None:
    layer = ScriptedLayer(script)
    for number in range(100):
        script.at(10.0 + 7.13 * number, layer.unplug)
        script.at(11.7 + 7.13 * number, layer.plug)
    listener = Listener(script, layer)
    listener.listen(760.0)
    assert listener.kinds() == ["input_lost", "input_back"] * 100
    assert abs(listener.error_s) <= BLOCK_S


# Catches: blocks at the device's rate, and a gap counted in its samples.
def test_a_device_of_another_rate_is_resampled(script: Script) -> None:
    layer = ScriptedLayer(script, rate_hz=48000)
    script.at(10.0, layer.unplug)
    script.at(20.0, layer.plug)
    listener = Listener(script, layer)
    listener.listen(40.0)
    assert listener.source.sample_rate_hz == RATE
    assert abs(listener.error_s) <= 2 * BLOCK_S


# Catches: waiting for what can't get better, and a wait that wasn't asked for.
def test_what_waiting_does_not_help_is_said_at_once(script: Script) -> None:
    class Twins(ScriptedLayer):
        def find(self, selector: str) -> Any:
            raise AmbiguousDeviceError("'x' could be any of the input devices 1, 2; there is ...")

    class Small(ScriptedLayer):
        def open(self, *_: object) -> Any:
            raise ChannelMapError("has 2 channels, the channel map asks for 4")

    for layer, error in ((Twins(script), AmbiguousDeviceError), (Small(script), ChannelMapError)):
        with pytest.raises(error):
            Listener(script, layer)
    with pytest.raises(DeviceNotFoundError):
        Listener(script, ScriptedLayer(script, plugged=False), wait=False)


# Catches: a signal that is noticed only when the microphone is back, which may be never.
def test_a_wait_can_be_broken_into_and_closed(script: Script) -> None:
    class Stop(BaseException):
        pass

    def stop() -> None:
        raise Stop

    layer = ScriptedLayer(script)
    script.at(10.0, layer.unplug)
    script.at(30.0, stop)
    listener = Listener(script, layer)
    with pytest.raises(Stop):
        listener.listen(60.0)
    listener.source.close()
    listener.source.close()
    assert script.t_s == 30.0
    assert not any(capture.is_open for capture in layer.captures)
