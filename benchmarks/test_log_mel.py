"""Log-mel frames of a four-channel minute: asc-edge beside the libraries a user would otherwise pick.

Run by ``make bench``. Each contender must give the same picture before its time counts.
"""

from __future__ import annotations

from collections.abc import Callable

import librosa
import numpy as np
import pytest
import scipy.fft
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture

from asc_edge import LogMelConfig, LogMelStream, log_mel

SECONDS, CHANNELS = 10, 4
CONFIGS = {
    "0.32/0.16": LogMelConfig(),
    "0.032/0.016": LogMelConfig(window_s=0.032, hop_s=0.016, mel_scale="slaney"),
}

LogMel = Callable[[NDArray[np.float32], LogMelConfig], NDArray[np.floating]]


def streamed(samples: NDArray[np.float32], config: LogMelConfig) -> NDArray[np.floating]:
    stream = LogMelStream(config, CHANNELS)
    hop = config.hop_samples
    frames = [stream.push(samples[start : start + hop]) for start in range(0, len(samples), hop)]
    return np.concatenate(frames).transpose(1, 2, 0)


def bank(config: LogMelConfig) -> NDArray[np.float32]:
    return np.asarray(
        librosa.filters.mel(
            sr=config.sample_rate_hz,
            n_fft=config.window_samples,
            n_mels=config.mels,
            htk=config.mel_scale == "htk",
            norm=None,
            dtype=np.float32,
        )
    )


def scipy_batched(samples: NDArray[np.float32], config: LogMelConfig) -> NDArray[np.floating]:
    size, hop = config.window_samples, config.hop_samples
    window = np.hanning(size + 1)[:-1].astype(np.float32)
    pieces = np.lib.stride_tricks.sliding_window_view(samples.T, size, axis=1)[:, ::hop]
    pieces = (pieces - pieces.mean(axis=2, keepdims=True)) * window
    spectrum = scipy.fft.rfft(pieces, axis=2)
    power = (spectrum.real**2 + spectrum.imag**2) * np.float32(4 / window.sum() ** 2)
    return (10 * np.log10(np.maximum(power @ bank(config).T, 1e-16))).transpose(0, 2, 1)


@pytest.mark.parametrize("preset", CONFIGS)
@pytest.mark.parametrize("contender", [log_mel, streamed, scipy_batched], ids=lambda f: f.__name__)
def test_log_mel(benchmark: BenchmarkFixture, contender: LogMel, preset: str) -> None:
    config = CONFIGS[preset]
    rng = np.random.default_rng(1)
    samples = (0.1 * rng.standard_normal((SECONDS * config.sample_rate_hz, CHANNELS))).astype(np.float32)
    frames = benchmark.pedantic(contender, args=(samples, config), rounds=5, warmup_rounds=1)
    np.testing.assert_allclose(frames, log_mel(samples, config), atol=1e-2)
