"""The listening loop: what reaches the pipeline, when decisions are skipped, and how it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from asc_edge.audio.resample import resample
from asc_edge.audio.supervisor import SupervisedSource
from asc_edge.bundle import Bundle
from asc_edge.errors import ChannelMapError, DeviceError
from asc_edge.events import Event
from asc_edge.monitor import Monitor
from asc_edge.pipeline import Decision, Pipeline
from asc_edge.presence import PresenceRules, PresenceTracker
from asc_edge.sinks import Notice, Session, Stats, moved
from asc_edge.watches import ChannelWatch
from scripted_devices import Script, ScriptedLayer

from tiny_system import LABELS, band_noise

HOP = 8000


class ScriptedSource:
    """Yields given blocks; before each one a step of the script may change what the source says."""

    name = "script"

    def __init__(
        self,
        blocks: list[np.ndarray],
        *,
        live: bool = False,
        rate: int = 16000,
        before: Callable[[ScriptedSource, int], None] = lambda source, number: None,
    ) -> None:
        self._blocks, self._before = blocks, before
        self.live, self.sample_rate_hz = live, rate
        self.channels = blocks[0].shape[1]
        self.description: dict[str, object] = {"kind": "script"}
        self.lost_frames = self.overruns = self.waiting_frames = self.closed = 0

    def blocks(self) -> Iterator[np.ndarray]:
        for number, block in enumerate(self._blocks):
            self._before(self, number)
            yield block

    def close(self) -> None:
        self.closed += 1


class Recorder:
    """A sink that keeps everything."""

    def __init__(self) -> None:
        self.sessions: list[Session] = []
        self.decisions: list[Decision] = []
        self.events: list[Event] = []
        self.notices: list[Notice] = []
        self.all_stats: list[Stats] = []

    def start(self, session: Session) -> None:
        self.sessions.append(session)

    def decision(self, decision: Decision) -> None:
        self.decisions.append(decision)

    def event(self, event: Event) -> None:
        self.events.append(event)

    def notice(self, notice: Notice) -> None:
        self.notices.append(notice)

    def stats(self, stats: Stats) -> None:
        self.all_stats.append(stats)


class RecordingPipeline:
    """Takes what a pipeline takes, and remembers it."""

    def __init__(self, channels: int = 2) -> None:
        self.bundle = SimpleNamespace(name="b", version="1", labels=("a",), window_s=1.0)
        self.channels, self.sample_rate_hz, self.hop_s = channels, 16000, 0.5
        self.decisions = self.skipped = 0
        self.log: list[tuple[str, int]] = []
        self.heard: list[np.ndarray] = []

    def push(self, block: np.ndarray, *, decide: bool = True) -> list[Decision]:
        self.log.append(("decide" if decide else "hear", len(block)))
        self.heard.append(block)
        return []

    def skip(self, samples: int) -> None:
        self.log.append(("skip", samples))


def _blocks(count: int, frames: int = 1600, channels: int = 2) -> list[np.ndarray]:
    return [np.full((frames, channels), number, dtype=np.int16) for number in range(count)]


@pytest.fixture
def bundle(tiny_bundle: Path) -> Bundle:
    return Bundle.open(tiny_bundle)


def test_decisions_and_events_reach_the_sinks(bundle: Bundle) -> None:
    samples = np.concatenate([band_noise(label, 8.0) for label in LABELS])[:, np.newaxis]
    sinks = [Recorder(), Recorder()]
    source = ScriptedSource([samples[start : start + 700] for start in range(0, len(samples), 700)])
    stats = Monitor(source, Pipeline(bundle), sinks).run()
    for sink in sinks:
        assert [decision.t_s for decision in sink.decisions] == [1.0 + 0.5 * k for k in range(47)]
        assert [event.activity for event in sink.events if event.end_s is None] == list(LABELS)
        assert sink.all_stats == [stats]
        assert sink.sessions[0].labels == LABELS
    assert stats == Stats(decisions=47, skipped=0, overruns=0, lost_s=0.0, duration_s=24.0)
    assert source.closed


def test_the_channel_map_chooses_columns() -> None:
    """Catches a map that is checked, shown and then not applied."""
    block = np.arange(40, dtype=np.int16).reshape(10, 4)
    pipeline = RecordingPipeline()
    Monitor(ScriptedSource([block]), pipeline, [], channel_map=(3, 1)).run()
    np.testing.assert_array_equal(pipeline.heard[0], block[:, [3, 1]])


def test_a_map_that_does_not_fit_is_refused_before_anything_starts() -> None:
    with pytest.raises(ChannelMapError, match="script has 2 channels"):
        Monitor(ScriptedSource(_blocks(1)), RecordingPipeline(), [], channel_map=(0, 2))


def test_another_rate_is_resampled_as_a_whole(rng: np.random.Generator) -> None:
    """Catches a resampler per block, and a tail that is never flushed."""
    samples = rng.uniform(-1, 1, (48000, 2)).astype(np.float32)
    pipeline = RecordingPipeline()
    source = ScriptedSource([samples[start : start + 999] for start in range(0, 48000, 999)], rate=48000)
    stats = Monitor(source, pipeline, []).run()
    np.testing.assert_array_equal(np.concatenate(pipeline.heard), resample(samples, 48000, 16000))
    assert stats.duration_s == 1.0


@pytest.mark.parametrize("live", [True, False])
def test_newest_wins_but_only_where_audio_does_not_wait(live: bool) -> None:
    """Catches decisions that lag behind a microphone for ever, and files of which parts are skipped."""

    def fall_behind(source: ScriptedSource, number: int) -> None:
        source.waiting_frames = {2: HOP + 1, 3: HOP, 4: 5 * HOP}.get(number, 0)

    pipeline = RecordingPipeline()
    Monitor(ScriptedSource(_blocks(6), live=live, before=fall_behind), pipeline, []).run()
    acts = [act for act, _ in pipeline.log]
    late = "hear" if live else "decide"
    assert acts == ["decide", "decide", late, "decide", late, "decide"]


def test_skipped_decisions_are_counted_and_the_next_ones_are_right(bundle: Bundle) -> None:
    """Catches blocks that are dropped instead of heard while catching up."""
    samples = band_noise("mid", 6.0)[:, np.newaxis]

    def decisions_of(live: bool) -> tuple[list[Decision], Stats]:
        def fall_behind(source: ScriptedSource, number: int) -> None:
            source.waiting_frames = 3 * HOP if 20 <= number < 40 else 0

        sink = Recorder()
        blocks = [samples[start : start + 1600] for start in range(0, len(samples), 1600)]
        stats = Monitor(ScriptedSource(blocks, live=live, before=fall_behind), Pipeline(bundle), [sink]).run()
        return sink.decisions, stats

    calm, _ = decisions_of(live=False)
    late, stats = decisions_of(live=True)
    assert (stats.decisions, stats.skipped) == (7, 4)
    posteriors = {decision.t_s: decision.posterior for decision in calm}
    assert all(decision.posterior == posteriors[decision.t_s] for decision in late)
    assert late[-1].t_s == 6.0


def test_lost_audio_lets_time_go_on_before_the_block_that_follows() -> None:
    """Catches timestamps that run slow after a loss, and losses counted at the device's rate."""

    def lose(source: ScriptedSource, number: int) -> None:
        source.lost_frames = 4800 if number == 1 else 0
        source.overruns += number == 1

    pipeline = RecordingPipeline()
    source = ScriptedSource(_blocks(3, frames=4800), rate=48000, live=True, before=lose)
    stats = Monitor(source, pipeline, []).run()
    acts = [act for act, _ in pipeline.log]
    assert acts[:3] == ["decide", "skip", "decide"]
    assert dict(pipeline.log)["skip"] == 1600
    assert (stats.overruns, stats.lost_s, stats.duration_s) == (1, 0.1, 0.4)


