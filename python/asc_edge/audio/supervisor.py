"""A microphone that may be pulled out, fall silent or come late: the source waits, and time goes on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from asc_edge.audio.channels import take_channels
from asc_edge.audio.device_layer import Capture, DeviceLayer, PortAudioLayer
from asc_edge.audio.devices import InputDevice
from asc_edge.audio.input_settings import InputSettings
from asc_edge.audio.liveness import Liveness, LivenessState, ZerosWatch
from asc_edge.audio.microphone import clock_s
from asc_edge.audio.resample import StreamResampler
from asc_edge.audio.samples import Samples
from asc_edge.errors import AmbiguousDeviceError, ChannelMapError, DeviceError, DeviceNotFoundError
from asc_edge.notices import Notice

__all__ = ["SupervisedSource", "open_microphone"]

CLOSE_TIMEOUT_S = 2.0
# So many streams that never close are more than bad luck: only a new process can help.
MOST_STUCK = 3
_NAP_S = 0.25


class SupervisedSource:
    """A microphone that is found again, by its identity, as often as it goes.

    While it is away nothing is yielded. When it is back, :attr:`lost_frames` is the time that has passed, so
    that whoever counts samples knows the time. Blocks have the wanted rate, whatever the device runs at.

    Parameters
    ----------
    selector : str
        Stable id, name, part of a name, or index; empty for the default input. What it means is settled when
        the device is first found; from then on only that device's stable id counts.
    rate_hz : int
        The rate of the blocks.
    channel_map : sequence of int, optional
        Indices (from 0) of the channels that will be used. Without one, the number of channels isn't known
        before the device is: :meth:`start` then waits for it.
    wait : bool
        Whether to wait for a device that isn't there at the start.
    on_notice : callable, optional
        Told when the microphone goes and comes back: one message each, however long it takes. A monitor puts
        itself in here.
    layer : DeviceLayer, optional
        PortAudio by default.
    clock, sleep : callable
        Seconds; replaceable, so that tests need not wait.
    """

    live = True

    def __init__(
        self,
        selector: str,
        rate_hz: int,
        channel_map: Sequence[int] | None = None,
        *,
        wait: bool = True,
        on_notice: Callable[[Notice], None] | None = None,
        layer: DeviceLayer | None = None,
        clock: Callable[[], float] = clock_s,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.on_notice = on_notice
        self.sample_rate_hz = rate_hz
        self.channels = 0 if channel_map is None else max(channel_map) + 1
        self.name = f"microphone {selector!r}" if selector else "the default microphone"
        self.description: dict[str, object] = {"kind": "device", "id": selector, "channels": self.channels}
        self.lost_frames = 0
        self._selector = selector
        self._channel_map = channel_map
        self._wait = wait
        self._layer = layer or PortAudioLayer()
        self._clock, self._sleep = clock, sleep
        self._liveness, self._zeros = Liveness(), ZerosWatch()
        self._identity = ""
        self._capture: Capture | None = None
        self._stuck: list[threading.Thread] = []
        self._refresh_first = False
        self._overruns_before = 0
        # Frames given, lost ones included; lost ones that no block has followed yet; until when all is
        # counted; and whether the microphone was away since the start.
        self._frames = self._owed = 0
        self._until_s: float | None = None
        self._was_missed = False

    @property
    def state(self) -> LivenessState:
        """What the microphone is doing."""
        return self._liveness.state

    @property
    def overruns(self) -> int:
        return self._overruns_before + (self._capture.overruns if self._capture else 0)

    @property
    def waiting_frames(self) -> int:
        return self._scaled(self._capture.waiting_frames) if self._capture else 0

    def start(self) -> None:
        """Find and open the microphone; wait for it where that is wanted and its channels aren't known.

        Raises
        ------
        DeviceNotFoundError
            When it isn't there, or more than one answers.
        DeviceError
            When it can't be opened.
        ChannelMapError
            When it has fewer channels than the map needs.
        """
        self._attempt()
        while self._capture is None and not self.channels:
            self._rest()
            self._attempt()

    def blocks(self) -> Iterator[Samples]:
        """Yield blocks, for ever.

        Raises
        ------
        DeviceError
            When several streams in a row could not be closed, so that only a new process helps; and as
            :meth:`start`, when the microphone was never there.
        """
        self._until_s = self._clock()
        self._was_missed = False
        while True:
            if self._capture is None:
                self._rest()
                self._attempt()
                continue
            capture, resampler = self._capture, self._new_resampler(self._capture)
            try:
                for block in capture.blocks():
                    self._account_for(capture, block)
                    ready = resampler.push(block)
                    if len(ready):
                        yield self._counted(ready)
                    if self._watch_for_zeros(capture, block):
                        break
                else:
                    self._fail(f"{self.name} ended")
            except DeviceError as error:
                self._fail(str(error))
            tail = resampler.flush()
            if len(tail):
                yield self._counted(tail)
            self._let_go()

    def close(self) -> None:
        self._let_go()

    def _attempt(self) -> None:
        """Try to find and open the device once."""
        first = not self._identity
        try:
            device = self._find()
            self._capture = self._layer.open(device, self.sample_rate_hz, self._map_to_open())
        except (DeviceNotFoundError, DeviceError, ChannelMapError) as error:
            hopeless = isinstance(error, AmbiguousDeviceError | ChannelMapError) or not self._wait
            if first and hopeless:
                raise
            self._refresh_first = True
            self._fail(str(error))
            return
        self._identity = device.stable_id
        self._liveness.opened()
        self.name = f"microphone {device.name!r}"
        self.channels = self._capture.channels
        self.description = self._capture.description

    def _find(self) -> InputDevice:
        wanted = self._identity or self._selector
        if not self._layer.is_plugged_in(wanted):
            raise DeviceNotFoundError(f"{self.name} is not plugged in")
        # Looking again ends every stream, and waits for one that hangs.
        if self._refresh_first and not self._still_stuck():
            self._layer.refresh()
            self._refresh_first = False
        return self._layer.find(wanted)

    def _map_to_open(self) -> Sequence[int] | None:
        """Once the number of channels is known, it stays."""
        return self._channel_map or (range(self.channels) if self.channels else None)

    def _account_for(self, capture: Capture, block: Samples) -> None:
        """Account for what was lost before a block, and say that the microphone is back if it was away."""
        self._owed += self._scaled(capture.lost_frames)
        if self.state != "healthy":
            missed, self._was_missed = self._was_missed, False
            gap_s = capture.arrived_s - len(block) / capture.sample_rate_hz - (self._until_s or 0.0)
            # The first block comes a moment after the start: that is no loss, unless it had to be waited for.
            if missed or self._frames:
                self._owed += max(0, round(gap_s * self.sample_rate_hz))
            if self._liveness.heard():
                self._say_back(gap_s)
        self._until_s = capture.arrived_s

    def _counted(self, ready: Samples) -> Samples:
        self.lost_frames, self._owed = self._owed, 0
        self._frames += self.lost_frames + len(ready)
        return ready

    def _watch_for_zeros(self, capture: Capture, block: Samples) -> bool:
        """Look at the channels that matter; True when the device should be opened anew."""
        voting = block if self._channel_map is None else take_channels(block, self._channel_map)
        step = self._zeros.heard(voting, capture.sample_rate_hz)
        if step == "tell" and self._liveness.failed_silently():
            self._say_lost(
                f"{self.name} delivers nothing but zeros; is it muted? else pull it out and plug it in"
            )
        elif step == "sound" and self._liveness.heard():
            self._say_back(0.0)
        if step != "reopen":
            return False
        self._liveness.opened()
        self._refresh_first = True
        return True

    def _fail(self, reason: str) -> None:
        self._was_missed = True
        self._zeros.unplugged()
        if self._liveness.failed():
            # What is wrong, without the advice that follows it: the advice here is to wait.
            self._say_lost(f"{reason.partition(';')[0]}; waiting for it")

    def _say_lost(self, text: str) -> None:
        details: dict[str, object] = {"id": self._identity or self._selector}
        self._say(Notice("input_lost", self._frames / self.sample_rate_hz, text, details))

    def _say_back(self, gap_s: float) -> None:
        gap_s = round(max(0.0, gap_s), 3)
        t_s = (self._frames + self._owed) / self.sample_rate_hz
        text = f"{self.name} is back" + (f" after {gap_s:.1f} s" if gap_s else "")
        self._say(Notice("input_back", t_s, text, {"id": self._identity, "gap_s": gap_s}))

    def _say(self, notice: Notice) -> None:
        if self.on_notice is not None:
            self.on_notice(notice)

    def _rest(self) -> None:
        """Sleep until the next try, in naps, which a signal ends."""
        end_s = self._clock() + self._liveness.retry_s
        while (left_s := end_s - self._clock()) > 0.0:
            self._sleep(min(left_s, _NAP_S))

    def _let_go(self) -> None:
        """Close the stream on a thread of its own, since that of a dead device may never return."""
        capture, self._capture = self._capture, None
        if capture is None:
            return
        self._overruns_before += capture.overruns
        self._refresh_first = True
        closer = threading.Thread(target=_close, args=(capture,), name="microphone close", daemon=True)
        closer.start()
        closer.join(CLOSE_TIMEOUT_S)
        if not closer.is_alive():
            return
        self._stuck.append(closer)
        self._layer.abandon()
        if len(self._stuck) > MOST_STUCK and self._still_stuck() > MOST_STUCK:
            raise DeviceError(f"{self.name} can't be closed any more; start asc-edge again, or the machine")

    def _still_stuck(self) -> int:
        self._stuck = [closer for closer in self._stuck if closer.is_alive()]
        return len(self._stuck)

    def _new_resampler(self, capture: Capture) -> StreamResampler:
        return StreamResampler(capture.sample_rate_hz, self.sample_rate_hz, capture.channels)

    def _scaled(self, frames: int) -> int:
        """Frames of the device, at the rate of the blocks."""
        assert self._capture is not None
        return round(frames * self.sample_rate_hz / self._capture.sample_rate_hz)


def _close(capture: Capture) -> None:
    # There is nobody left to tell, and nothing left to save.
    with suppress(Exception):
        capture.close()


def open_microphone(
    settings: InputSettings, rate_hz: int, on_notice: Callable[[Notice], None] | None = None
) -> SupervisedSource:
    """The microphone that the settings mean, opened, or waited for.

    Where it is absent, and a channel map says how many channels it has, this returns at once, and the source
    waits while it is listened to. Without a map this waits.

    Parameters
    ----------
    settings : InputSettings
    rate_hz : int
        The bundle's rate.
    on_notice : callable, optional
        Told that it is waited for; a monitor puts itself in its place.

    Raises
    ------
    DeviceNotFoundError, DeviceError, ChannelMapError
        As :meth:`SupervisedSource.start`.
    """
    source = SupervisedSource(
        settings.device, rate_hz, settings.channel_map(), wait=settings.wait, on_notice=on_notice
    )
    source.start()
    return source
