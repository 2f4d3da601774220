"""The loop that listens: from source to sinks, and what keeps it in time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from asc_edge.audio.channels import select_channels, take_channels
from asc_edge.audio.resample import StreamResampler
from asc_edge.audio.samples import Samples
from asc_edge.audio.sources import Source
from asc_edge.bundle import Bundle
from asc_edge.events import EventTracker
from asc_edge.glimpse import Glimpse, TakesGlimpses
from asc_edge.pipeline import Decision
from asc_edge.sinks import Session, Sink, Stats


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
    ) -> None:
        self._source = source
        self._pipeline = pipeline
        self._sinks = sinks
        self._channels = select_channels(channel_map, source.channels, source.name)
        self._all_channels = self._channels == tuple(range(source.channels))
        self._resampler = StreamResampler(source.sample_rate_hz, pipeline.sample_rate_hz, len(self._channels))
        rate = source.sample_rate_hz
        self._frames_left = None if duration_s is None else round(duration_s * rate)
        self._hop_frames = pipeline.hop_s * rate
        self._tracker = tracker or EventTracker()
        self._frames_heard = 0
        self._frames_lost = 0
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
            for sink in self._sinks:
                sink.start(self._session())
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

    def _session(self) -> Session:
        bundle = self._pipeline.bundle
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
        )

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
        if frames == 0:
            return
        self._frames_lost += frames
        self._frames_heard += frames
        if self._frames_left is not None:
            self._frames_left -= frames
        self._pipeline.skip(round(frames * self._pipeline.sample_rate_hz / self._source.sample_rate_hz))

    def _push(self, block: Samples, *, decide: bool) -> None:
        if len(block) == 0:
            return
        decisions = self._pipeline.push(block, decide=decide)
        for decision in decisions:
            events = self._tracker.update(decision)
            for sink in self._sinks:
                sink.decision(decision)
                for event in events:
                    sink.event(event)
        viewers = [sink for sink in self._sinks if isinstance(sink, TakesGlimpses)] if decisions else []
        if viewers:
            glimpse = self._pipeline.glimpse()
            for viewer in viewers:
                viewer.glimpse(glimpse)