def test_the_duration_is_exact_to_the_sample() -> None:
    pipeline = RecordingPipeline()
    stats = Monitor(ScriptedSource(_blocks(9)), pipeline, [], duration_s=0.25).run()
    assert sum(count for _, count in pipeline.log) == 4000
    assert stats.duration_s == 0.25


def test_a_source_that_fails_is_closed_after_the_last_line() -> None:
    """Catches statistics that are lost with the microphone."""

    def fail(source: ScriptedSource, number: int) -> None:
        if number == 2:
            raise DeviceError("gone")

    sink, source = Recorder(), ScriptedSource(_blocks(3), before=fail)
    with pytest.raises(DeviceError, match="gone"):
        Monitor(source, RecordingPipeline(), [sink]).run()
    assert sink.all_stats[0].duration_s == 0.2
    assert source.closed


def test_a_sink_whose_reader_has_gone_ends_it() -> None:
    class Deaf(Recorder):
        def start(self, session: Session) -> None:
            raise BrokenPipeError

    source = ScriptedSource(_blocks(1))
    with pytest.raises(BrokenPipeError):
        Monitor(source, RecordingPipeline(), [Deaf()]).run()
    assert source.closed


def test_stop_while_waiting_ends_the_wait_and_only_once() -> None:
    """Catches a stop that is noticed only when the next block comes, which may be never."""
    sink = Recorder()

    def stop_in_the_wait(source: ScriptedSource, number: int) -> None:
        if number == 1:
            monitor.stop()
            raise AssertionError("the wait went on")

    source = ScriptedSource(_blocks(3), before=stop_in_the_wait)
    monitor = Monitor(source, RecordingPipeline(), [sink])
    assert monitor.run().duration_s == 0.1
    monitor.stop()
    assert len(sink.all_stats) == 1


