"""The resampler, against soxr's own one-shot call."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import soxr

from asc_edge.audio.resample import StreamResampler, resample
from asc_edge.errors import ResamplerMissingError


@pytest.mark.parametrize("rates", [(48000, 16000), (44100, 16000), (8000, 16000)])
@pytest.mark.parametrize("chunk", [1, 37, 160, 4800, 10**6])
@pytest.mark.parametrize("channels", [1, 4])
def test_chunked_is_whole_to_the_bit(
    rates: tuple[int, int], chunk: int, channels: int, rng: np.random.Generator
) -> None:
    """Catches filters restarted at block borders, a lost tail, and blocks taken as (channels, n)."""
    samples = rng.uniform(-1, 1, (5000, channels)).astype(np.float32)
    stream = StreamResampler(*rates, channels)
    parts = [stream.push(samples[start : start + chunk]) for start in range(0, len(samples), chunk)]
    joined = np.concatenate([*parts, stream.flush()])
    np.testing.assert_array_equal(joined, soxr.resample(samples, *rates))
    np.testing.assert_array_equal(joined, resample(samples, *rates))


def test_int16_is_scaled_as_the_front_end_does() -> None:
    """Catches int16 resampled by soxr's own scale, or not scaled at all."""
    samples = np.full((4800, 2), -16384, dtype=np.int16)
    middle = resample(samples, 48000, 16000)[400:1200]
    np.testing.assert_allclose(middle, -0.5, atol=1e-4)


def test_equal_rates_pass_through_untouched() -> None:
    block = np.arange(8, dtype=np.int16).reshape(4, 2)
    stream = StreamResampler(16000, 16000, 2)
    assert stream.push(block) is block
    assert stream.flush().shape == (0, 2)


def test_a_missing_resampler_matters_only_when_rates_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches an import at the top, and a traceback instead of what to install."""
    monkeypatch.setitem(sys.modules, "soxr", None)
    StreamResampler(16000, 16000, 1)
    with pytest.raises(ResamplerMissingError, match=r"44100 Hz.*16000 Hz.*pip install soxr"):
        StreamResampler(44100, 16000, 1)
