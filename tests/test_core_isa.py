"""One answer on every instruction set: the frames are the same to the last bit."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from asc_edge import LogMelConfig, _core, log_mel
from asc_edge.errors import ConfigError
from asc_edge.frontend import LogMelStream
from asc_edge.presets import EFFICIENTAT_MN_16K

ISAS = _core.available_isas()
CONFIGS = {
    "0.32/0.16": LogMelConfig(),
    "0.032/0.016": LogMelConfig(window_s=0.032, hop_s=0.016, mel_scale="slaney"),
    "44.1 kHz": LogMelConfig(sample_rate_hz=44100),
    "odd and prime": LogMelConfig(sample_rate_hz=44100, window_s=0.032, hop_s=0.016, mels=64),
    "longer transform": LogMelConfig(
        window_s=0.025,
        hop_s=0.01,
        fft_samples=512,
        mels=64,
        spectrum="magnitude",
        level="natural_log",
        centred=True,
    ),
    "interpolated": EFFICIENTAT_MN_16K,
}


def frames_on(isa: str, config: LogMelConfig, samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Frames of one push of all samples, on a named instruction set."""
    plan = _core.LogMelPlan(isa=isa, **config._stream_settings())
    return _core.LogMelStream(plan, samples.shape[1]).push(samples)


def scene(rng: np.random.Generator, config: LogMelConfig, channels: int) -> NDArray[np.float32]:
    """Noise, a tone whose quiet bands take double precision, silence, and huge samples."""
    size = 3 * config.window_samples
    time_s = np.arange(size)[:, None] / config.sample_rate_hz
    noise = rng.standard_normal((size, channels))
    tone = 0.8 * np.sin(2 * np.pi * 440 * time_s) + 1e-6 * noise
    parts = [0.1 * noise, tone, 0 * noise, 1e30 * noise]
    return np.concatenate(parts).astype(np.float32)


# A kernel that rounds differently for one width of registers: a fused multiply-add, another order of a sum.
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 6, 8, 11, 16])
@pytest.mark.parametrize("name", CONFIGS)
def test_every_instruction_set_gives_the_same_bits(
    name: str, channels: int, rng: np.random.Generator
) -> None:
    config = CONFIGS[name]
    samples = scene(rng, config, channels)
    expected = frames_on(ISAS[0], config, samples)
    assert len(expected) > 10
    assert np.isfinite(expected).all()
    for isa in ISAS[1:]:
        np.testing.assert_array_equal(frames_on(isa, config, samples), expected, err_msg=isa)


# The same for lengths that nobody chose: any factors, any number of lanes.
@settings(max_examples=40, deadline=None)
@given(window=st.integers(16, 1500), channels=st.integers(1, 16), seed=st.integers(0, 99))
def test_any_window_gives_the_same_bits(window: int, channels: int, seed: int) -> None:
    config = LogMelConfig(sample_rate_hz=1000, window_s=window / 1000, hop_s=window / 3000, mels=10)
    samples = np.random.default_rng(seed).standard_normal((3 * window, channels)).astype(np.float32)
    expected = frames_on(ISAS[0], config, samples)
    for isa in ISAS[1:]:
        np.testing.assert_array_equal(frames_on(isa, config, samples), expected, err_msg=isa)


# A guard that looks at the wrong lane: one channel's quiet bands must not change another's.
def test_a_channel_that_needs_double_precision_leaves_the_others_alone(rng: np.random.Generator) -> None:
    config = LogMelConfig()
    loud = scene(rng, config, 1)
    quiet = (0.01 * rng.standard_normal(loud.shape)).astype(np.float32)
    together = log_mel(np.concatenate([quiet, loud, quiet], axis=1), config)
    np.testing.assert_array_equal(together[0], log_mel(quiet, config)[0])
    np.testing.assert_array_equal(together[1], log_mel(loud, config)[0])
    np.testing.assert_array_equal(together[2], log_mel(quiet, config)[0])


def isa_in_process(value: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from asc_edge import _core; print(_core.isa())"],
        env={**os.environ, "ASC_EDGE_ISA": value},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("isa", ISAS)
def test_the_environment_chooses(isa: str) -> None:
    assert isa_in_process(isa).stdout.strip() == isa


def test_an_empty_variable_chooses_the_best() -> None:
    assert isa_in_process("").stdout.strip() == ISAS[-1]


def test_an_unknown_instruction_set_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASC_EDGE_ISA", "mmx")
    with pytest.raises(ConfigError, match=r"ASC_EDGE_ISA is 'mmx': this processor has .*unset") as refused:
        LogMelStream(LogMelConfig())
    assert "\n" not in str(refused.value)
