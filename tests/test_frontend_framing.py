"""What a stream promises about its ends: pre-emphasis, centred frames, and `finish`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from asc_edge.errors import NonFiniteError, UsageError
from asc_edge.frontend import LogMelConfig, LogMelStream, log_mel
from asc_edge.presets import EFFICIENTAT_MN, EFFICIENTAT_MN_16K, YAMNET

CENTRED = LogMelConfig(window_s=0.025, hop_s=0.01, fft_samples=512, mels=8, centred=True)


def streamed(
    samples: NDArray[Any], cuts: list[int], config: LogMelConfig
) -> tuple[NDArray[np.float32], LogMelStream]:
    """Cells (channels, mels, frames) of a stream that is cut and finished, and the stream."""
    stream = LogMelStream(config, channels=samples.shape[1])
    blocks = [stream.push(block) for block in np.split(samples, sorted(cuts))]
    return np.concatenate([*blocks, stream.finish()]).transpose(1, 2, 0), stream


def by_definition(samples: NDArray[np.float32], config: LogMelConfig) -> NDArray[np.float32]:
    """The same from the plain front end: numpy filters and reflects what it is given."""
    framed = samples
    if config.preemphasis:
        wide = samples.astype(np.float64)
        framed = (wide[1:] - config.preemphasis * wide[:-1]).astype(np.float32)
    if config.centred:
        lead = config.fft_length // 2 - (config.fft_length - config.window_samples) // 2
        tail = config.window_samples - lead - config.fft_length % 2
        framed = np.pad(framed, ((lead, tail), (0, 0)), mode="reflect")
    return log_mel(framed, replace(config, preemphasis=0.0, centred=False))


# A sample lost, doubled, filtered twice or reflected wrongly at the edge of a block, an end, or a gap between
# two windows: to the bit.
@settings(max_examples=150, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 1500), max_size=8),
    hop=st.integers(1, 900),
    window=st.integers(290, 310),
    zeros=st.integers(0, 30),
    centred=st.booleans(),
    preemphasis=st.sampled_from([0.0, 0.97, 1.0]),
    whole=st.booleans(),
)
def test_any_cut_gives_the_same_frames(
    *, cuts: list[int], hop: int, window: int, zeros: int, centred: bool, preemphasis: float, whole: bool
) -> None:
    config = LogMelConfig(
        sample_rate_hz=1000,
        window_s=window / 1000,
        hop_s=hop / 1000,
        mels=8,
        fft_samples=window + zeros,
        centred=centred,
        preemphasis=preemphasis,
    )
    rng = np.random.default_rng(hop)
    samples = rng.integers(-30000, 30000, (1500, 2)).astype(np.int16)
    floats = samples.astype(np.float32) / 32768
    cells, stream = streamed(samples if whole else floats, cuts, config)
    assert stream.frames_emitted == cells.shape[2] == config.frames(1500)
    np.testing.assert_array_equal(cells, log_mel(samples, config))
    np.testing.assert_array_equal(cells, by_definition(floats, config))


# The same for the settings that don't touch the stream, with the front ends that use them all.
@pytest.mark.parametrize(
    "config",
    [EFFICIENTAT_MN, EFFICIENTAT_MN_16K, YAMNET],
    ids=["efficientat", "efficientat_16k", "yamnet"],
)
@pytest.mark.parametrize("chunk", [1, 160, 511, 4096])
def test_chunks_and_channels_do_not_change_a_bit(
    config: LogMelConfig, chunk: int, rng: np.random.Generator
) -> None:
    samples = rng.standard_normal((6000, 3)).astype(np.float32)
    cells, _ = streamed(samples, list(range(chunk, 6000, chunk)), config)
    for channel in range(3):
        np.testing.assert_array_equal(cells[channel], log_mel(samples[:, channel], config)[0])


# Fewer samples than can be reflected: no frames, no error, and not a frame of leftovers.
def test_short_clips_have_no_frames() -> None:
    for n_samples in (0, 1, 200):
        assert CENTRED.frames(n_samples) == 0
        assert log_mel(np.ones(n_samples, np.float32), CENTRED).shape == (1, 8, 0)
    assert log_mel(np.ones(201, np.float32), CENTRED).shape == (1, 8, CENTRED.frames(201)) == (1, 8, 2)
    filtered = replace(CENTRED, preemphasis=0.97)
    assert log_mel(np.ones(201, np.float32), filtered).shape == (1, 8, 0)
    assert log_mel(np.ones(202, np.float32), filtered).shape == (1, 8, 2)
    plain = replace(filtered, centred=False)
    assert [plain.frames(n) for n in (0, 1, 400, 401, 560, 561)] == [0, 0, 0, 1, 1, 2]


# A centred frame that waits for a whole transform, or for the end.
def test_a_centred_frame_comes_as_soon_as_it_can() -> None:
    stream = LogMelStream(CENTRED)
    sizes = [len(stream.push(np.zeros((n, 1), np.float32))) for n in (200, 1, 158, 1, 159, 1)]
    # Frame 0 needs sample 200 to reflect, frame 1 ends with sample 359, frame 2 with sample 519.
    assert sizes == [0, 1, 0, 1, 0, 1]
    # The window around sample 480 ends at 679, and the one around 520 is no multiple of the hop.
    assert stream.finish().shape == (1, 1, 8)


# A stream that goes on after its end would glue two signals together, with a reflection between them.
def test_a_finished_stream_wants_a_reset(rng: np.random.Generator) -> None:
    samples = rng.standard_normal((3000, 2)).astype(np.float32)
    for config in (CENTRED, replace(CENTRED, centred=False, preemphasis=0.5)):
        stream = LogMelStream(config, channels=2)
        stream.push(samples[::-1].copy())
        stream.finish()
        emitted = stream.frames_emitted
        with pytest.raises(UsageError, match="reset it"):
            stream.push(samples)
        with pytest.raises(UsageError, match="reset it"):
            stream.finish()
        assert stream.frames_emitted == emitted == config.frames(3000)
        stream.reset()
        assert stream.frames_emitted == 0
        frames = np.concatenate([stream.push(samples), stream.finish()])
        np.testing.assert_array_equal(frames.transpose(1, 2, 0), log_mel(samples, config))


# Frames without centring wait for nothing.
def test_a_plain_stream_finishes_without_frames(rng: np.random.Generator) -> None:
    stream = LogMelStream(YAMNET, channels=2)
    assert stream.finish().shape == (0, 2, 64)
    stream.reset()
    stream.push(rng.standard_normal((1000, 2)).astype(np.float32))
    assert stream.finish().shape == (0, 2, 64)


# A refused block whose first sample stays in the filter's memory.
def test_a_refused_block_leaves_no_trace(rng: np.random.Generator) -> None:
    config = replace(CENTRED, preemphasis=0.97)
    samples = rng.standard_normal((3000, 1)).astype(np.float32)
    broken = samples[::-1].copy()
    broken[-1] = np.nan
    stream = LogMelStream(config)
    for block in (samples[:1], samples[1:500], samples[500:]):
        with pytest.raises(NonFiniteError):
            stream.push(broken)
        stream.push(block[:0])
        stream.push(block)
    stream.finish()
    assert stream.frames_emitted == config.frames(3000)
    cells, _ = streamed(samples, [1, 500], config)
    np.testing.assert_array_equal(cells, log_mel(samples, config))


# Infinities made by the filter out of finite samples.
def test_huge_finite_samples_stay_finite() -> None:
    samples = np.tile(np.float32([3.4e38, -3.4e38]), 3000)
    for config in (EFFICIENTAT_MN, replace(CENTRED, preemphasis=1.0, spectrum="magnitude")):
        assert np.isfinite(log_mel(samples, config)).all()
