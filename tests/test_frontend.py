"""The front end against librosa and scipy in float64, and the promises a stream makes."""

from __future__ import annotations

import dataclasses
import itertools
import json
from pathlib import Path

import librosa
import numpy as np
import pytest
import scipy.signal
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from asc_edge.errors import AudioFormatError, ConfigError, NonFiniteError
from asc_edge.frontend import LogMelConfig, LogMelStream, log_mel, mel_filter_bank

LENGTHS_S = [(0.32, 0.16), (0.032, 0.016)]
RATES_HZ = [16000, 44100]
SCALES = ["htk", "slaney"]
NORMS = ["peak", "area"]
# Half of what the front end promises for every cell, however quiet: 1e-3 dB.
TOLERANCE_DB = 5e-4

ignore_empty_bands = pytest.mark.filterwarnings("ignore:Empty filters detected:UserWarning")


def librosa_bank(config: LogMelConfig) -> NDArray[np.float64]:
    return librosa.filters.mel(
        sr=config.sample_rate_hz,
        n_fft=config.window_samples,
        n_mels=config.mels,
        fmin=config.fmin_hz,
        fmax=config.fmax_hz,
        htk=config.mel_scale == "htk",
        norm=None if config.mel_norm == "peak" else "slaney",
        dtype=np.float64,
    )


def reference_log_mel(samples: NDArray[np.float32], config: LogMelConfig) -> NDArray[np.float64]:
    """(mels, frames) in dB of one channel: scipy's spectrogram, librosa's bank, all in float64."""
    window = scipy.signal.get_window("hann", config.window_samples)
    _, _, power = scipy.signal.spectrogram(
        samples.astype(np.float64),
        window=window,
        noverlap=config.window_samples - config.hop_samples,
        detrend="constant",
        scaling="spectrum",
        mode="complex",
    )
    # scipy's spectrum has a sine of amplitude 1 at |X| = 1/2.
    power = np.abs(2 * power) ** 2
    return 10 * np.log10(np.maximum(librosa_bank(config) @ power, 1e-16))


def assert_equals_reference(samples: NDArray[np.float32], config: LogMelConfig) -> None:
    expected = reference_log_mel(samples, config)
    assert expected.shape[1] == config.frames(len(samples)) > 0
    np.testing.assert_allclose(log_mel(samples, config)[0], expected, rtol=0, atol=TOLERANCE_DB)


def every_config(rates_hz: list[int]) -> list[LogMelConfig]:
    return [
        LogMelConfig(sample_rate_hz=rate, window_s=window, hop_s=hop, mel_scale=scale, mel_norm=norm)
        for rate, (window, hop), scale, norm in itertools.product(rates_hz, LENGTHS_S, SCALES, NORMS)
    ]


def name_of(config: LogMelConfig) -> str:
    return f"{config.sample_rate_hz}-{config.window_s}-{config.mel_scale}-{config.mel_norm}"


# A wrong mel formula, corner, rounding or area normalisation.
@ignore_empty_bands
@pytest.mark.parametrize("config", every_config(RATES_HZ), ids=name_of)
def test_mel_bank_is_librosas(config: LogMelConfig) -> None:
    np.testing.assert_allclose(mel_filter_bank(config), librosa_bank(config), rtol=0, atol=1e-6)


# A range that is ignored, or applied to bins instead of corners.
def test_mel_bank_with_a_range_is_librosas() -> None:
    config = LogMelConfig(mels=40, fmin_hz=50.0, fmax_hz=7000.0, mel_scale="slaney")
    np.testing.assert_allclose(mel_filter_bank(config), librosa_bank(config), rtol=0, atol=1e-6)


# A wrong window, scale, mean removal, frame count or logarithm; float32 anywhere in the transform: the tone
# is more than 100 dB above the noise, so that the quiet bands lie below what float32 can resolve beside it.
@ignore_empty_bands
@pytest.mark.parametrize("config", every_config(RATES_HZ), ids=name_of)
def test_synthetic_sound_equals_scipy_and_librosa(config: LogMelConfig, rng: np.random.Generator) -> None:
    time_s = np.arange(config.sample_rate_hz) / config.sample_rate_hz
    tone = 0.9 * np.sin(2 * np.pi * 1000 * time_s)
    noise = 1e-6 * rng.standard_normal(len(time_s))
    for samples in (tone + noise, 0.2 + 1e5 * noise, noise):
        assert_equals_reference(samples.astype(np.float32), config)


# The same on recordings: silence, clipping, DC, clicks.
@ignore_empty_bands
@pytest.mark.parametrize("config", every_config([16000]), ids=name_of)
def test_16_khz_recordings_equal_scipy_and_librosa(config: LogMelConfig, shared_data: Path) -> None:
    paths = sorted((shared_data / "esc50" / "audio").glob("*.flac"))[::200]
    assert len(paths) == 8
    for path in paths:
        samples, rate_hz = soundfile.read(path, dtype="float32")
        assert rate_hz == 16000
        assert_equals_reference(samples, config)


