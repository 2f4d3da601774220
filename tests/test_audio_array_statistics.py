"""What the array's channels did lately: against numpy in float64, whatever the cuts, layouts and dtypes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from asc_edge.audio.array import ArrayHealth, ArrayStatistics
from asc_edge.errors import AscEdgeError, AudioFormatError, ConfigError, NonFiniteError

from odd_arrays import LAYOUTS, careful, is_good, laid_out, odd_arrays

RATE = 1000  # segments of 10 samples
SEGMENT = 10
unhurried = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def heard_in_blocks(samples: NDArray[Any], cuts: Sequence[int], window_s: float, layout: str) -> ArrayHealth:
    health = ArrayHealth(samples.shape[1], RATE, window_s)
    for block in np.split(samples, sorted(cuts)):
        health.update(laid_out(block.copy(), "plain" if layout == "broadcast" else layout))
    return health


def scaled(samples: NDArray[Any]) -> NDArray[np.float64]:
    return samples / 32768.0 if samples.dtype == np.int16 else samples.astype(np.float64)


def counted_part(samples: NDArray[Any], window_s: float) -> NDArray[np.float64]:
    """The last window, from the start of the segment in which it begins."""
    start = max(0, len(samples) - round(window_s * RATE)) // SEGMENT * SEGMENT
    return scaled(samples)[start:]


def run_lengths(samples: NDArray[Any]) -> NDArray[np.int64]:
    """For how many samples each channel has held its last value."""
    differs = samples != samples[-1]
    return np.where(differs.any(axis=0), np.argmax(differs[::-1], axis=0), len(samples))


def assert_statistics(statistics: ArrayStatistics, samples: NDArray[Any], window_s: float) -> None:
    x = counted_part(samples, window_s)
    assert statistics.counted_s == len(x) / RATE
    channels = statistics.channels
    deviation = x - x.mean(axis=0)
    # A mean may miss a constant's value by a rounding; that is no sound.
    deviation[:, (x == x[0]).all(axis=0)] = 0.0
    rms = np.sqrt(np.mean(deviation**2, axis=0))
    with np.errstate(divide="ignore", invalid="ignore"):
        level_db = np.maximum(20 * np.log10(rms * np.sqrt(2)), -160.0)
        correlation = (deviation.T @ deviation) / len(x) / np.outer(rms, rms)
    np.testing.assert_allclose([c.rms_db for c in channels], level_db, rtol=0, atol=1e-7)
    np.testing.assert_allclose([c.dc for c in channels], x.mean(axis=0), rtol=0, atol=1e-14)
    np.testing.assert_array_equal([c.peak for c in channels], np.abs(x).max(axis=0))
    clipped = (np.abs(x) >= np.float32(0.999)).mean(axis=0)
    np.testing.assert_allclose([c.clipped_fraction for c in channels], clipped, rtol=1e-15)
    np.testing.assert_array_equal([c.constant_s for c in channels], run_lengths(samples) / RATE)
    np.testing.assert_allclose(statistics.correlation, correlation, rtol=0, atol=1e-7)


@st.composite
def scenes(draw: st.DrawFn) -> NDArray[Any]:
    """Noise of several levels and offsets, partly copied, stuck and clipped, as float32 or int16."""
    count = draw(st.integers(1, 400))
    channels = draw(st.integers(1, 16))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = rng.standard_normal((count, channels)) * 10.0 ** rng.uniform(-4, -0.5, channels)
    x += rng.choice([0.0, 0.3, -0.8], channels)
    if draw(st.booleans()):
        x[:, -1] = -x[:, 0]
    if draw(st.booleans()):
        x[draw(st.integers(0, count - 1)) :, rng.integers(channels)] = draw(st.sampled_from((0.0, 0.021)))
    x = np.clip(x, -1.0, 1.0)
    if draw(st.booleans()):
        return np.clip(np.round(x * 32768), -32768, 32767).astype(np.int16)
    return x.astype(np.float32)


# Every wrong formula, a lost or doubled sample at a cut, strides read wrongly, int16 scaled wrongly.
@unhurried
@given(
    scenes(),
    st.lists(st.integers(0, 400), max_size=8),
    st.sampled_from((0.001, 0.05, 0.123, 1.0)),
    st.sampled_from(LAYOUTS),
)
def test_statistics_are_numpys(samples: NDArray[Any], cuts: list[int], window_s: float, layout: str) -> None:
    health = heard_in_blocks(samples, cuts, window_s, layout)
    statistics = health.statistics()
    assert_statistics(statistics, samples, window_s)
    # And the same bits as in one block.
    whole = heard_in_blocks(samples, [], window_s, "plain")
    assert statistics.channels == whole.statistics().channels
    np.testing.assert_array_equal(statistics.correlation, whole.statistics().correlation)
    assert health.status() == whole.status()


# A verdict that has drifted from its definition, for any cuts and windows (shorter than a second too).
@unhurried
@given(scenes(), st.lists(st.integers(0, 4000), max_size=4), st.sampled_from((0.05, 0.5, 1.5, 3.0)))
def test_verdicts_are_as_defined(scene: NDArray[Any], cuts: list[int], window_s: float) -> None:
    samples = np.repeat(scene, 10, axis=0)
    runs = run_lengths(samples)
    stopped = runs >= RATE
    dead = (runs >= min(len(samples), round(window_s * RATE))) | (stopped & ~stopped.all())
    clipped = (np.abs(counted_part(samples, window_s)) >= np.float32(0.999)).mean(axis=0) > 0.01
    expected = np.where(dead, "dead", np.where(clipped, "clipped", "ok"))
    assert heard_in_blocks(samples, cuts, window_s, "plain").status() == tuple(expected)


# The question that the statistics are for: a copied, a swapped, an inverted and a 20-dB-off channel.
def test_faults_of_channels_can_be_told(rng: np.random.Generator) -> None:
    room = rng.standard_normal(3 * 16000)
    own = rng.standard_normal((3 * 16000, 5))
    samples = (0.05 * (room[:, np.newaxis] + 0.5 * own)).astype(np.float32)
    samples[:, 1] = samples[:, 0]
    samples[:, 2] = -samples[:, 0]
    samples[:, 3] /= 10
    samples[:, 4] += 0.4
    health = ArrayHealth(5, 16000, 2.0)
    health.update(samples)
    statistics = health.statistics()
    levels = [channel.rms_db for channel in statistics.channels]
    assert levels[0] - levels[3] == pytest.approx(20.0, abs=0.2)
    assert levels[4] == pytest.approx(levels[0], abs=0.2)
    assert statistics.channels[4].dc == pytest.approx(0.4, abs=1e-3)
    assert statistics.correlation[0, 1] == 1.0
    assert statistics.correlation[0, 2] == -1.0
    assert statistics.correlation[0, 4] == pytest.approx(0.8, abs=0.01)
    assert health.status() == ("ok",) * 5


# A level relative to anything but a full-scale sine.
def test_a_full_scale_sine_has_0_db() -> None:
    health = ArrayHealth(1, 16000, 1.0)
    health.update(np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)[:, np.newaxis].astype(np.float32))
    assert health.statistics().channels[0].rms_db == pytest.approx(0.0, abs=1e-6)


def test_nothing_heard_has_statistics_too() -> None:
    statistics = ArrayHealth(2, 16000, 1.0).statistics()
    assert statistics.counted_s == 0.0
    assert [(c.rms_db, c.dc, c.peak, c.clipped_fraction, c.constant_s) for c in statistics.channels] == [
        (-160.0, 0.0, 0.0, 0.0, 0.0)
    ] * 2
    assert np.isnan(statistics.correlation).all()


# A wrong dtype read as another, strides ignored, NaN let in, an exception of numpy's or C++'s.
@unhurried
@given(odd_arrays((None, 2), ("f4", "i2")))
def test_a_block_is_heard_or_refused(block: Any) -> None:
    health = ArrayHealth(2, RATE, 0.2)
    health.update(np.full((25, 2), 0.25, np.float32))
    if is_good(block, (None, 2), ("f4", "i2")):
        health.update(block)
        again = ArrayHealth(2, RATE, 0.2)
        again.update(np.full((25, 2), 0.25, np.float32))
        again.update(careful(block))
    else:
        with pytest.raises(AudioFormatError) as caught:
            health.update(block)
        assert "\n" not in str(caught.value)
        again = ArrayHealth(2, RATE, 0.2)
        again.update(np.full((25, 2), 0.25, np.float32))
    assert health.statistics().channels == again.statistics().channels
    np.testing.assert_array_equal(health.statistics().correlation, again.statistics().correlation)


# The wrong sample named, or half of the block kept.
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_the_first_sample_that_is_not_finite_is_named(bad: float) -> None:
    health = ArrayHealth(3, 16000, 1.0)
    block = np.zeros((1000, 3), np.float32)
    block[700, 2] = bad
    block[701, 0] = np.nan
    with pytest.raises(NonFiniteError, match="sample 700 of channel 2"):
        health.update(block)
    assert health.statistics().counted_s == 0.0


@pytest.mark.parametrize(
    "arguments",
    [
        *((channels, 16000, 1.0) for channels in (0, 17, 2.0)),
        *((2, rate, 1.0) for rate in (0, -16000, 16000.5)),
        *((2, 16000, window_s) for window_s in (0.0, 1e-6, -1.0, np.nan, 601.0, "1")),
    ],
)
def test_an_array_health_that_cannot_be_is_refused(arguments: tuple[Any, ...]) -> None:
    with pytest.raises(ConfigError):
        ArrayHealth(*arguments)
    assert issubclass(ConfigError, AscEdgeError)
