"""Faults of an array's channels: each is found, none invented, and decisions stay right."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from asc_edge.audio.array import ArrayHealth
from asc_edge.audio.demo import DemoSource
from asc_edge.audio.verdicts import ChannelJudge, voters
from asc_edge.bundle import Bundle
from asc_edge.cli.options import open_bundle
from asc_edge.pipeline import Pipeline

from tiny_system import band_noise

RATE = 16000
WINDOW_S = 2.0
Fault = Callable[[NDArray[np.float64]], object]


def array_of(
    signal: NDArray[np.floating], rng: np.random.Generator, channels: int = 4, noise: float = 1e-4
) -> NDArray[np.float64]:
    """A signal at microphones a few centimetres apart: small delays, gains of a decibel, own noise."""
    delayed = [np.roll(signal, channel) for channel in range(channels)]
    gains = 10.0 ** (rng.uniform(-1, 1, channels) / 20)
    own = noise * rng.standard_normal((len(signal), channels))
    return np.stack(delayed, axis=1).astype(np.float64) * gains + own


def converted(samples: NDArray[np.floating]) -> NDArray[np.int16]:
    return np.clip(np.round(samples * 32768), -32768, 32767).astype(np.int16)


def judged(samples: NDArray[np.int16], hop_s: float = 0.5) -> list[tuple[str, ...]]:
    """Verdicts at every hop, from the first full window on."""
    channels = samples.shape[1]
    health, judge = ArrayHealth(channels, RATE, WINDOW_S), ChannelJudge(channels, WINDOW_S)
    verdicts = []
    hop = round(hop_s * RATE)
    for end in range(hop, len(samples) + 1, hop):
        health.update(samples[end - hop : end])
        if end >= WINDOW_S * RATE:
            verdicts.append(judge.judge(end / RATE, health.status(), health.statistics()))
    return verdicts


def room(rng: np.random.Generator, seconds: float, level: float = 0.05) -> NDArray[np.float64]:
    """Sound with most of its power at low frequencies, as in rooms."""
    white = rng.standard_normal(round(seconds * RATE))
    spectrum = np.fft.rfft(white) / (1.0 + np.fft.rfftfreq(len(white), 1 / RATE) / 200.0)
    signal = np.fft.irfft(spectrum, len(white))
    return np.asarray(level * signal / signal.std())


def dead(samples: NDArray[np.float64]) -> None:
    samples[:, 1] = 0.021


def clipped(samples: NDArray[np.float64]) -> None:
    samples[:, 1] = np.clip(40 * samples[:, 1] / samples[:, 1].std(), -1, 1)


def offset(samples: NDArray[np.float64]) -> None:
    samples[:, 1] = np.minimum(samples[:, 1] + 0.6, 0.99)


def quiet(samples: NDArray[np.float64]) -> None:
    samples[:, 1] /= 20


def loud(samples: NDArray[np.float64]) -> None:
    samples[:, 1] = 20 * np.random.default_rng(1).standard_normal(len(samples)) * samples[:, 0].std()
    samples[:, 1] = np.clip(samples[:, 1], -0.99, 0.99)


def copied(samples: NDArray[np.float64]) -> None:
    samples[:, 1] = samples[:, 0]


def inverted(samples: NDArray[np.float64]) -> None:
    samples[:, 1] = -samples[:, 0]


FAULTS = [
    (dead, "dead"),
    (clipped, "clipped"),
    (offset, "offset"),
    (quiet, "off_level"),
    (loud, "off_level"),
    (copied, "duplicate"),
    (inverted, "duplicate"),
]


# Catches: a fault that isn't seen at the first decision, or that takes a healthy channel's vote along.
@pytest.mark.parametrize(("fault", "verdict"), FAULTS, ids=lambda value: getattr(value, "__name__", value))
def test_each_fault_is_found_at_once(fault: Fault, verdict: str, rng: np.random.Generator) -> None:
    samples = array_of(room(rng, 4.0, level=0.02), rng)
    fault(samples)
    verdicts = judged(converted(samples))
    assert set(verdicts) == {("ok", verdict, "ok", "ok")}
    assert voters(verdicts[0]) == [0, 2, 3]


# Catches: two converters' noise that hides a copy, and a copy that becomes a microphone in a quiet room.
def test_a_copy_within_converter_noise_stays_one(rng: np.random.Generator) -> None:
    signal = np.concatenate([room(rng, 4.0, 0.1), room(rng, 6.0, 1e-4)])
    samples = array_of(signal, rng)
    samples[:, 2] = samples[:, 0]
    samples += rng.standard_normal(samples.shape) * 2e-5
    assert set(judged(converted(samples))) == {("ok", "ok", "duplicate", "ok")}


# Catches: stereo microphones and quiet rooms taken for copies: .999 is a microphone.
@pytest.mark.parametrize("level", [0.3, 0.05, 5e-3, 5e-4, 3e-5])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_near_identical_microphones_are_none(level: float, channels: int, rng: np.random.Generator) -> None:
    signal = room(rng, 4.0, level)
    gains = 1.0 + 0.01 * np.arange(channels)
    samples = signal[:, np.newaxis] * gains + 2e-5 * rng.standard_normal((len(signal), channels))
    assert set(judged(converted(samples))) == {("ok",) * channels}


# Catches: a single channel compared with itself, and two of which one is blamed without a majority.
def test_one_and_two_channels_are_judged_on_their_own(rng: np.random.Generator) -> None:
    signal = array_of(room(rng, 3.0), rng, channels=2)
    signal[:, 1] /= 100
    assert set(judged(converted(signal))) == {("ok", "ok")}
    assert set(judged(converted(signal[:, :1]))) == {("ok",)}
    split = array_of(room(rng, 3.0), rng)
    split[:, 2:] /= 100
    assert set(judged(converted(split))) == {("ok",) * 4}


# Catches: the converters' own noise compared as if it were sound.
def test_silence_says_nothing_of_levels(rng: np.random.Generator) -> None:
    samples = rng.integers(-1, 2, (4 * RATE, 4)).astype(np.int16)
    samples[:, 0] = 0
    samples[::4000, 0] = 1
    assert set(judged(samples)) == {("ok",) * 4}


# Catches: a verdict that comes and goes with each decision.
@pytest.mark.parametrize("period_s", [0.7, 1.3, 2.9])
def test_a_loose_contact_does_not_flap(period_s: float, rng: np.random.Generator) -> None:
    samples = array_of(room(rng, 60.0), rng)
    on = np.arange(len(samples)) / RATE % (2 * period_s) < period_s
    samples[~on, 1] = 0.0
    verdicts = [verdict[1] for verdict in judged(converted(samples))]
    changes = sum(one != other for one, other in pairwise(verdicts))
    assert changes <= 6
    assert len(set(verdicts[len(verdicts) // 2 :])) == 1


# Catches: one threshold for both ways.
def test_a_level_about_the_threshold_does_not_flap(rng: np.random.Generator) -> None:
    samples = array_of(np.tile(room(rng, 1.0), 60), rng, noise=1e-5)
    level_db = np.where(np.arange(len(samples)) // (5 * RATE) % 2, -19.0, -23.0)
    samples[:, 1] = samples[:, [0, 2, 3]].mean(axis=1) * 10 ** (level_db / 20)
    verdicts = [verdict[1] for verdict in judged(converted(samples))]
    assert set(verdicts) == {"off_level"}


# Catches: a vote that is never given back, or given back while the fault is still in the window.
def test_a_channel_that_recovers_votes_again(rng: np.random.Generator) -> None:
    samples = array_of(room(rng, 12.0), rng)
    samples[: 4 * RATE, 1] = 0.0
    verdicts = [verdict[1] for verdict in judged(converted(samples))]
    times_s = WINDOW_S + 0.5 * np.arange(len(verdicts))
    back_s = times_s[verdicts.index("ok")]
    assert 4.0 + WINDOW_S <= back_s <= 4.0 + WINDOW_S + 0.5
    assert set(verdicts[verdicts.index("ok") :]) == {"ok"}


# Catches: a copy that waits for a window to vote although its original has died.
def test_a_copy_takes_over_from_a_dead_original(rng: np.random.Generator) -> None:
    samples = array_of(room(rng, 9.0), rng, channels=2)
    samples[:, 1] = samples[:, 0]
    samples[4 * RATE :, 0] = 0.0
    verdicts = judged(converted(samples))
    assert verdicts[0] == ("ok", "duplicate")
    assert verdicts[-1] == ("dead", "ok")
    assert all(voters(verdict) for verdict in verdicts)


# Catches: an array that falls silent as a whole, and has to wait although nobody else can vote.
def test_where_nobody_would_vote_the_good_ones_do_at_once(rng: np.random.Generator) -> None:
    samples = array_of(room(rng, 9.0), rng)
    samples[2 * RATE : 5 * RATE] = 0.0
    verdicts = judged(converted(samples))
    times_s = WINDOW_S + 0.5 * np.arange(len(verdicts))
    states = dict(zip(times_s.tolist(), verdicts, strict=True))
    assert states[5.0] == ("dead",) * 4
    assert voters(states[5.0]) == []
    assert states[5.5] == ("ok",) * 4


# Catches: a channel of playback, or a floating input, that votes for ever; and one blamed after a moment.
def test_a_channel_that_hears_something_else_is_foreign_after_half_a_minute(rng: np.random.Generator) -> None:
    samples = array_of(room(rng, 60.0), rng)
    samples[:, 3] = room(rng, 60.0)
    verdicts = [verdict[3] for verdict in judged(converted(samples))]
    times_s = WINDOW_S + 0.5 * np.arange(len(verdicts))
    assert 29.0 <= times_s[verdicts.index("foreign")] <= 33.0
    assert set(verdicts[verdicts.index("foreign") :]) == {"foreign"}
    # Four microphones in four rooms have nothing in common, and nobody of them is wrong.
    apart = np.stack([room(rng, 60.0) for _ in range(4)], axis=1)
    assert set(judged(converted(apart))) == {("ok",) * 4}


# Catches: faults seen in the demonstration's array, whose levels and directions change.
def test_the_demonstration_is_healthy() -> None:
    assert set(judged(np.concatenate(list(DemoSource(realtime=False).blocks())))) == {("ok",) * 4}


@pytest.mark.parametrize(
    ("verdicts", "voting"),
    [
        (("ok", "clipped", "dead"), [0]),
        (("clipped", "offset", "clipped"), [0, 2]),
        (("offset", "dead", "duplicate"), [0]),
        (("dead", "dead"), []),
        (("off_level", "foreign"), [0, 1]),
    ],
)
def test_who_votes(verdicts: tuple[str, ...], voting: list[int]) -> None:
    assert voters(verdicts) == voting  # type: ignore[arg-type]


# Catches: a fault that changes what is decided, on sounds that tell the labels of a small bundle apart.
@pytest.mark.parametrize("fault", [fault for fault, _ in FAULTS], ids=lambda fault: fault.__name__)
@pytest.mark.parametrize("label", ["low", "mid", "high"])
def test_the_decision_stays_right(
    fault: Fault, label: str, tiny_bundle: Path, rng: np.random.Generator
) -> None:
    samples = array_of(0.2 * band_noise(label, 3.0), rng)
    fault(samples)
    decisions = Pipeline(Bundle.open(tiny_bundle), channels=4).push(converted(samples))
    assert [decision.top for decision in decisions] == [label] * 5
    assert all(decision.channels[1] != "ok" for decision in decisions)


# Catches: the same on real recordings and the built-in bundle.
def test_the_decision_stays_right_on_real_recordings(shared_data: Path, rng: np.random.Generator) -> None:
    pipeline = Pipeline(open_bundle("home"), channels=4)
    for name in ("vacuuming_0.ogg", "dishwasher_1.ogg"):
        clip, rate = soundfile.read(shared_data / "household" / name, frames=5 * RATE, dtype="float64")
        assert rate == RATE
        healthy = array_of(0.1 * clip / np.abs(clip).max(), rng)
        pipeline.reset()
        (reference,) = pipeline.push(converted(healthy))
        assert reference.channels == ("ok",) * 4
        for fault, verdict in FAULTS:
            faulty = healthy.copy()
            fault(faulty)
            pipeline.reset()
            (decision,) = pipeline.push(converted(faulty))
            assert decision.channels == ("ok", verdict, "ok", "ok"), name
            assert decision.top == reference.top, (name, verdict)
