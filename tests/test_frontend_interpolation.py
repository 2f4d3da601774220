"""Frames as of the interpolated sound, against frames of the sound that soxr interpolated."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.signal
import soxr
from numpy.typing import NDArray

from asc_edge import _core
from asc_edge.errors import ConfigError
from asc_edge.frontend import LogMelConfig, log_mel, mel_filter_bank
from asc_edge.presets import EFFICIENTAT_MN, EFFICIENTAT_MN_16K

RATE_HZ = 16000
# Frames at either end whose windows reach past it, where the interpolated sound has begun to ring.
ENDS = 5


def noise(rng: np.random.Generator) -> NDArray[np.float64]:
    below = scipy.signal.butter(10, 7000, fs=RATE_HZ, output="sos")
    return scipy.signal.sosfiltfilt(below, 0.1 * rng.standard_normal(2 * RATE_HZ))


def chirp(rng: np.random.Generator) -> NDArray[np.float64]:
    time_s = np.arange(2 * RATE_HZ) / RATE_HZ
    return 0.3 * scipy.signal.chirp(time_s, 50, 2.0, 7000, method="log") + 0.001 * noise(rng)


def voice(rng: np.random.Generator) -> NDArray[np.float64]:
    """A hundred pulses a second through three formants, in syllables, with some breath."""
    pulses = np.zeros(2 * RATE_HZ)
    pulses[::160] = 1.0
    formants = [(500, 3, 1.0), (1500, 5, 0.5), (2800, 5, 0.2)]
    spoken = sum(
        gain * scipy.signal.lfilter(*scipy.signal.iirpeak(centre_hz, q, fs=RATE_HZ), pulses)
        for centre_hz, q, gain in formants
    )
    syllables = 0.55 + 0.45 * np.sin(2 * np.pi * 4 * np.arange(2 * RATE_HZ) / RATE_HZ)
    return 0.5 * spoken * syllables + 0.01 * noise(rng)


def hum(rng: np.random.Generator) -> NDArray[np.float64]:
    """A quiet room by a microphone with mains hum and an offset."""
    return 0.05 + 0.1 * np.sin(2 * np.pi * 50 * np.arange(2 * RATE_HZ) / RATE_HZ) + 0.1 * noise(rng)


def interpolated(samples: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    wide = samples.astype(np.float64)
    return soxr.resample(wide, RATE_HZ, factor * RATE_HZ, quality="VHQ").astype(np.float32)


def bands_below(config: LogMelConfig, highest_hz: float) -> NDArray[np.bool_]:
    """Bands that hold bins, all of them below a frequency."""
    bank = mel_filter_bank(config)
    hz = np.arange(bank.shape[1]) * config.bank_rate_hz / (config.fft_length * config.interpolation)
    return bank.any(axis=1) & ~bank[:, hz >= highest_hz].any(axis=1)


# Catches: the pre-emphasis of the lower rate (up to 0.27 off), the spectrum at half its height (0.28), the
# pre-emphasis as a weight behind the window (0.4 beside hum or a sine), a frame that is a window's half aside
# (0.1 and more in syllables and chirps). Measured: at most 0.03, in a chirp's skirts.
@pytest.mark.parametrize("sound", [noise, chirp, voice, hum])
def test_frames_at_16_khz_are_those_at_32_khz(sound: Any, rng: np.random.Generator) -> None:
    samples = sound(rng).astype(np.float32)
    expected = log_mel(interpolated(samples, 2), EFFICIENTAT_MN)[0]
    cells = log_mel(samples, EFFICIENTAT_MN_16K)[0]
    assert cells.shape == expected.shape == (128, 200)
    below = bands_below(EFFICIENTAT_MN, 7500.0)
    assert below.sum() > 90
    np.testing.assert_array_equal(below, bands_below(EFFICIENTAT_MN_16K, 7500.0))
    difference = np.abs(cells - expected)[below, ENDS:-ENDS]
    assert difference.max() < 0.04
    assert difference.mean() < 0.001


# Catches: bands above what there is that fold back, or that are no numbers.
def test_bands_above_what_there_is_are_empty(rng: np.random.Generator) -> None:
    cells = log_mel(rng.standard_normal(RATE_HZ).astype(np.float32), EFFICIENTAT_MN_16K)[0]
    empty = ~mel_filter_bank(EFFICIENTAT_MN_16K).any(axis=1)
    assert 10 < empty.sum() < 30
    np.testing.assert_allclose(cells[empty], (np.log(1e-5) + 4.5) / 5, rtol=0, atol=1e-6)
    assert cells[~empty].mean() > 1.0


PLAIN = LogMelConfig(window_s=0.032, hop_s=0.016, mels=40, mel_scale="slaney", fmax_hz=6500.0)
FAMILY: list[dict[str, Any]] = [
    {},
    {"spectrum": "magnitude"},
    {"full_scale": False},
    {"full_scale": False, "spectrum": "magnitude", "preemphasis": 0.9, "centred": True},
    {"mel_scale": "htk", "mel_norm": "area", "preemphasis": 1.0, "remove_mean": False, "centred": True},
]


# Catches: a magnitude that is weighed as a power, full scale that counts the samples in between, a power of
# the pre-emphasis' factor that fits a factor of two alone.
@pytest.mark.parametrize("factor", [2, 3])
@pytest.mark.parametrize("changes", FAMILY)
def test_any_front_end_can_be_interpolated(
    changes: dict[str, Any], factor: int, rng: np.random.Generator
) -> None:
    config = replace(PLAIN, interpolation=factor, **changes)
    whole = replace(PLAIN, sample_rate_hz=factor * RATE_HZ, **changes)
    samples = noise(rng).astype(np.float32)
    cells = log_mel(samples, config)[0, :, ENDS:-ENDS]
    expected = log_mel(interpolated(samples, factor), whole)[0, :, ENDS : ENDS + cells.shape[1]]
    assert abs(np.mean(cells - expected)) < 0.02
    assert np.quantile(np.abs(cells - expected), 0.99) < 0.5


# Catches: a factor that no table can be made for, or that turns a forbidden pre-emphasis into one that works.
def test_what_cannot_be_interpolated_is_refused() -> None:
    for value in (0, 9, 1.5, True, None):
        with pytest.raises(ConfigError, match="interpolation") as error:
            LogMelConfig(interpolation=value)  # type: ignore[arg-type]
        assert "\n" not in str(error.value)
    with pytest.raises(ConfigError, match="choose up to 262144 samples in all"):
        LogMelConfig(window_s=1.0, fft_samples=1 << 17, interpolation=4)
    with pytest.raises(ConfigError, match=r"<= 16000\.0 Hz, half the interpolated sample rate"):
        LogMelConfig(interpolation=2, fmax_hz=16001.0)
    assert LogMelConfig(interpolation=2)._fmax_hz() == 16000.0
    settings = LogMelConfig(window_s=0.032)._stream_settings()
    for changes in ({"interpolation": 0}, {"interpolation": 2, "preemphasis": -0.5}):
        with pytest.raises(ValueError, match=r"interpolation|pre-emphasis"):
            _core.LogMelPlan(**{**settings, **changes})


# Catches: keys of caches, and bundles, that change for front ends that were there before.
def test_no_interpolation_is_not_written() -> None:
    assert "interpolation" not in EFFICIENTAT_MN.to_dict()
    assert EFFICIENTAT_MN_16K.to_dict()["interpolation"] == 2
