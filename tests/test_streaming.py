"""Networks in two parts: whatever happens on the stream, kept columns are those of the whole window.

The oracle is the whole-window network, run anew at every decision by ``Pipeline(cache=False)``.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from asc_edge import Bundle, Pipeline
from asc_edge.audio.verdicts import ChannelJudge
from asc_edge.errors import EngineError
from asc_edge.manifest import StreamSpec
from asc_edge.members import ChannelsAs
from asc_edge.pipeline import Decision
from asc_edge.streaming import why_not_cached
from stream_system import COLUMNS, FRAMES, HOP_COLUMNS, STREAM, lively_noise, stream_bundle

RATE = 16000
WINDOW, HOP = 19200, 4800


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return stream_bundle(tmp_path_factory.mktemp("stream") / "stream.ascb")


def assert_equal_answers(cached: list[Decision], whole: list[Decision]) -> None:
    assert [(d.t_s, d.state, d.channels) for d in cached] == [(d.t_s, d.state, d.channels) for d in whole]
    for one, other in zip(cached, whole, strict=True):
        np.testing.assert_allclose(list(one.posterior.values()), list(other.posterior.values()), atol=1e-4)
        for name, values in other.members.items():
            np.testing.assert_allclose(one.members[name], values, atol=1e-5)


def events(rng: np.random.Generator, channels: int) -> list[tuple[str, NDArray[np.float32] | int]]:
    """A minute in the life of an array: sound, silence, microphones that die and come back, lost samples."""
    script: list[tuple[str, NDArray[np.float32] | int]] = []
    for _ in range(14):
        samples = int(rng.integers(1, 3 * HOP))
        what = rng.choice(["sound", "sound", "sound", "silence", "dead", "late", "gap", "long gap", "reset"])
        if what == "gap":
            script.append(("skip", int(rng.integers(1, RATE // 2))))
        elif what == "long gap":
            script.append(("skip", RATE))
        elif what == "reset":
            script.append(("reset", 0))
        else:
            block = lively_noise(rng, samples, channels)
            if what == "silence":
                block = np.asarray(1e-6 * block)
            if what == "dead":
                # Long enough for the whole window to be constant: the channel stops voting, and comes back.
                block = lively_noise(rng, WINDOW + samples, channels)
                block[:, int(rng.integers(channels))] = 0.0
            script.append(("late" if what == "late" else "push", block))
    return script


def play(
    pipeline: Pipeline, script: list[tuple[str, NDArray[np.float32] | int]], block: int
) -> list[Decision]:
    heard: list[Decision] = []
    for what, value in script:
        if what == "reset":
            pipeline.reset()
        elif isinstance(value, int):
            pipeline.skip(value)
        else:
            for start in range(0, len(value), block):
                heard += pipeline.push(value[start : start + block], decide=what != "late")
    return heard


# Catches: columns of another time, channel or phase; a cache that outlives a gap; a wrong chunk where the
# window begins; lowest cells of channels of which some have stopped voting, or vote again.
@pytest.mark.parametrize("hop_s", [0.06, 0.3, 0.36, 0.6])
@pytest.mark.parametrize("seed", range(9))
def test_kept_columns_answer_as_the_whole_window_does(bundle: Bundle, hop_s: float, seed: int) -> None:
    rng = np.random.default_rng([seed, round(100 * hop_s)])
    channels = int(rng.integers(1, 5))
    script = events(rng, channels)
    block = int(rng.choice([160, 777, 4800, 100_000]))
    channels_as: ChannelsAs = "each" if seed < 6 else "quietest"
    cached = Pipeline(bundle, channels=channels, hop_s=hop_s, channels_as=channels_as)
    whole = Pipeline(bundle, channels=channels, hop_s=hop_s, channels_as=channels_as, cache=False)
    answers = play(cached, script, block)
    assert_equal_answers(answers, play(whole, script, block))
    assert [report.cached for report in (*cached.streams, *whole.streams)] == [True, False]
    posteriors = {tuple(np.round(list(d.posterior.values()), 3)) for d in answers if d.posterior}
    assert len(posteriors) > 3 or len(answers) < 8


# Catches: a cache that depends on how the samples come in; one sample at a time is the smallest block.
@pytest.mark.parametrize("block", [1, 319, 320, 321, 50_000])
def test_blocks_change_nothing(bundle: Bundle, block: int, rng: np.random.Generator) -> None:
    clip = lively_noise(rng, WINDOW + 3 * HOP + 17, 2)
    expected = Pipeline(bundle, channels=2).push(clip)
    pipeline = Pipeline(bundle, channels=2)
    pieces = [d for start in range(0, len(clip), block) for d in pipeline.push(clip[start : start + block])]
    assert [d.posterior for d in pieces] == [d.posterior for d in expected]
    assert len(pieces) == 4


# Catches: work that isn't saved after all; the answers alone wouldn't show it.
def test_a_hop_costs_its_new_columns(bundle: Bundle, rng: np.random.Generator) -> None:
    pipeline = Pipeline(bundle, channels=3)
    (first,) = pipeline.push(lively_noise(rng, WINDOW, 3))
    assert first.state == "ok"
    # Four chunks of five columns fill a window of 17.
    assert (pipeline.streams[0].columns_computed, pipeline.streams[0].columns_needed) == (3 * 20, 3 * COLUMNS)
    pipeline.push(lively_noise(rng, 10 * HOP, 3))
    report = pipeline.streams[0]
    assert report.columns_computed == 3 * (20 + 10 * HOP_COLUMNS)
    assert report.columns_needed == 3 * 11 * COLUMNS
    assert COLUMNS / HOP_COLUMNS > 3
    assert (report.member, report.cached, report.reason) == ("stream", True, "")


# Catches: a channel that comes back with the columns of the time before it died, or that costs a whole window
# although half of its columns are still good.
@pytest.mark.parametrize(
    ("out", "catching_up"), [(1, 2 * HOP_COLUMNS), (2, 3 * HOP_COLUMNS), (3, 20), (6, 20)]
)
def test_a_channel_that_comes_back_catches_up(
    bundle: Bundle, out: int, catching_up: int, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A judge without memory lets a channel vote again at once, after any number of decisions.
    monkeypatch.setattr(ChannelJudge, "judge", lambda self, t_s, status, *measured: tuple(status))
    clip = lively_noise(rng, 2 * WINDOW + (out + 4) * HOP, 2)
    # Constant for more than a whole window: it has no vote in the decisions that hear nothing else of it.
    clip[WINDOW : 2 * WINDOW + (out - 1) * HOP + HOP // 2, 1] = 0.1
    pipelines = Pipeline(bundle, channels=2), Pipeline(bundle, channels=2, cache=False)
    cached, whole = (pipeline.push(clip) for pipeline in pipelines)
    assert_equal_answers(cached, whole)
    votes = [decision.channels.count("ok") for decision in cached]
    assert votes.count(1) == out
    assert votes[-2:] == [2, 2]
    hops = len(votes) - 1
    expected = 2 * 20 + HOP_COLUMNS * (hops + hops - out - 1) + catching_up
    assert pipelines[0].streams[0].columns_computed == expected


# Catches: an overloaded machine that fills the cache for decisions which never come on time.
def test_late_decisions_take_the_cheaper_way(bundle: Bundle, rng: np.random.Generator) -> None:
    pipeline = Pipeline(bundle)
    oracle = Pipeline(bundle, cache=False)

    def computed_by(hops: int) -> int:
        before = pipeline.streams[0].columns_computed
        late, due = lively_noise(rng, (hops - 1) * HOP, 1), lively_noise(rng, HOP, 1)
        for each in (pipeline, oracle):
            each.push(late, decide=False)
        assert_equal_answers(pipeline.push(due), oracle.push(due))
        return pipeline.streams[0].columns_computed - before

    start = lively_noise(rng, WINDOW, 1)
    for each in (pipeline, oracle):
        each.push(start)
    assert computed_by(1) == HOP_COLUMNS
    assert computed_by(2) == 2 * HOP_COLUMNS  # two chunks of 22 frames are less than 59
    assert computed_by(3) == COLUMNS  # three are more: the whole window
    assert computed_by(4) == COLUMNS
    assert computed_by(1) == 4 * HOP_COLUMNS  # on time again: the columns are filled up,
    assert computed_by(1) == HOP_COLUMNS  # and pay off


@pytest.mark.parametrize(
    ("hop_s", "cache", "reason"),
    [
        (0.25, True, "a hop of 12.5 frames is no multiple of the network's 3"),
        (0.32, True, "a hop of 16 frames is no multiple of the network's 3"),
        (1.2, True, "20 new columns a hop cost no less than the window's 17"),
        (0.3, False, "the cache is turned off"),
    ],
)
def test_where_no_columns_can_be_kept_it_says_why(
    bundle: Bundle, hop_s: float, cache: bool, reason: str, rng: np.random.Generator
) -> None:
    clip = lively_noise(rng, 2 * WINDOW, 1)
    pipeline = Pipeline(bundle, hop_s=hop_s, cache=cache)
    answers = pipeline.push(clip)
    assert pipeline.streams[0].reason == reason
    assert not pipeline.streams[0].cached
    # The parts aren't even loaded.
    assert list(pipeline.engines) == ["network.onnx"]
    assert_equal_answers(answers, Pipeline(bundle, hop_s=hop_s, cache=False).push(clip))


def test_a_chunk_of_another_length_gives_the_same(tmp_path: Path, rng: np.random.Generator) -> None:
    """The bundle's chunk is made for its own hop. Catches: a hop that takes it for its own."""
    clip = lively_noise(rng, 2 * WINDOW, 2)
    expected = Pipeline(stream_bundle(tmp_path / "whole.ascb", stream=None), channels=2).push(clip)
    for columns in (1, 2, 7, COLUMNS):
        chunk = {**STREAM, "chunk_frames": 3 * columns + 7}
        bundle = stream_bundle(tmp_path / f"{columns}.ascb", stream=chunk)
        pipeline = Pipeline(bundle, channels=2)
        assert_equal_answers(pipeline.push(clip), expected)
        assert pipeline.streams[0].cached


