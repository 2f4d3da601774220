"""The two front ends that are measured, and the samples that go through them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cache

import librosa
import numpy as np
from numpy.typing import NDArray

from asc_edge import LogMelConfig

SAMPLE_RATE_HZ = 16000
MELS = 128
CLIP_S = 10.0
CHANNELS = (1, 4, 8)


@dataclass(frozen=True)
class Preset:
    """A front end by the lengths that its competitors ask for."""

    name: str
    window_s: float
    hop_s: float
    mel_scale: str

    @property
    def window(self) -> int:
        """Samples of the window."""
        return round(self.window_s * SAMPLE_RATE_HZ)

    @property
    def hop(self) -> int:
        """Samples between two windows."""
        return round(self.hop_s * SAMPLE_RATE_HZ)

    @property
    def htk(self) -> bool:
        """Whether the mel scale is HTK's, not Slaney's."""
        return self.mel_scale == "htk"

    def config(self) -> LogMelConfig:
        """The same front end for asc-edge."""
        return LogMelConfig(
            sample_rate_hz=SAMPLE_RATE_HZ,
            window_s=self.window_s,
            hop_s=self.hop_s,
            mels=MELS,
            mel_scale=self.mel_scale,
        )


# The short one takes Slaney's scale: with HTK's, half of the low bands are narrower than a bin, and essentia
# refuses such a bank.
PRESETS = {
    preset.name: preset
    for preset in (Preset("0.32/0.16", 0.32, 0.16, "htk"), Preset("0.032/0.016", 0.032, 0.016, "slaney"))
}


@cache
def hann(length: int) -> NDArray[np.float64]:
    """Periodic Hann window."""
    return np.hanning(length + 1)[:-1]


@cache
def mel_weights(preset: Preset) -> NDArray[np.float64]:
    """librosa's bank of `preset` with triangles of height 1, of shape ``(mels, bins)``."""
    # Both presets with 128 bands have a few without a bin; librosa warns of each, the oracle has them at
    # the floor.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        weights = librosa.filters.mel(
            sr=SAMPLE_RATE_HZ, n_fft=preset.window, n_mels=MELS, htk=preset.htk, norm=None, dtype=np.float64
        )
    return np.asarray(weights)


@cache
def clip(channels: int, seconds: float = CLIP_S) -> NDArray[np.float32]:
    """Noise with tones, of shape ``(n, channels)``: every band holds energy, so every band is compared.

    The time that a transform takes depends on no sample's value as long as none is denormal.
    """
    rng = np.random.default_rng(20240)
    n = round(seconds * SAMPLE_RATE_HZ)
    time_s = np.arange(n)[:, np.newaxis] / SAMPLE_RATE_HZ
    tones = 0.05 * np.sin(2 * np.pi * (220.0 + 137.0 * np.arange(channels)) * time_s)
    samples = (0.1 * rng.standard_normal((n, channels)) + tones).astype(np.float32)
    samples.flags.writeable = False
    return samples


def blocks(samples: NDArray[np.float32], hop: int) -> list[NDArray[np.float32]]:
    """Whole hops of `samples`, each of shape ``(hop, channels)``, as from a sound card."""
    return [samples[start : start + hop].copy() for start in range(0, len(samples) - hop + 1, hop)]