def test_stop_while_working_lets_the_work_be_finished() -> None:
    """Catches a signal that tears a line or an inference apart."""

    class Stopping(RecordingPipeline):
        def push(self, block: np.ndarray, *, decide: bool = True) -> list[Decision]:
            monitor.stop()
            return super().push(block, decide=decide)

    pipeline = Stopping()
    monitor = Monitor(ScriptedSource(_blocks(3)), pipeline, [])
    assert monitor.run().duration_s == 0.1
    assert pipeline.log == [("decide", 1600)]


def _microphone(script: Script, layer: ScriptedLayer) -> SupervisedSource:
    return SupervisedSource("", 16000, (0, 1), layer=layer, clock=script.clock, sleep=script.sleep)


# Catches: notices that never reach a sink, a gap that is told a third time, and time that is off afterwards.
def test_an_outage_of_an_hour_has_two_notices_and_the_right_times(bundle: Bundle) -> None:
    script = Script()
    layer = ScriptedLayer(script, channels=2)
    script.at(10.0, layer.unplug)
    script.at(3610.0, layer.plug)
    source, sink = _microphone(script, layer), Recorder()
    source.start()
    pipeline, clock = Pipeline(bundle, channels=2), script.wall_clock
    stats = Monitor(source, pipeline, [sink], duration_s=3640.0, wall_clock=clock).run()
    notices = [notice for notice in sink.notices if notice.kind != "channels"]
    assert [notice.kind for notice in notices] == ["input_lost", "input_back"]
    assert notices[0].t_s == pytest.approx(10.0, abs=0.2)
    assert 3610.0 <= notices[1].t_s < 3615.0
    times_s = [decision.t_s for decision in sink.decisions]
    # None on audio from both sides of the outage: a whole window later.
    assert not [t_s for t_s in times_s if notices[0].t_s < t_s < notices[1].t_s + 1.0]
    assert times_s[-1] == pytest.approx(script.t_s, abs=0.6)
    assert stats.duration_s == 3640.0
    assert stats.lost_s == pytest.approx(notices[1].t_s - notices[0].t_s, abs=0.1)


