"""The pipeline: decisions fall where they should, whatever the blocks, and only healthy channels vote."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from asc_edge import Bundle, LateFusion, LinearSvm, Pipeline, log_mel
from asc_edge.errors import AudioFormatError, ConfigError, EngineError, NonFiniteError
from asc_edge.frontend import picture
from asc_edge.pipeline import classify_clip, fit_to_window

from tiny_system import CONFIG, LABELS, band_noise, band_templates, tiny_files


@pytest.fixture
def bundle(tiny_bundle: Path) -> Bundle:
    return Bundle.open(tiny_bundle)


def four_channels(signal: NDArray[np.float32]) -> NDArray[np.float32]:
    """The same scene at four microphones of different gain, noise and DC offset."""
    noise = np.random.default_rng(5).standard_normal((len(signal), 4)) * 1e-4
    gains = np.array([1.0, 0.7, 0.5, 0.9])
    return (signal[:, np.newaxis] * gains + noise + np.array([0.0, 0.07, 0.03, -0.02])).astype(np.float32)


@pytest.mark.parametrize("label", LABELS)
def test_each_label_is_recognised(bundle: Bundle, label: str) -> None:
    decisions = Pipeline(bundle, channels=4).push(four_channels(band_noise(label, 2.0)))
    assert [decision.t_s for decision in decisions] == [1.0, 1.5, 2.0]
    for decision in decisions:
        assert decision.top == label
        assert decision.state == "ok"
        assert decision.channels == ("ok",) * 4
        assert sum(decision.posterior.values()) == pytest.approx(1.0)


def test_first_decision_equals_the_arithmetic_done_by_hand(bundle: Bundle) -> None:
    """Oracle: numpy alone, from the frames on. Catches a wrong floor, channel or fusion order."""
    clip = four_channels(band_noise("mid", 1.0))
    (decision,) = Pipeline(bundle, channels=4).push(clip)
    frames = log_mel(clip, CONFIG).astype(np.float64)

    def scaled(floor_db: float) -> NDArray[np.float64]:
        relative = np.maximum(frames - frames.max(axis=(1, 2), keepdims=True), floor_db)
        return np.asarray((relative - floor_db) / -floor_db)

    scores = scaled(-60.0).mean(axis=2) @ (20.0 * band_templates())
    softmax = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    values = scaled(-80.0).mean(axis=2) @ band_templates() - 0.5
    outputs = softmax.mean(axis=0), values.mean(axis=0)
    sigmoid = 1 / (1 + np.exp(-6.0 * (outputs[0] + outputs[1] - 0.5)))
    np.testing.assert_allclose(decision.members["bands"], outputs[0], atol=1e-5)
    np.testing.assert_allclose(decision.members["embedding"], outputs[1], atol=1e-5)
    np.testing.assert_allclose(list(decision.posterior.values()), sigmoid / sigmoid.sum(), atol=1e-5)


@pytest.mark.parametrize("chunk", [1, 7, 160, 511, 4096, 16000, 40000])
def test_chunks_change_nothing(bundle: Bundle, chunk: int) -> None:
    clip = four_channels(np.concatenate([band_noise("low", 1.3), band_noise("high", 1.2)]))
    whole = Pipeline(bundle, channels=4).push(clip)
    pipeline = Pipeline(bundle, channels=4)
    pieces = [d for start in range(0, len(clip), chunk) for d in pipeline.push(clip[start : start + chunk])]
    assert [d.t_s for d in pieces] == [1.0, 1.5, 2.0, 2.5]
    assert [d.posterior for d in pieces] == [d.posterior for d in whole]
    assert [d.channels for d in pieces] == [d.channels for d in whole]


def test_int16_equals_float32(bundle: Bundle) -> None:
    integers = np.round(four_channels(band_noise("high", 1.0)) * 32767).astype(np.int16)
    as_float = integers.astype(np.float32) / 32768
    (a,), (b,) = (Pipeline(bundle, channels=4).push(block) for block in (integers, as_float))
    assert a.posterior == b.posterior


def test_dead_and_clipped_channels_do_not_vote(bundle: Bundle) -> None:
    clip = four_channels(band_noise("low", 1.0))
    clip[:, 1] = 0.02
    clip[:, 3] = np.sign(band_noise("high", 1.0, seed=3))
    (decision,) = Pipeline(bundle, channels=4).push(clip)
    (healthy,) = Pipeline(bundle, channels=2).push(np.ascontiguousarray(clip[:, [0, 2]]))
    assert decision.channels == ("ok", "dead", "ok", "clipped")
    assert decision.top == "low"
    assert decision.posterior == healthy.posterior


def test_clipped_channels_vote_where_there_is_no_other(bundle: Bundle) -> None:
    """A loud room clips every microphone; catches a system that falls silent because of it."""
    loud = np.clip(8 * four_channels(band_noise("low", 1.0)), -1.0, 1.0)
    loud[:, 2] = 0.0
    (decision,) = Pipeline(bundle, channels=4).push(loud)
    assert decision.channels == ("clipped", "clipped", "dead", "clipped")
    assert (decision.state, decision.top) == ("ok", "low")


def test_no_sound_fires_no_class(bundle: Bundle, rng: np.random.Generator) -> None:
    lsb = rng.integers(-1, 2, (16000, 2)).astype(np.int16)
    for block, state in [
        (np.zeros((16000, 2), np.float32), "no_input"),
        (np.full((16000, 2), 0.07, np.float32), "no_input"),
        (lsb, "silent"),
        ((lsb + 2000).astype(np.int16), "silent"),
    ]:
        (decision,) = Pipeline(bundle, channels=2).push(block)
        assert (decision.state, decision.top, decision.posterior) == (state, None, {})


def test_gain_and_offset_do_not_change_the_decision(bundle: Bundle) -> None:
    clip = band_noise("mid", 1.0)[:, np.newaxis]
    (reference,) = Pipeline(bundle).push(clip)
    for changed in (clip * np.float32(0.1), clip + np.float32(0.07)):
        (decision,) = Pipeline(bundle).push(changed)
        for label in LABELS:
            assert decision.posterior[label] == pytest.approx(reference.posterior[label], abs=1e-3)


def test_bad_blocks_are_refused_and_nothing_is_consumed(bundle: Bundle) -> None:
    clip = four_channels(band_noise("low", 1.0))
    pipeline = Pipeline(bundle, channels=4)
    pipeline.push(clip[:8000])
    poisoned = clip[8000:].copy()
    poisoned[-1, 2] = np.nan
    with pytest.raises(NonFiniteError):
        pipeline.push(poisoned)
    for wrong in (clip[8000:, :2], clip[8000:, 0], clip[8000:].astype(np.float64)):
        with pytest.raises(AudioFormatError):
            pipeline.push(wrong)
    (decision,) = pipeline.push(clip[8000:])
    (untouched,) = Pipeline(bundle, channels=4).push(clip)
    assert decision.posterior == untouched.posterior
    with pytest.raises(ConfigError):
        Pipeline(bundle, hop_s=0.0)


def test_skipped_decisions_are_counted_and_change_no_other(bundle: Bundle) -> None:
    clip = band_noise("mid", 3.0)[:, np.newaxis]
    every = Pipeline(bundle).push(clip)
    pipeline = Pipeline(bundle)
    assert pipeline.push(clip[:30000], decide=False) == []
    late = pipeline.push(clip[30000:])
    assert (pipeline.skipped, pipeline.decisions) == (2, 3)
    assert [d.posterior for d in late] == [d.posterior for d in every[2:]]


def test_a_short_gap_is_bridged_and_a_long_one_empties_the_window(bundle: Bundle) -> None:
    clip = band_noise("low", 4.0)[:, np.newaxis]
    pipeline = Pipeline(bundle)
    pipeline.push(clip[:20000])
    pipeline.skip(6000)  # 0.375 s: over the decision at 1.5 s, which can't be made any more
    assert pipeline.skipped == 1
    assert [d.t_s for d in pipeline.push(clip[26000:40000])] == [2.0, 2.5]
    pipeline.skip(16000)
    assert [d.t_s for d in pipeline.push(clip[:20000])] == [4.5]  # 3.5 s, and a whole new window

    waiting = Pipeline(bundle)
    waiting.push(clip[:8000])
    waiting.skip(4000)
    assert [d.t_s for d in waiting.push(clip[:8000])] == [1.25]  # the first window is never half a window


def test_reset_starts_again(bundle: Bundle) -> None:
    clip = band_noise("high", 1.0)[:, np.newaxis]
    pipeline = Pipeline(bundle)
    (first,) = pipeline.push(clip)
    pipeline.push(band_noise("low", 0.7)[:, np.newaxis])
    pipeline.reset()
    (again,) = pipeline.push(clip)
    assert (again.posterior, again.t_s, pipeline.decisions) == (first.posterior, 1.0, 1)


def test_hop_of_the_caller_is_used(bundle: Bundle) -> None:
    decisions = Pipeline(bundle, hop_s=0.25).push(band_noise("low", 1.6)[:, np.newaxis])
    assert [d.t_s for d in decisions] == [1.0, 1.25, 1.5]


def test_clips_of_any_length(bundle: Bundle) -> None:
    pipeline = Pipeline(bundle)
    for seconds in (0.2, 1.0, 2.7):
        clip = band_noise("mid", seconds)[:, np.newaxis]
        decision = classify_clip(pipeline, clip)
        assert decision.top == "mid"
        assert decision.t_s == pytest.approx(seconds)
    clip = band_noise("high", 2.7)[:, np.newaxis]
    mean = np.mean([list(d.posterior.values()) for d in Pipeline(bundle).push(clip)], axis=0)
    np.testing.assert_allclose(list(classify_clip(bundle, clip).posterior.values()), mean, rtol=1e-12)
    assert classify_clip(bundle, np.zeros((16000, 1), np.float32)).state == "no_input"
    with pytest.raises(AudioFormatError, match="no samples"):
        classify_clip(bundle, np.zeros((0, 1), np.float32))
    with pytest.raises(AudioFormatError, match="expected"):
        classify_clip(bundle, np.zeros(16000, np.float32))


def test_fit_to_window_repeats_and_cuts() -> None:
    clip = np.arange(6, dtype=np.float32).reshape(3, 2)
    np.testing.assert_array_equal(fit_to_window(clip, 7)[:, 0], [0, 2, 4, 0, 2, 4, 0])
    np.testing.assert_array_equal(fit_to_window(clip, 2), clip[:2])


def test_pictures_are_those_of_the_stateless_function(bundle: Bundle) -> None:
    """What the trainer computes on a clip is what the window hands to the networks."""
    clip = four_channels(band_noise("mid", 1.0))
    pipeline = Pipeline(bundle, channels=4)
    pipeline.push(clip)
    window = pipeline._system.front_ends[CONFIG].window
    assert window is not None
    np.testing.assert_array_equal(window.picture(-60.0), picture(log_mel(clip, CONFIG), -60.0))


def test_a_network_that_no_engine_runs_is_refused(bundle: Bundle) -> None:
    from asc_edge.engines import load_engine

    with pytest.raises(EngineError, match="refuses it") as error:
        load_engine("bands.onnx", b"not a network")
    assert "\n" not in str(error.value)
    with pytest.raises(EngineError, match="no engine runs"):
        load_engine("bands.pth", b"")
    engine = load_engine("bands.onnx", tiny_files()["bands.onnx"])
    with pytest.raises(EngineError, match=r"bands\.onnx"):
        engine.run(np.zeros((1, 1, 7, 5), np.float32))


def test_public_names_are_importable() -> None:
    import asc_edge

    assert set(asc_edge.__all__) <= set(dir(asc_edge))
    assert LateFusion.__doc__
    assert LinearSvm.__doc__
