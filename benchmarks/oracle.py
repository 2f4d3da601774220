"""The spectrogram in double precision, straight from its definition, that every contender must reproduce."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from .presets import Preset, hann, mel_weights

FLOOR = 1e-16


def log_mel_db(
    samples: NDArray[np.float32], preset: Preset, *, remove_mean: bool, floor: float = FLOOR
) -> NDArray[np.float64]:
    """Log-mel cells in dB of shape ``(channels, mels, frames)``, a full-scale sine at 0 dB.

    `remove_mean` subtracts each frame's mean before the window; `floor` is the least power, scaled alike.
    """
    frames = sliding_window_view(samples.astype(np.float64).T, preset.window, axis=1)[:, :: preset.hop]
    if remove_mean:
        frames = frames - frames.mean(axis=2, keepdims=True)
    window = hann(preset.window)
    power = np.abs(np.fft.rfft(frames * window, axis=2)) ** 2 * (4 / window.sum() ** 2)
    return 10 * np.log10(np.maximum(power @ mel_weights(preset).T, floor)).transpose(0, 2, 1)


def spectrum(samples: NDArray[np.float32]) -> NDArray[np.complex128]:
    """Real FFT in double precision along axis 1 of ``(batch, length, channels)``."""
    return np.fft.rfft(samples.astype(np.float64), axis=1)