# Catches: times of day that stay wrong for months after a clock was set, or drift away; a notice each minute.
@pytest.mark.parametrize(
    ("step_s", "drift", "told"), [(0.0, 0.0, 0), (3600.0, 0.0, 1), (-7200.0, 0.0, 1), (0.0, 0.03, 2)]
)
def test_a_clock_that_is_set_or_drifts(step_s: float, drift: float, told: int, bundle: Bundle) -> None:
    script = Script()
    source, sink = _microphone(script, ScriptedLayer(script, channels=2)), Recorder()
    source.start()

    def clock() -> datetime:
        late = timedelta(seconds=script.t_s * drift + (step_s if script.t_s > 60.0 else 0.0))
        return script.wall_clock() + late

    Monitor(source, Pipeline(bundle, channels=2), [sink], duration_s=150.0, wall_clock=clock).run()
    notices = [notice for notice in sink.notices if notice.kind == "clock"]
    assert len(notices) == told
    session = sink.sessions[0]
    for notice in notices:
        session = moved(session, notice)
    shown = session.started + timedelta(seconds=sink.decisions[-1].t_s)
    assert abs((clock() - shown).total_seconds()) < 3.0


# Catches: a signal that waits for the microphone, and a last line that is lost with it.
def test_stop_while_the_microphone_is_lost_ends_it(bundle: Bundle) -> None:
    script = Script()
    layer = ScriptedLayer(script, channels=2)
    script.at(5.0, layer.unplug)
    source, sink = _microphone(script, layer), Recorder()
    monitor = Monitor(source, Pipeline(bundle, channels=2), [sink])
    script.at(100.0, monitor.stop)
    stats = monitor.run()
    assert script.t_s == 100.0
    assert sink.all_stats == [stats]
    assert sink.notices[-1].kind == "input_lost"
    assert not any(capture.is_open for capture in layer.captures)


# Catches: a line that a signal tears apart because the source speaks while it is waited for.
def test_stop_while_a_notice_is_written_lets_it_be_finished() -> None:
    class Slow(Recorder):
        def notice(self, notice: Notice) -> None:
            monitor.stop()
            super().notice(notice)

    def speak(source: ScriptedSource, number: int) -> None:
        if number == 1:
            assert source.on_notice is not None
            source.on_notice(Notice("input_lost", 0.1, "gone"))
            raise AssertionError("the wait went on")

    sinks = [Slow(), Recorder()]
    monitor = Monitor(ScriptedSource(_blocks(3), before=speak), RecordingPipeline(), sinks)
    assert monitor.run().duration_s == 0.1
    assert all([notice.text for notice in sink.notices] == ["gone"] for sink in sinks)