@ignore_empty_bands
@pytest.mark.parametrize("config", every_config([44100]), ids=name_of)
def test_44_khz_recordings_equal_scipy_and_librosa(config: LogMelConfig, shared_data: Path) -> None:
    paths = sorted((shared_data / "esc10").rglob("*.ogg"))[::80]
    assert len(paths) == 4
    for path in paths:
        samples, rate_hz = soundfile.read(path, dtype="float32")
        assert rate_hz == 44100
        assert_equals_reference(samples, config)


# A scale that only the reference shares: a sine of amplitude 1 in the middle of a bin has power 1.
def test_full_scale_sine_is_at_0_db() -> None:
    config = LogMelConfig(mels=16)
    bin_hz = config.sample_rate_hz / config.window_samples
    bank = mel_filter_bank(config)
    bin_index = int(bank[8].argmax())
    tone = np.sin(2 * np.pi * bin_hz * bin_index * np.arange(5120) / 16000).astype(np.float32)
    weights = bank[8, bin_index - 1 : bin_index + 2]
    expected_db = 10 * np.log10(weights @ [0.25, 1.0, 0.25])
    assert log_mel(tone, config)[0, 8, 0] == pytest.approx(expected_db, abs=1e-3)


def test_digital_silence_and_a_constant_are_at_the_floor() -> None:
    for level in (0.0, 0.5, -1.0):
        assert (log_mel(np.full(6000, level, np.float32), LogMelConfig()) == -160.0).all()


# Samples lost, doubled or reordered at the edges of blocks.
@pytest.mark.parametrize("channels", [1, 2, 4, 6, 8, 16])
@pytest.mark.parametrize("chunk", [1, 7, 160, 320, 511, 2560, 16000])
def test_chunks_and_channels_do_not_change_a_bit(chunk: int, channels: int, rng: np.random.Generator) -> None:
    config = LogMelConfig(window_s=0.064, hop_s=0.032)
    samples = rng.standard_normal((4000 if chunk == 1 else 40000, channels)).astype(np.float32)
    stream = LogMelStream(config, channels=channels)
    blocks = [stream.push(samples[start : start + chunk]) for start in range(0, len(samples), chunk)]
    frames = np.concatenate(blocks)
    assert stream.frames_emitted == len(frames) == config.frames(len(samples)) > 0
    for channel in range(channels):
        alone = log_mel(np.ascontiguousarray(samples[:, channel]), config)
        np.testing.assert_array_equal(frames[:, channel].T, alone[0])


# The paper's window, on a recording, at both rates' chunkings.
def test_chunks_do_not_change_a_bit_on_recordings(shared_data: Path) -> None:
    path = min((shared_data / "esc50" / "audio").glob("*.flac"))
    samples, _ = soundfile.read(path, dtype="int16")
    whole = log_mel(samples, LogMelConfig())
    for chunk in (1, 7, 160, 320, 511, 2560, 16000):
        stream = LogMelStream(LogMelConfig())
        blocks = [stream.push(samples[i : i + chunk, None]) for i in range(0, len(samples), chunk)]
        np.testing.assert_array_equal(np.concatenate(blocks)[:, 0].T, whole[0])


# Chunk edges that the chosen ones miss: any cut, with overlap, without, and with a gap between the windows.
@settings(max_examples=60, deadline=None)
@given(cuts=st.lists(st.integers(0, 1500), max_size=8), hop=st.integers(1, 900))
def test_any_cut_gives_the_same_frames(cuts: list[int], hop: int) -> None:
    config = LogMelConfig(sample_rate_hz=1000, window_s=0.3, hop_s=hop / 1000, mels=8)
    samples = np.random.default_rng(hop).standard_normal((1500, 2)).astype(np.float32)
    stream = LogMelStream(config, channels=2)
    frames = np.concatenate([stream.push(block) for block in np.split(samples, sorted(cuts))])
    np.testing.assert_array_equal(frames.transpose(1, 2, 0), log_mel(samples, config))
    # Each frame sees its own window and nothing else, also where the hop is longer than the window.
    for index, frame in enumerate(frames):
        own = samples[index * hop : index * hop + 300]
        np.testing.assert_array_equal(frame, log_mel(own, config)[:, :, 0])


# A frame that comes late: it is due with its last sample.
def test_a_frame_comes_with_its_last_sample() -> None:
    stream = LogMelStream(LogMelConfig())
    assert len(stream.push(np.zeros((5119, 1), np.float32))) == 0
    assert len(stream.push(np.zeros((1, 1), np.float32))) == 1
    assert len(stream.push(np.zeros((2559, 1), np.float32))) == 0
    assert len(stream.push(np.zeros((1, 1), np.float32))) == 1


