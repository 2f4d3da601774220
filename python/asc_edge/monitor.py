"""The loop that listens: from source to sinks, and what keeps it in time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from asc_edge.audio.channels import select_channels, take_channels
from asc_edge.audio.resample import StreamResampler
from asc_edge.audio.samples import Samples
from asc_edge.audio.sources import Source
from asc_edge.bundle import Bundle
from asc_edge.events import EventTracker
from asc_edge.glimpse import Glimpse, TakesGlimpses
from asc_edge.pipeline import MAX_BRIDGED_GAP_S, Decision
from asc_edge.presence import PresenceTracker
from asc_edge.sinks import Notice, Session, Sink, Stats, utc_now
from asc_edge.watches import ChannelWatch, ClockWatch


class Decider(Protocol):
    """What the monitor needs of a :class:`asc_edge.pipeline.Pipeline`."""

    bundle: Bundle
    channels: int
    sample_rate_hz: int
    hop_s: float
    decisions: int
    skipped: int

    def push(self, block: Samples, *, decide: bool = True) -> list[Decision]: ...

    def skip(self, samples: int) -> None: ...

    def glimpse(self) -> Glimpse: ...


class _Stopped(BaseException):
    """Ends a wait for audio. No Exception, so that no source takes it for one of its own."""


class Monitor:
    """Listens until the source ends, the duration is over, or it is asked to stop.

    Parameters
    ----------
    source : Source
    pipeline : Pipeline
        For as many channels as the map selects.
    sinks : sequence of Sink
    channel_map : sequence of int, optional
        Indices (from 0) of the source's channels that are microphones; all by default.
    duration_s : float, optional
        How much audio to hear.
    tracker : EventTracker, optional
    presence : PresenceTracker, optional
        Its events reach the sinks among the others.
    wall_clock : callable, optional
        Where a live source's samples and it part, the sinks are told. None believes the samples.

    Raises
    ------
    ChannelMapError
        When the map doesn't fit the source.
    ResamplerMissingError
        When the source runs at another rate than the bundle, and there is no resampler.
    """

    def __init__(
        self,
        source: Source,
        pipeline: Decider,
        sinks: Sequence[Sink],
        *,
        channel_map: Sequence[int] | None = None,
        duration_s: float | None = None,
        tracker: EventTracker | None = None,
        presence: PresenceTracker | None = None,
        wall_clock: Callable[[], datetime] | None = utc_now,
    ) -> None:
        self._source = source
        self._pipeline = pipeline
        self._sinks = sinks
        self._viewers = [sink for sink in sinks if isinstance(sink, TakesGlimpses)]
        self._channels = select_channels(channel_map, source.channels, source.name)
        self._all_channels = self._channels == tuple(range(source.channels))
        self._resampler = self._new_resampler()
        rate = source.sample_rate_hz
        self._frames_left = None if duration_s is None else round(duration_s * rate)
        self._hop_frames = pipeline.hop_s * rate
        self._tracker = tracker or EventTracker()
        self._presence = presence
        self._channel_watch = ChannelWatch([index + 1 for index in self._channels])
        self._wall_clock = wall_clock
        self._clock_watch: ClockWatch | None = None
        self._frames_heard = 0
        self._frames_lost = 0
        self._samples_skipped = 0
        self._gap_is_told = False
        source.on_notice = self._pass_on
        self._stopped = False
        self._waiting = False

    def run(self) -> Stats:
        """Listen to the end, then write the last line, whatever ended it, and close the source.

        Raises
        ------
        AscEdgeError
            When the source fails.
        OSError
            When a sink's file or pipe can't be written.
        """
        try:
            session = self._session()
            if self._source.live and self._wall_clock is not None:
                self._clock_watch = ClockWatch(session.started, self._wall_clock)
            for sink in self._sinks:
                sink.start(session)
            try:
                self._listen()
            except _Stopped:
                pass
            finally:
                for sink in self._sinks:
                    sink.stats(self.stats())
        finally:
            self._source.close()
        return self.stats()

    def stop(self) -> None:
        """Ask it to end; made to be called by a signal handler of the thread that listens."""
        # Only the first signal may break into a wait, so that none breaks into the last line.
        first, self._stopped = not self._stopped, True
        if first and self._waiting:
            raise _Stopped

    def stats(self) -> Stats:
        """What it has come to so far."""
        rate = self._source.sample_rate_hz
        return Stats(
            decisions=self._pipeline.decisions,
            skipped=self._pipeline.skipped,
            overruns=self._source.overruns,
            lost_s=round(self._frames_lost / rate, 6),
            duration_s=round(self._frames_heard / rate, 6),
        )

    def _new_resampler(self) -> StreamResampler:
        return StreamResampler(
            self._source.sample_rate_hz, self._pipeline.sample_rate_hz, len(self._channels)
        )

    def _session(self) -> Session:
        bundle = self._pipeline.bundle
        # A microphone has been heard since it was opened; what waits already is the beginning.
        waiting_s = self._source.waiting_frames / self._source.sample_rate_hz if self._source.live else 0.0
        return Session(
            bundle=bundle.name,
            bundle_version=bundle.version,
            labels=bundle.labels,
            source_name=self._source.name,
            source=self._source.description,
            channels=len(self._channels),
            sample_rate_hz=self._pipeline.sample_rate_hz,
            window_s=bundle.window_s,
            hop_s=self._pipeline.hop_s,
            started=(self._wall_clock or utc_now)() - timedelta(seconds=waiting_s),
        )

    def _pass_on(self, notice: Notice) -> None:
        """Tell the sinks what the source has to say, which it does while it is waited for."""
        # A signal may break into the wait, but not into the lines that are written meanwhile.
        waiting, self._waiting = self._waiting, False
        # How long it was away is said by then, and needn't be said again.
        self._gap_is_told |= notice.kind == "input_back"
        self._tell(notice)
        self._waiting = waiting
        if waiting and self._stopped:
            raise _Stopped

    def _tell(self, notice: Notice) -> None:
        for sink in self._sinks:
            sink.notice(notice)

    def _listen(self) -> None:
        blocks = iter(self._source.blocks())
        while self._frames_left is None or self._frames_left > 0:
            # In this order a signal is noticed before the wait, or ends it, but never falls in between.
            self._waiting = True
            block = None if self._stopped else next(blocks, None)
            self._waiting = False
            if block is None:
                break
            self._hear(block)
        if not self._stopped:
            self._push(self._resampler.flush(), decide=True)

    def _hear(self, block: Samples) -> None:
        self._account_for_loss(self._source.lost_frames)
        if self._frames_left is not None:
            block = block[: max(0, self._frames_left)]
            self._frames_left -= len(block)
        if len(block) == 0:
            return
        self._frames_heard += len(block)
        if not self._all_channels:
            block = take_channels(block, self._channels)
        # Newest wins: with more than a hop of audio waiting, the decision due now would be an old one.
        late = self._source.live and self._source.waiting_frames > self._hop_frames
        self._push(self._resampler.push(block), decide=not late)

    def _account_for_loss(self, frames: int) -> None:
        """Let the pipeline's time go on over frames that never came."""
        gap_is_told, self._gap_is_told = self._gap_is_told, False
        if frames == 0:
            return
        rate = self._source.sample_rate_hz
        gap_s = frames / rate
        if gap_s > MAX_BRIDGED_GAP_S:
            # What is still inside the filter belongs to the time before.
            self._push(self._resampler.flush(), decide=True)
            self._resampler = self._new_resampler()
            if not gap_is_told:
                text = f"{gap_s:.1f} s of audio are missing"
                self._tell(Notice("gap", self._frames_heard / rate, text, {"gap_s": round(gap_s, 3)}))
        self._frames_lost += frames
        self._frames_heard += frames
        if self._frames_left is not None:
            self._frames_left -= frames
        # Rounded as a whole, so that many small losses don't add up to a drift.
        skipped = round(self._frames_lost * self._pipeline.sample_rate_hz / rate)
        self._pipeline.skip(skipped - self._samples_skipped)
        self._samples_skipped = skipped

    def _push(self, block: Samples, *, decide: bool) -> None:
        if len(block) == 0:
            return
        decisions = self._pipeline.push(block, decide=decide)
        for decision in decisions:
            events = self._tracker.update(decision)
            if self._presence is not None:
                events += self._presence.update(decision)
            for sink in self._sinks:
                sink.decision(decision)
                for event in events:
                    sink.event(event)
            for notice in self._notices_after(decision):
                self._tell(notice)
        if decisions and self._viewers:
            glimpse = self._pipeline.glimpse()
            for viewer in self._viewers:
                viewer.glimpse(glimpse)

    def _notices_after(self, decision: Decision) -> list[Notice]:
        notices = [self._channel_watch.update(decision)]
        if self._clock_watch is not None:
            waiting_s = self._source.waiting_frames / self._source.sample_rate_hz
            notices.append(self._clock_watch.update(decision.t_s, waiting_s))
        return [notice for notice in notices if notice is not None]