# Catches: a gap that isn't marked, one marked although the window bridges it, and drops that aren't counted.
@pytest.mark.parametrize(("frames", "notices"), [(8000, 0), (8001, 1), (80000, 1)])
def test_a_gap_longer_than_the_window_bridges_is_marked(frames: int, notices: int, bundle: Bundle) -> None:
    samples = band_noise("mid", 8.0)[:, np.newaxis]

    def lose(source: ScriptedSource, number: int) -> None:
        source.lost_frames = frames if number == 40 else 0
        source.overruns += number == 40

    sink = Recorder()
    blocks = [samples[start : start + 1600] for start in range(0, len(samples), 1600)]
    source = ScriptedSource(blocks, live=True, before=lose)
    stats = Monitor(source, Pipeline(bundle), [sink], wall_clock=None).run()
    assert [notice.kind for notice in sink.notices] == ["gap"] * notices
    if notices:
        assert sink.notices[0].t_s == 4.0
        assert sink.notices[0].details == {"gap_s": round(frames / 16000, 3)}
        after = [decision.t_s for decision in sink.decisions if decision.t_s > 4.0]
        assert after[0] == pytest.approx(4.0 + frames / 16000 + 1.0)
    assert stats.lost_s == round(frames / 16000, 6)
    assert stats.duration_s == round(8.0 + frames / 16000, 6)
    # Every decision that fell due was made or counted, but for those that the new window waited for.
    assert stats.decisions + stats.skipped == len(sink.decisions) + (frames // 8000)


# Catches: time that drifts by a rounding at every loss.
def test_many_small_losses_do_not_add_up() -> None:
    def lose(source: ScriptedSource, number: int) -> None:
        source.lost_frames = 1 if number else 0

    pipeline = RecordingPipeline()
    source = ScriptedSource(_blocks(301, frames=100), rate=48000, live=True, before=lose)
    Monitor(source, pipeline, []).run()
    assert sum(count for act, count in pipeline.log if act == "skip") == 100


# Catches: the end of the sound before a gap that comes out of the resampler after it.
def test_a_gap_flushes_the_resampler(rng: np.random.Generator) -> None:
    before, after = rng.uniform(-0.5, 0.5, (2, 24000, 1)).astype(np.float32)

    def lose(source: ScriptedSource, number: int) -> None:
        source.lost_frames = 48000 if number == 1 else 0

    pipeline = RecordingPipeline(channels=1)
    Monitor(ScriptedSource([before, after], rate=48000, live=True, before=lose), pipeline, []).run()
    at = pipeline.log.index(("skip", 16000))
    # A block that is heard stands in both lists.
    heard = np.concatenate(pipeline.heard[:at])
    np.testing.assert_array_equal(heard, resample(before, 48000, 16000))
    np.testing.assert_array_equal(np.concatenate(pipeline.heard[at:]), resample(after, 48000, 16000))


def _health(*verdicts: str, t_s: float = 1.0) -> Decision:
    return Decision(t_s, None, {}, "no_input", verdicts, 1.0)


# Catches: a notice at each decision, one for a moment's trouble, and channels called by other numbers.
def test_a_channel_is_told_once_its_health_has_changed_for_good() -> None:
    watch = ChannelWatch([2, 3])
    script = ["ok", "dead", "dead", "ok", "dead", "clipped", "dead", "dead", "dead", "dead", "ok", "ok", "ok"]
    told = [watch.update(_health("ok", verdict, t_s=float(t))) for t, verdict in enumerate(script)]
    notices = [notice for notice in told if notice is not None]
    assert [notice.t_s for notice in notices] == [8.0, 12.0]
    assert notices[0].text == "channel 3 is dead, was ok"
    assert notices[0].details == {"channels": {"2": "ok", "3": "dead"}}
    assert notices[1].text == "channel 3 is ok, was dead"


def test_channels_are_told_to_the_sinks_by_the_devices_numbers(bundle: Bundle) -> None:
    samples = np.zeros((6 * 16000, 3), np.float32)
    samples[:, 1] = band_noise("mid", 6.0)
    sink = Recorder()
    Monitor(ScriptedSource([samples]), Pipeline(bundle, channels=2), [sink], channel_map=(1, 2)).run()
    assert [notice.text for notice in sink.notices] == ["channel 3 is dead, was ok"]
    assert sink.notices[0].t_s == 2.0


# Catches: presence that is watched and never told.
def test_presence_reaches_the_sinks(bundle: Bundle) -> None:
    sink = Recorder()
    source = ScriptedSource([band_noise("mid", 6.0)[:, np.newaxis]])
    presence = PresenceTracker(PresenceRules())
    Monitor(source, Pipeline(bundle), [sink], presence=presence).run()
    assert Event("presence", 1.0) in sink.events


# Catches: a session that seems to begin when the model was loaded, although the microphone heard before.
def test_a_session_starts_with_its_first_sample() -> None:
    sinks = [Recorder(), Recorder()]
    for sink, waiting in zip(sinks, (0, 160000), strict=True):
        source = ScriptedSource(_blocks(1), live=True)
        source.waiting_frames = waiting
        Monitor(source, RecordingPipeline(), [sink]).run()
    started = [sink.sessions[0].started for sink in sinks]
    assert (started[0] - started[1]).total_seconds() == pytest.approx(10.0, abs=2.0)
