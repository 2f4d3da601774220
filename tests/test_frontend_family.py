"""The family of front ends, each against the library that defines it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gammatone.fftweight
import gammatone.filters
import kaldi_native_fbank
import librosa
import numpy as np
import pytest
import scipy.signal
import soundfile
import soxr
import torch
from numpy.typing import NDArray

from asc_edge.frontend import LogMelConfig, log_mel, mel_filter_bank
from asc_edge.presets import ATT_CRNN_GAMMATONE, ATT_CRNN_MEL, EFFICIENTAT_MN, YAMNET

# Half of what the front end promises for every cell: 1e-3 dB.
TOLERANCE_DB = 5e-4


def assert_cells(cells: NDArray[np.float32], expected: NDArray[Any], config: LogMelConfig) -> None:
    assert cells.shape == expected.shape
    assert cells.shape[-1] > 0
    np.testing.assert_allclose(
        cells * config.db_per_unit, expected * config.db_per_unit, rtol=0, atol=TOLERANCE_DB
    )


def recordings(folder: Path, rate_hz: int, count: int) -> Iterator[NDArray[np.float32]]:
    """`count` recordings of ESC-10 (44.1 kHz), resampled."""
    paths = sorted((folder / "esc10").rglob("*.ogg"))
    for path in paths[:: len(paths) // count][:count]:
        samples, own_rate_hz = soundfile.read(path, dtype="float32")
        yield soxr.resample(samples, own_rate_hz, rate_hz).astype(np.float32)


def kaldi_library_bank(config: LogMelConfig) -> NDArray[np.float32]:
    """Kaldi's own bank, computed in single precision."""
    frames = kaldi_native_fbank.FrameExtractionOptions()
    frames.samp_freq = config.sample_rate_hz
    frames.frame_length_ms = 1000 * config.fft_length / config.sample_rate_hz
    bank = kaldi_native_fbank.MelBanksOptions()
    bank.num_bins = config.mels
    bank.low_freq = config.fmin_hz
    bank.high_freq = config.fmax_hz or config.sample_rate_hz / 2
    matrix = np.array(kaldi_native_fbank.MelBanks(bank, frames).get_matrix())
    missing_bins = config.fft_length // 2 + 1 - matrix.shape[1]
    return np.pad(matrix, ((0, 0), (0, missing_bins)))


