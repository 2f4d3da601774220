"""Health of the array: dead and clipped channels, whatever the chunking."""

from __future__ import annotations

import numpy as np
import pytest

from asc_edge.audio.array import ArrayHealth

RATE = 16000


def _noise(rng: np.random.Generator, seconds: float, channels: int = 3) -> np.ndarray:
    return (0.1 * rng.standard_normal((round(seconds * RATE), channels))).astype(np.float32)


def _status(samples: np.ndarray, window_s: float = 2.0, chunk: int = 1600) -> tuple[str, ...]:
    health = ArrayHealth(samples.shape[1], RATE, window_s)
    for start in range(0, len(samples), chunk):
        health.update(samples[start : start + chunk])
    return health.status()


def test_noise_is_healthy(rng: np.random.Generator) -> None:
    assert _status(_noise(rng, 3)) == ("ok", "ok", "ok")


@pytest.mark.parametrize("value", [0.0, 0.021, -1.0])
def test_a_constant_channel_is_dead(value: float, rng: np.random.Generator) -> None:
    """Catches a check for zeros alone: converters stick at any value."""
    samples = _noise(rng, 3)
    samples[:, 1] = value
    assert _status(samples) == ("ok", "dead", "ok")


def test_a_whole_array_of_zeros_is_dead(rng: np.random.Generator) -> None:
    assert _status(np.zeros((3 * RATE, 2), dtype=np.int16)) == ("dead", "dead")


def test_a_channel_that_stops_is_dead_after_one_second(rng: np.random.Generator) -> None:
    """Catches a verdict that waits until the whole window is constant."""
    samples = _noise(rng, 3)
    samples[-RATE:, 2] = samples[-RATE, 2]
    assert _status(samples) == ("ok", "ok", "dead")
    assert _status(samples[:-1]) == ("ok", "ok", "ok")


def test_a_source_that_pauses_as_a_whole_is_not_dead_before_the_window_is(rng: np.random.Generator) -> None:
    """Catches a player's digital silence taken for four broken microphones."""
    samples = _noise(rng, 4)
    samples[-round(1.5 * RATE) :] = 0.0
    assert _status(samples) == ("ok", "ok", "ok")
    samples[-2 * RATE :] = 0.0
    assert _status(samples) == ("dead", "dead", "dead")


def test_a_channel_that_comes_back_votes_again(rng: np.random.Generator) -> None:
    """Catches a verdict that is kept for good."""
    samples = _noise(rng, 5)
    samples[: 3 * RATE, 0] = 0.0
    health = ArrayHealth(3, RATE, 2.0)
    health.update(samples[: 3 * RATE])
    assert health.status() == ("dead", "ok", "ok")
    health.update(samples[3 * RATE : 3 * RATE + 1])
    assert health.status() == ("ok", "ok", "ok")


@pytest.mark.parametrize("dtype", [np.float32, np.int16])
@pytest.mark.parametrize("sign", [1, -1])
def test_more_than_one_percent_at_full_scale_is_clipped(
    dtype: type, sign: int, rng: np.random.Generator
) -> None:
    """Catches a limit that int16's extremes don't reach, or whose lowest value has no absolute value."""
    full = sign * (1.0 if dtype == np.float32 else (32767 if sign > 0 else 32768))
    samples = _noise(rng, 2) if dtype == np.float32 else (_noise(rng, 2) * 32768).astype(np.int16)
    share = round(0.01 * len(samples))
    samples[: share + 1, 0] = np.asarray(full).astype(dtype)
    samples[:share, 1] = np.asarray(full).astype(dtype)
    assert _status(samples) == ("clipped", "ok", "ok")


def test_clipping_is_forgotten_with_the_window(rng: np.random.Generator) -> None:
    """Catches counts that are never taken back, or taken back a whole round of the ring too late."""
    samples = _noise(rng, 2.3)
    samples[: round(0.2 * RATE), 0] = 1.0
    assert _status(samples[: 2 * RATE]) == ("clipped", "ok", "ok")
    assert _status(samples) == ("ok", "ok", "ok")


def test_the_answer_does_not_depend_on_the_chunking(rng: np.random.Generator) -> None:
    """Catches statistics counted by blocks instead of by samples."""
    samples = _noise(rng, 4, channels=4)
    samples[20000:45000:60, 1] = 1.0
    samples[40000:, 2] = 0.3
    samples[:30000, 3] = 0.0
    for end in (32000, 48000, 53333, 64000):
        answers = {_status(samples[:end], chunk=chunk) for chunk in (13, 160, 511, 16000, 64000)}
        assert len(answers) == 1, (end, answers)


def test_nothing_heard_is_nothing_wrong() -> None:
    health = ArrayHealth(2, RATE, 1.0)
    health.update(np.zeros((0, 2), dtype=np.float32))
    assert health.status() == ("ok", "ok")
