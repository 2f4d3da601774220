"""The synthetic scene: the same for everybody, and made like an array's recording."""

from __future__ import annotations

import numpy as np
import pytest

from asc_edge.audio.array import ArrayHealth
from asc_edge.audio.demo import CHANNELS, DURATION_S, SAMPLE_RATE_HZ, SCENES, DemoSource, render_scene

NUMBERS = {name: number for number, (name, *_) in enumerate(SCENES)}


@pytest.fixture(scope="module")
def scenes() -> list[np.ndarray]:
    return [render_scene(number) for number in range(len(SCENES))]


def test_is_the_same_every_time_and_whole(scenes: list[np.ndarray]) -> None:
    """Catches an unseeded generator, and a scene whose rendering depends on the one before."""
    played = np.concatenate(list(DemoSource(realtime=False).blocks()))
    assert played.shape == (round(DURATION_S * SAMPLE_RATE_HZ), CHANNELS)
    np.testing.assert_array_equal(played, np.concatenate(scenes))
    assert 50 < DURATION_S < 80


def test_says_that_it_is_synthetic() -> None:
    assert DemoSource().description["synthetic"] is True
    assert "synthetic" in DemoSource().name


def test_all_channels_are_healthy_in_every_scene(scenes: list[np.ndarray]) -> None:
    for scene in scenes:
        health = ArrayHealth(CHANNELS, SAMPLE_RATE_HZ, 10.0)
        health.update(scene)
        assert health.status() == ("ok",) * CHANNELS


def test_sound_travels_along_the_array(scenes: list[np.ndarray]) -> None:
    """Catches four copies of one channel, and delays in the wrong unit or direction."""
    vacuum = scenes[NUMBERS["vacuum cleaner"]].astype(np.float64)[16000:]
    angle_deg = SCENES[NUMBERS["vacuum cleaner"]][2]
    spectra = np.fft.rfft(vacuum - vacuum.mean(axis=0), axis=0)
    cross = spectra[:, 3] * spectra[:, 0].conj()
    # Eight times finer than a sample, in the phase of the cross spectrum alone.
    fine = np.fft.irfft(cross / np.abs(cross), 8 * len(vacuum))
    lags = np.r_[fine[-80:], fine[:80]]
    delay_s = (np.argmax(lags) - 80) / (8 * SAMPLE_RATE_HZ)
    expected_s = 3 * 0.05 * np.cos(np.deg2rad(angle_deg)) / 343.0
    assert delay_s == pytest.approx(expected_s, abs=1.5e-5)


def test_offsets_differ_by_channel(scenes: list[np.ndarray]) -> None:
    offsets = scenes[NUMBERS["quiet room"]].mean(axis=0) / 32768
    assert len(np.unique(np.round(offsets, 3))) == CHANNELS


def test_loud_and_quiet_scenes_are_loud_and_quiet(scenes: list[np.ndarray]) -> None:
    levels = {name: scenes[number].std(axis=0).mean() for name, number in NUMBERS.items()}
    assert levels["vacuum cleaner"] > 20 * levels["quiet room"]


def test_typing_comes_in_bursts_and_a_vacuum_cleaner_does_not(scenes: list[np.ndarray]) -> None:
    """Catches a renderer that makes the same noise for every name."""

    def crest(name: str) -> float:
        samples = scenes[NUMBERS[name]][:, 0].astype(np.float64)
        samples -= samples.mean()
        return float(np.abs(samples).max() / samples.std())

    assert crest("typing") > 3 * crest("vacuum cleaner")