# A wrong int16 scale.
def test_int16_is_float_divided_by_32768(rng: np.random.Generator) -> None:
    whole = rng.integers(-32768, 32768, (9000, 2), dtype=np.int16)
    whole[:2, 0] = (-32768, 32767)
    parts = whole.astype(np.float32) / 32768
    np.testing.assert_array_equal(log_mel(whole, LogMelConfig()), log_mel(parts, LogMelConfig()))


# Strides that are ignored: each of these looks like (6000, 2) and lies otherwise in memory.
@pytest.mark.parametrize("dtype", [np.float32, np.int16])
def test_any_memory_layout_is_read_right(dtype: type, rng: np.random.Generator) -> None:
    samples = (1000 * rng.standard_normal((6000, 2))).astype(dtype)
    expected = log_mel(samples, LogMelConfig())
    read_only = samples.copy()
    read_only.flags.writeable = False
    wide = np.zeros((12000, 6), dtype)
    wide[::2, 1:5:3] = samples
    unaligned = np.frombuffer(b"x" + samples.tobytes(), np.uint8)[1:].view(dtype).reshape(6000, 2)
    assert not unaligned.flags.aligned
    layouts = [
        np.asfortranarray(samples),
        samples[::-1].copy()[::-1],
        samples[:, ::-1].copy()[:, ::-1],
        wide[::2, 1:5:3],
        read_only,
        unaligned,
    ]
    for layout in layouts:
        np.testing.assert_array_equal(log_mel(layout, LogMelConfig()), expected)


# A broadcast view has stride 0: all channels are the one below.
def test_a_broadcast_channel_is_read_right(rng: np.random.Generator) -> None:
    mono = rng.standard_normal((6000, 1)).astype(np.float32)
    cells = log_mel(np.broadcast_to(mono, (6000, 3)), LogMelConfig())
    for channel in cells:
        np.testing.assert_array_equal(channel, log_mel(mono, LogMelConfig())[0])


def test_empty_and_short_input_give_no_frames() -> None:
    config = LogMelConfig()
    assert log_mel(np.zeros(0, np.float32), config).shape == (1, 128, 0)
    assert log_mel(np.zeros((5119, 3), np.int16), config).shape == (3, 128, 0)
    frames = LogMelStream(config, channels=4).push(np.zeros((0, 4), np.float32))
    assert frames.shape == (0, 4, 128)
    assert frames.dtype == np.float32


# A reset that leaves samples behind.
def test_a_reset_stream_is_a_new_stream(rng: np.random.Generator) -> None:
    samples = rng.standard_normal((12000, 1)).astype(np.float32)
    stream = LogMelStream(LogMelConfig())
    stream.push(samples[:7777])
    stream.reset()
    assert stream.frames_emitted == 0
    np.testing.assert_array_equal(stream.push(samples)[:, 0].T, log_mel(samples, LogMelConfig())[0])


# A refused block that was half consumed.
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_refused_block_leaves_no_trace(bad: float, rng: np.random.Generator) -> None:
    samples = rng.standard_normal((20000, 2)).astype(np.float32)
    stream = LogMelStream(LogMelConfig(), channels=2)
    first = stream.push(samples[:7000])
    broken = samples[7000:].copy()
    broken[12000, 1] = bad
    with pytest.raises(NonFiniteError, match="sample 12000 of channel 1"):
        stream.push(broken)
    with pytest.raises(AudioFormatError):
        stream.push(samples[7000:, :1])
    with pytest.raises(AudioFormatError):
        stream.push(samples[7000:].astype(np.float64))  # type: ignore[arg-type]
    frames = np.concatenate([first, stream.push(samples[7000:])])
    np.testing.assert_array_equal(frames.transpose(1, 2, 0), log_mel(samples, LogMelConfig()))


def test_huge_finite_samples_stay_finite() -> None:
    samples = np.tile(np.float32([3.4e38, -3.4e38]), 3000)
    assert np.isfinite(log_mel(samples, LogMelConfig())).all()


