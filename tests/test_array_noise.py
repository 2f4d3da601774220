"""Noise of its own takes a microphone's vote at the first decision; a gain or another response does not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from asc_edge.audio.verdicts import NOISY_ENTER_DB, noise_excess_db
from asc_edge.bundle import Bundle
from asc_edge.cli import main
from asc_edge.frontend import LogMelConfig, log_mel
from asc_edge.pipeline import Decision, Pipeline

from tiny_system import band_noise

RATE = 16000
Array = NDArray[np.float64]


def steps(seconds: float, rng: np.random.Generator) -> Array:
    """Sound as at home: at low frequencies above all, and now loud, now nearly gone."""
    white = rng.standard_normal(round(seconds * RATE))
    shape = 1.0 + np.fft.rfftfreq(len(white), 1 / RATE) / 200.0
    signal = np.fft.irfft(np.fft.rfft(white) / shape, len(white))
    on = np.arange(len(signal)) / RATE % 0.5 < 0.2
    return np.asarray(0.05 * signal / signal.std() * np.where(on, 1.0, 0.02))


def array_of(signal: Array, rng: np.random.Generator, channels: int = 4) -> Array:
    own = 1e-4 * rng.standard_normal((len(signal), channels))
    return np.repeat(signal[:, np.newaxis], channels, axis=1) + own


def with_noise(samples: Array, channel: int, snr_db: float, rng: np.random.Generator) -> Array:
    faulty = samples.copy()
    level = samples[:, channel].std() * 10.0 ** (-snr_db / 20.0)
    faulty[:, channel] += level * rng.standard_normal(len(samples))
    return faulty


def converted(samples: Array) -> NDArray[np.int16]:
    return np.clip(np.round(samples * 32768), -32768, 32767).astype(np.int16)


def decided(bundle: Path, samples: Array) -> list[Decision]:
    return Pipeline(Bundle.open(bundle), channels=samples.shape[1]).push(converted(samples))


# Catches: noise that votes for half a minute, or that takes a healthy channel's vote along.
@pytest.mark.parametrize("snr_db", [5.0, 0.0, -10.0])
def test_noise_is_seen_at_the_first_decision(
    snr_db: float, tiny_bundle: Path, rng: np.random.Generator
) -> None:
    samples = with_noise(array_of(steps(4.0, rng), rng), 2, snr_db, rng)
    decisions = decided(tiny_bundle, samples)
    assert {decision.channels for decision in decisions} == {("ok", "ok", "noisy", "ok")}
    others = decided(tiny_bundle, samples[:, [0, 1, 3]])
    for decision, without in zip(decisions, others, strict=True):
        assert decision.posterior == pytest.approx(without.posterior, abs=1e-6)


# Catches: a decision that noise in one channel changes, on sounds that tell the labels of a bundle apart.
@pytest.mark.parametrize("label", ["low", "mid", "high"])
def test_a_noisy_channel_costs_nothing(label: str, tiny_bundle: Path, rng: np.random.Generator) -> None:
    samples = array_of(0.2 * band_noise(label, 3.0).astype(np.float64), rng)
    faulty = with_noise(samples, 1, -5.0, rng)
    assert [decision.top for decision in decided(tiny_bundle, faulty)] == [label] * 5


def louder(samples: Array) -> Array:
    return np.asarray(samples * [1.0, 1.4, 1.0, 0.7])


def inverted(samples: Array) -> Array:
    return np.asarray(samples * [1.0, -1.0, 1.0, 1.0])


def offset(samples: Array) -> Array:
    return np.asarray(samples + np.array([0.0, 0.3, 0.0, -0.02]))


def delayed(samples: Array) -> Array:
    return np.stack([np.roll(samples[:, channel], channel) for channel in range(4)], axis=1)


def tilted(samples: Array) -> Array:
    """Responses that fall or rise by 2 dB from 100 Hz to half the sample rate."""
    frequency_hz = np.fft.rfftfreq(len(samples), 1 / RATE)
    place = np.clip(np.log(np.maximum(frequency_hz, 1.0) / 100) / np.log(80), 0.0, 1.0)
    gains = 10.0 ** (np.outer(place, [2.0, -2.0, 0.0, 1.0]) / 20)
    return np.asarray(np.fft.irfft(np.fft.rfft(samples, axis=0) * gains, len(samples), axis=0))


# Catches: a gain, a turned wire, DC, a way of a few centimetres or another response that is taken for noise.
@pytest.mark.parametrize(
    "change", [louder, inverted, offset, delayed, tilted], ids=lambda change: change.__name__
)
def test_what_is_no_noise_keeps_its_vote(
    change: Callable[[Array], Array], tiny_bundle: Path, rng: np.random.Generator
) -> None:
    samples = change(array_of(steps(4.0, rng), rng))
    assert {decision.channels for decision in decided(tiny_bundle, samples)} == {("ok",) * 4}


# Catches: healthy channels that are blamed once half of the array is noisy.
def test_half_of_an_array_may_be_noisy(rng: np.random.Generator) -> None:
    samples = array_of(steps(4.0, rng), rng)
    for channel in (0, 3):
        samples = with_noise(samples, channel, -3.0, rng)
    excess_db = noise_excess_db(log_mel(samples.astype(np.float32), LogMelConfig(sample_rate_hz=RATE)))
    assert (excess_db > NOISY_ENTER_DB).tolist() == [True, False, False, True]


# Catches: one of two channels blamed without a majority, and a dead one that makes the others look noisy.
def test_noise_needs_others_to_be_seen(tiny_bundle: Path, rng: np.random.Generator) -> None:
    samples = with_noise(array_of(steps(4.0, rng), rng), 1, 0.0, rng)
    assert {decision.channels for decision in decided(tiny_bundle, samples[:, :2])} == {("ok", "ok")}
    samples[:, 0] = 0.0
    assert {one.channels for one in decided(tiny_bundle, samples)} == {("dead", "noisy", "ok", "ok")}


# Catches: a vote that is lost for good, or one given back while noise is still in the window.
def test_a_channel_whose_noise_ends_votes_again(tiny_bundle: Path, rng: np.random.Generator) -> None:
    samples = array_of(steps(12.0, rng), rng)
    samples[: 4 * RATE] = with_noise(samples[: 4 * RATE], 1, -5.0, rng)
    decisions = decided(tiny_bundle, samples)
    window_s = Bundle.open(tiny_bundle).window_s
    back_s = next(decision.t_s for decision in decisions if decision.channels[1] == "ok")
    assert 4.0 <= back_s - window_s <= 4.0 + window_s
    assert decisions[-1].channels == ("ok",) * 4


# Catches: verdicts that depend on how the input was cut, so that a file and a microphone differ.
def test_noise_is_seen_alike_in_blocks_of_any_size(tiny_bundle: Path, rng: np.random.Generator) -> None:
    samples = array_of(steps(6.0, rng), rng)
    samples[3 * RATE :] = with_noise(samples[3 * RATE :], 1, 0.0, rng)
    whole = decided(tiny_bundle, samples)
    pipeline, parts = Pipeline(Bundle.open(tiny_bundle), channels=4), list[Decision]()
    for start in range(0, len(samples), 777):
        parts += pipeline.push(converted(samples[start : start + 777]))
    assert [one.channels for one in parts] == [one.channels for one in whole]
    assert [one.posterior for one in parts] == [one.posterior for one in whole]


# Catches: cells of digital silence, 100 dB below those of a converter that rounds the other way.
def test_digital_silence_is_no_measure(rng: np.random.Generator) -> None:
    cells = np.full((4, 8, 40), -160.0, np.float32)
    cells[:, :, :10] = -30.0
    cells[1, :, 20:] = -95.0
    assert np.abs(noise_excess_db(cells)).max() < NOISY_ENTER_DB


def quietest(bundle: Path, samples: Array, *, cache: bool = True) -> list[Decision]:
    pipeline = Pipeline(Bundle.open(bundle), channels=samples.shape[1], channels_as="quietest", cache=cache)
    return pipeline.push(converted(samples))


# Catches: a merged picture that isn't the channels' own where they are all one, or one of a single channel.
@pytest.mark.parametrize("channels", [1, 2])
def test_the_quietest_of_equal_channels_is_each_of_them(
    channels: int, tiny_bundle: Path, rng: np.random.Generator
) -> None:
    one = array_of(steps(4.0, rng), rng, channels=1)
    same = np.repeat(one, channels, axis=1)
    posteriors = [decision.posterior for decision in decided(tiny_bundle, one)]
    merged = [decision.posterior for decision in quietest(tiny_bundle, same)]
    if channels == 1:
        assert merged == posteriors
    for found, expected in zip(merged, posteriors, strict=True):
        assert found == pytest.approx(expected, abs=1e-6)


# Catches: noise that reaches the merged picture although its channel has no vote.
def test_the_quietest_leaves_out_who_has_no_vote(tiny_bundle: Path, rng: np.random.Generator) -> None:
    samples = array_of(steps(4.0, rng), rng)
    samples[:, 1] = 0.0
    without = quietest(tiny_bundle, samples[:, [0, 2, 3]])
    for decision, expected in zip(quietest(tiny_bundle, samples), without, strict=True):
        assert decision.channels[1] == "dead"
        assert decision.posterior == pytest.approx(expected.posterior, abs=1e-6)


# Catches: an option that is read and forgotten on the way to the networks.
def test_classify_takes_the_quietest(
    tiny_bundle: Path, tmp_path: Path, rng: np.random.Generator, capsys: pytest.CaptureFixture[str]
) -> None:
    samples = array_of(0.2 * band_noise("low", 2.0).astype(np.float64), rng, channels=2)
    samples[:, 1] += 0.1 * band_noise("high", 2.0)
    soundfile.write(tmp_path / "two.wav", converted(samples), RATE)
    answers = []
    for way in ("each", "quietest"):
        command = ["classify", str(tmp_path / "two.wav"), "--bundle", str(tiny_bundle), "--format", "jsonl"]
        assert main([*command, "--channels-as", way]) == 0
        answers.append(json.loads(capsys.readouterr().out)["posterior"]["low"])
    assert answers[1] > answers[0] + 0.01