def test_cost_of_chunks_decides_whether_columns_are_kept() -> None:
    stream = StreamSpec("trunk", "head", 22, 7, 3, 17)
    sizes = {"hop_samples": 4800, "frame_hop_samples": 320, "window_frames": FRAMES}
    assert why_not_cached(stream, **sizes) == ""
    assert "cost no less" in why_not_cached(stream, **{**sizes, "hop_samples": 3 * 4800})
    assert why_not_cached(replace(stream, chunk_frames=10), **sizes) == ""
    assert "cost no less" in why_not_cached(
        replace(stream, chunk_frames=58), **{**sizes, "window_frames": 58}
    )


def test_parts_that_do_not_fit_the_manifest_are_refused(tmp_path: Path) -> None:
    """Catches: columns that are spread over the wrong places without a word."""
    swapped = {**STREAM, "trunk": "head.onnx", "head": "trunk.onnx"}
    with pytest.raises(EngineError, match=r"head\.onnx"):
        Pipeline(stream_bundle(tmp_path / "swapped.ascb", stream=swapped))
    # Three frames a column more than the trunk has: a chunk gives more columns than are promised.
    wrong = {**STREAM, "context_frames": 10, "columns": 16, "chunk_frames": 25}
    with pytest.raises(EngineError, match=r"trunk\.onnx") as error:
        Pipeline(stream_bundle(tmp_path / "wrong.ascb", stream=wrong))
    assert "\n" not in str(error.value)