def kaldi_formula_bank(config: LogMelConfig) -> NDArray[np.float64]:
    """The documented formula in double precision: a quiet band beside a loud line shows the difference."""

    def mel(hz: Any) -> Any:
        return 1127.0 * np.log1p(np.asarray(hz) / 700.0)

    fmax_hz = config.fmax_hz or config.sample_rate_hz / 2
    edges = np.linspace(mel(config.fmin_hz), mel(fmax_hz), config.mels + 2)[:, np.newaxis]
    bins = mel(np.arange(config.fft_length // 2) * config.sample_rate_hz / config.fft_length)
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    return np.pad(np.maximum(0.0, np.minimum(rising, falling)), ((0, 0), (0, 1)))


KALDI_BANKS = [
    EFFICIENTAT_MN,
    YAMNET,
    LogMelConfig(mel_scale="kaldi", window_s=0.032, mels=40),
    LogMelConfig(mel_scale="kaldi", sample_rate_hz=44100, window_s=0.025, fft_samples=2048, fmin_hz=20.0),
]


# A wrong formula, triangles over Hz, corners on bins, or a weight at half the sample rate.
@pytest.mark.parametrize("config", KALDI_BANKS)
def test_kaldi_bank_is_kaldis(config: LogMelConfig) -> None:
    bank = mel_filter_bank(config)
    np.testing.assert_allclose(bank, kaldi_library_bank(config), rtol=0, atol=5e-5)
    np.testing.assert_allclose(bank, kaldi_formula_bank(config), rtol=0, atol=1e-11)


# The same, against the bank that TensorFlow put into a network.
def test_yamnet_bank_is_tensorflows(shared_weights: Path) -> None:
    network = yamnet(shared_weights)
    np.testing.assert_allclose(
        mel_filter_bank(YAMNET), network.get_tensor(tensor_index(network, "mel_spectrogram")), atol=1e-7
    )


# The window's length taken for the transform's.
@pytest.mark.parametrize("scale", ["htk", "slaney"])
@pytest.mark.parametrize("norm", ["peak", "area"])
def test_banks_of_a_longer_transform_are_librosas(scale: str, norm: str) -> None:
    config = LogMelConfig(window_s=0.025, fft_samples=1024, mels=64, mel_scale=scale, mel_norm=norm)
    expected = librosa.filters.mel(
        sr=16000, n_fft=1024, n_mels=64, htk=scale == "htk", norm="slaney" if norm == "area" else None
    )
    np.testing.assert_allclose(mel_filter_bank(config), expected, rtol=0, atol=1e-6)


GAMMATONE_BANKS = [
    ATT_CRNN_GAMMATONE,
    LogMelConfig(mel_scale="gammatone", window_s=0.032, mels=20, fmin_hz=100.0, fmax_hz=5000.0),
    LogMelConfig(mel_scale="gammatone", sample_rate_hz=8000, window_s=0.025, fft_samples=301, mels=4),
]


def gammatone_bank(config: LogMelConfig) -> NDArray[np.float64]:
    fmax_hz = config.fmax_hz or config.sample_rate_hz / 2
    bins = config.fft_length // 2 + 1
    weights, _ = gammatone.fftweight.fft_weights(
        config.fft_length, config.sample_rate_hz, config.mels, 1.0, config.fmin_hz, fmax_hz, bins
    )
    return weights


# A wrong order, bandwidth, spacing, direction or gain.
@pytest.mark.parametrize("config", GAMMATONE_BANKS)
def test_gammatone_bank_is_that_of_ellis(config: LogMelConfig) -> None:
    np.testing.assert_allclose(mel_filter_bank(config), gammatone_bank(config), rtol=1e-7, atol=0)


# The same, against the filter itself instead of its fast approximation.
@pytest.mark.parametrize("config", GAMMATONE_BANKS[:2])
def test_gammatone_bands_are_scipys_filters(config: LogMelConfig) -> None:
    fmax_hz = config.fmax_hz or config.sample_rate_hz / 2
    centres_hz = gammatone.filters.erb_space(config.fmin_hz, fmax_hz, config.mels)[::-1]
    bins_hz = np.arange(config.fft_length // 2 + 1) * config.sample_rate_hz / config.fft_length
    # Low bands lose too many digits in scipy's polynomials of degree 8.
    for band, centre_hz in list(zip(mel_filter_bank(config), centres_hz, strict=True))[config.mels // 2 :]:
        b, a = scipy.signal.gammatone(centre_hz, "iir", fs=config.sample_rate_hz)
        _, response = scipy.signal.freqz(b, a, bins_hz, fs=config.sample_rate_hz)
        np.testing.assert_allclose(band, np.abs(response), rtol=0, atol=1e-6)


def torch_power(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """EfficientAT's spectrum, step by step with torch's own functions, of shape (bins, frames)."""
    wave = torch.from_numpy(samples.astype(np.float64))[None, None]
    kernel = torch.tensor([[[-0.97, 1.0]]], dtype=torch.float64)
    emphasised = torch.nn.functional.conv1d(wave, kernel)[0]
    window = torch.hann_window(800, periodic=False, dtype=torch.float64)
    spectrum = torch.stft(
        emphasised, 1024, hop_length=320, win_length=800, window=window, center=True, return_complex=True
    )
    return (spectrum.abs() ** 2)[0].numpy()


# Pre-emphasis, zero padding, symmetric window, centring, both reflections, natural logarithm, normalisation.
def test_efficientat_front_end_is_torchs(shared_data: Path) -> None:
    for samples in recordings(shared_data, 32000, 6):
        power = torch_power(samples)
        cells = log_mel(samples, EFFICIENTAT_MN)[0]
        assert_cells(
            cells, (np.log(kaldi_formula_bank(EFFICIENTAT_MN) @ power + 1e-5) + 4.5) / 5, EFFICIENTAT_MN
        )
        # With Kaldi's bank in single precision, as the network was trained.
        expected = (np.log(kaldi_library_bank(EFFICIENTAT_MN) @ power + 1e-5) + 4.5) / 5
        np.testing.assert_allclose(cells, expected, rtol=0, atol=1e-3)


def yamnet(weights: Path) -> Any:
    """YAMNet's interpreter, with all its tensors to be read and without a delegate that would fuse them."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    network = Interpreter(
        str(weights / "yamnet_tflite" / "yamnet.tflite"),
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    network.allocate_tensors()
    return network


def tensor_index(network: Any, name: str) -> int:
    (index,) = [detail["index"] for detail in network.get_tensor_details() if detail["name"] == name]
    return int(index)


def run(network: Any, fed: NDArray[np.float32], name: str) -> NDArray[np.float32]:
    network.set_tensor(network.get_input_details()[0]["index"], np.ascontiguousarray(fed))
    network.invoke()
    read: NDArray[np.float32] = network.get_tensor(tensor_index(network, name))
    return read


# Magnitude, frames without centring of a transform longer than the window, offset: against the cells inside
# the network that Google published, and what the same network makes of both.
def test_yamnet_front_end_is_yamnets(shared_data: Path, shared_weights: Path) -> None:
    from ai_edge_litert.interpreter import Interpreter

    whole = yamnet(shared_weights)
    from_cells = Interpreter(str(shared_weights / "yamnet_spectra_tflite" / "yamnet_spectra_in.tflite"))
    from_cells.allocate_tensors()
    output = from_cells.get_output_details()[0]["name"]
    for samples in recordings(shared_data, 16000, 8):
        patch = samples[8000 : 8000 + 15600]
        expected = run(whole, patch, "log_mel_spectrogram")
        assert expected.shape == (96, 64)
        cells = log_mel(patch, YAMNET)[0].T
        # TensorFlow's cells are of single precision: twice the tolerance where they are quiet.
        np.testing.assert_allclose(
            cells * YAMNET.db_per_unit, expected * YAMNET.db_per_unit, rtol=0, atol=2 * TOLERANCE_DB
        )
        answers = [run(from_cells, fed[np.newaxis], output) for fed in (cells, expected)]
        # One cell on the edge between two of the network's int8 steps moves a score by up to ten of them.
        assert answers[0].argmax() == answers[1].argmax()
        np.testing.assert_allclose(answers[0], answers[1], rtol=0, atol=0.1)


def scipy_power(samples: NDArray[np.float32], config: LogMelConfig) -> NDArray[np.float64]:
    """(bins, frames) of |X|^2: scipy's transform of windows that are not centred."""
    window = scipy.signal.get_window("hann", config.window_samples)
    frames = np.lib.stride_tricks.sliding_window_view(samples.astype(np.float64), config.window_samples)
    spectrum = scipy.fft.rfft(frames[:: config.hop_samples] * window, config.fft_length)
    return (np.abs(spectrum) ** 2).T


# Both planes of Att-CRNN: raw power and a natural logarithm with an offset far below the samples' noise.
@pytest.mark.parametrize("config", [ATT_CRNN_MEL, ATT_CRNN_GAMMATONE], ids=["mel", "gammatone"])
def test_att_crnn_front_ends_are_scipys(config: LogMelConfig, shared_data: Path) -> None:
    bank = (
        gammatone_bank(config)
        if config.mel_scale == "gammatone"
        else librosa.filters.mel(
            sr=22050, n_fft=2048, n_mels=64, fmin=50.0, htk=True, norm=None, dtype=np.float64
        )
    )
    for samples in recordings(shared_data, 22050, 4):
        cells = log_mel(samples, config)[0]
        assert_cells(cells, np.log(bank @ scipy_power(samples, config) + 1e-10), config)
    assert config.frames(44100) == 79
    assert config.frames(44631) == 80


CENTRED = [
    (400, 512, 160),
    (401, 512, 160),
    (400, 513, 160),
    (401, 401, 97),
    (256, 256, 600),
    (400, 400, 400),
]


# Where a centred window lies in its transform, odd lengths, the number of frames, the level of a magnitude.
@pytest.mark.parametrize(("window", "fft", "hop"), CENTRED)
@pytest.mark.parametrize("shape", ["hann", "hann_symmetric"])
def test_centred_frames_are_librosas(
    window: int, fft: int, hop: int, shape: str, rng: np.random.Generator
) -> None:
    config = LogMelConfig(
        sample_rate_hz=16000,
        window_s=window / 16000,
        hop_s=hop / 16000,
        fft_samples=fft,
        mels=20,
        mel_scale="slaney",
        mel_norm="area",
        window_shape=shape,
        remove_mean=False,
        centred=True,
        spectrum="magnitude",
        full_scale=False,
    )
    for extra in (0, 1, hop - 1):
        samples = rng.standard_normal(12 * hop + extra).astype(np.float32)
        mel = librosa.feature.melspectrogram(
            y=samples.astype(np.float64),
            sr=16000,
            n_fft=fft,
            win_length=window,
            hop_length=hop,
            window=scipy.signal.get_window("hann", window, fftbins=shape == "hann"),
            center=True,
            pad_mode="reflect",
            power=1.0,
            n_mels=20,
            dtype=np.float64,
        )
        expected = librosa.amplitude_to_db(mel, ref=1.0, amin=1e-8, top_db=None)
        assert_cells(log_mel(samples, config)[0], expected, config)
        assert expected.shape[1] == config.frames(len(samples))


# A mean over the zeros behind the window as well, or a full scale that counts them.
def test_zeros_behind_the_window_are_not_part_of_it(rng: np.random.Generator) -> None:
    config = LogMelConfig(window_s=0.025, hop_s=0.01, fft_samples=512, mels=40, mel_scale="slaney")
    samples = (0.3 + 0.01 * rng.standard_normal(4000)).astype(np.float32)
    _, _, half = scipy.signal.spectrogram(
        samples.astype(np.float64),
        window=scipy.signal.get_window("hann", 400),
        noverlap=240,
        nfft=512,
        detrend="constant",
        scaling="spectrum",
        mode="complex",
    )
    bank = librosa.filters.mel(sr=16000, n_fft=512, n_mels=40, norm=None, dtype=np.float64)
    assert_cells(log_mel(samples, config)[0], 10 * np.log10(bank @ np.abs(2 * half) ** 2), config)


# A magnitude whose full scale is a power's, or a floor that differs between the two.
def test_full_scale_and_floor_of_a_magnitude_are_those_of_a_power() -> None:
    # One band as wide as all bins: a sine on a bin centre has 1/4 of its power in each of the bins beside it.
    config = LogMelConfig(mels=1, window_s=0.032, window_shape="hann")
    magnitude = replace(config, spectrum="magnitude")
    tone = np.cos(2 * np.pi * 100 / 512 * np.arange(512)).astype(np.float32)
    bank = mel_filter_bank(config)[0, 99:102]
    power_db = 10 * np.log10(bank @ [0.25, 1, 0.25])
    magnitude_db = 20 * np.log10(bank @ [0.5, 1, 0.5])
    assert log_mel(tone, config)[0, 0, 0] == pytest.approx(power_db, abs=1e-3)
    assert log_mel(tone, magnitude)[0, 0, 0] == pytest.approx(magnitude_db, abs=1e-3)
    silence = np.zeros(512, np.float32)
    assert log_mel(silence, config)[0, 0, 0] == log_mel(silence, magnitude)[0, 0, 0] == -160.0