@pytest.mark.parametrize(
    ("samples", "advice"),
    [
        (np.zeros((6000, 2)), r"float64.*astype\(np\.float32\)"),
        (np.zeros((6000, 2), ">f4"), r"byte order.*newbyteorder"),
        (np.zeros((6000, 2), ">i2"), r"byte order.*newbyteorder"),
        (np.zeros((6000, 2), np.float16), r"float16.*astype"),
        (np.zeros((6000, 2), np.int32), r"int32.*scaled"),
        (np.zeros((6000, 2), np.uint8), r"uint8.*scaled"),
        (np.zeros((6000, 2), bool), "bool"),
        (np.zeros((6000, 2), complex), "complex128"),
        (np.zeros((6000, 2), object), "object"),
        (np.ma.masked_array(np.zeros((6000, 2), np.float32)), "masked"),
        ([[0.0, 0.0]], "numpy array, not list"),
        (None, "NoneType"),
        (np.zeros((6000, 2, 1), np.float32), r"\(6000, 2, 1\)"),
        (np.zeros((), np.float32), r"\(\)"),
    ],
)
def test_wrong_arrays_are_refused_with_advice(samples: NDArray[np.float32], advice: str) -> None:
    with pytest.raises(AudioFormatError, match=advice) as from_stream:
        LogMelStream(LogMelConfig(), channels=2).push(samples)
    with pytest.raises(AudioFormatError, match=advice):
        log_mel(samples, LogMelConfig())
    assert "\n" not in str(from_stream.value)


def test_wrong_channel_counts_are_refused() -> None:
    stream = LogMelStream(LogMelConfig(), channels=2)
    for shape in ((100, 1), (100, 3), (2, 100), (100,), (100, 0)):
        with pytest.raises(AudioFormatError, match=r"takes \(n, 2\)"):
            stream.push(np.zeros(shape, np.float32))
    for channels in (0, 17):
        with pytest.raises(AudioFormatError, match="1 to 16 channels"):
            log_mel(np.zeros((100, channels), np.float32), LogMelConfig())


@pytest.mark.parametrize("channels", [0, 17, -1, 1.0, True, "2", None])
def test_a_stream_has_1_to_16_channels(channels: int) -> None:
    with pytest.raises(ConfigError, match="channels"):
        LogMelStream(LogMelConfig(), channels=channels)


def test_a_stream_needs_a_config() -> None:
    with pytest.raises(ConfigError, match="LogMelConfig"):
        LogMelStream({"sample_rate_hz": 16000})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sample_rate_hz", 0),
        ("sample_rate_hz", -16000),
        ("sample_rate_hz", 16000.0),
        ("sample_rate_hz", True),
        ("sample_rate_hz", 10**9),
        ("window_s", 0.0),
        ("window_s", -0.32),
        ("window_s", float("nan")),
        ("window_s", float("inf")),
        ("window_s", "0.32"),
        ("window_s", None),
        ("window_s", 1e6),
        ("window_s", 1e-5),
        ("hop_s", 0.0),
        ("hop_s", -0.1),
        ("hop_s", 1e-6),
        ("hop_s", 1e300),
        ("mels", 0),
        ("mels", 128.5),
        ("mels", 10**6),
        ("mel_scale", "HTK"),
        ("mel_scale", None),
        ("mel_scale", ["htk"]),
        ("mel_norm", "slaney"),
        ("fmin_hz", -1.0),
        ("fmin_hz", 8000.0),
        ("fmin_hz", float("nan")),
        ("fmax_hz", 8000.5),
        ("fmax_hz", 0.0),
        ("fmax_hz", float("nan")),
        ("fmax_hz", "8000"),
    ],
)
def test_values_that_cannot_work_are_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=name) as caught:
        LogMelConfig(**{name: value})  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_config_survives_json() -> None:
    config = LogMelConfig(
        sample_rate_hz=44100, window_s=1, mel_scale="slaney", fmax_hz=16000, interpolation=2
    )
    assert LogMelConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert LogMelConfig.from_dict({}) == LogMelConfig()
    assert set(config.to_dict()) == {field.name for field in dataclasses.fields(LogMelConfig)}
    # numpy's numbers, as from an array of rates, would not go into JSON.
    assert json.dumps(LogMelConfig(mels=np.int64(40), hop_s=np.float64(0.1)).to_dict())  # type: ignore[arg-type]


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"'n_mels'.*choose among.*mels"):
        LogMelConfig.from_dict({"n_mels": 128})
    with pytest.raises(ConfigError, match="list"):
        LogMelConfig.from_dict([("mels", 128)])  # type: ignore[arg-type]


# The paper's counts (10 s and 5 s), and the rounding of lengths that are not whole samples.
def test_lengths_and_frame_counts() -> None:
    assert (LogMelConfig().window_samples, LogMelConfig().hop_samples) == (5120, 2560)
    short = LogMelConfig(sample_rate_hz=44100, window_s=0.032, hop_s=0.016)
    assert (short.window_samples, short.hop_samples) == (1411, 706)
    for rate_hz in RATES_HZ:
        config = LogMelConfig(sample_rate_hz=rate_hz)
        assert [config.frames(n * rate_hz) for n in (10, 5)] == [61, 30]
    config = LogMelConfig()
    assert [config.frames(n) for n in (0, 5119, 5120, 7679, 7680)] == [0, 0, 1, 1, 2]
