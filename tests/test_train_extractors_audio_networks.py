"""CNN14's and openl3's definitions and front ends, against librosa and networks written out another way."""

from __future__ import annotations

import warnings
from pathlib import Path

import h5py
import librosa
import numpy as np
import pytest
import torch
from torch.nn import functional

from asc_edge.errors import ConfigError
from asc_edge.frontend import log_mel, mel_filter_bank
from asc_edge_train.extractors import build_extractor
from asc_edge_train.extractors.openl3 import window_cells, windows
from asc_edge_train.models import parameter_count
from asc_edge_train.models.openl3 import OpenL3Audio
from asc_edge_train.models.panns import PANN_FRONT_ENDS, PannCnn14
from asc_edge_train.models.weights import load_published

# fmax and transform of the published checkpoints, by rate.
PANN_BANKS = {32000: (14000, 1024), 16000: (8000, 512)}


@pytest.fixture
def clip(rng: np.random.Generator) -> np.ndarray:
    return 0.1 * rng.standard_normal(12000).astype(np.float32)


def librosa_bank(rate_hz: int) -> np.ndarray:
    fmax, n_fft = PANN_BANKS[rate_hz]
    return librosa.filters.mel(sr=rate_hz, n_fft=n_fft, n_mels=64, fmin=50, fmax=fmax)


@pytest.mark.parametrize("rate_hz", PANN_BANKS)
def test_pann_frames_are_librosas(rate_hz: int, clip: np.ndarray) -> None:
    config = PANN_FRONT_ENDS[rate_hz]
    fmax, n_fft = PANN_BANKS[rate_hz]
    theirs = librosa.feature.melspectrogram(
        y=clip,
        sr=rate_hz,
        n_fft=n_fft,
        hop_length=rate_hz // 100,
        pad_mode="reflect",
        n_mels=64,
        fmin=50,
        fmax=fmax,
    )
    np.testing.assert_allclose(log_mel(clip, config)[0], librosa.power_to_db(theirs, top_db=None), atol=0.02)


def published_pann(rate_hz: int, seed: int) -> dict[str, torch.Tensor]:
    """A checkpoint as published: network, and the front end's tables beside it."""
    torch.manual_seed(seed)
    network = PannCnn14(sample_rate_hz=rate_hz)
    for name, value in network.state_dict().items():
        if "running_var" in name:
            value.uniform_(0.5, 1.5)
        elif "running_mean" in name:
            value.uniform_(-0.1, 0.1)
    n_fft = PANN_BANKS[rate_hz][1]
    return {
        "spectrogram_extractor.stft.conv_real.weight": torch.zeros(n_fft // 2 + 1, 1, 1),
        "logmel_extractor.melW": torch.from_numpy(librosa_bank(rate_hz).T.copy()),
        **network.state_dict(),
    }


def pann_by_the_paper(state: dict[str, torch.Tensor], frames: torch.Tensor) -> torch.Tensor:
    """CNN14 as its paper has it, time before mel: (batch, 1, frames, mels) -> (batch, 2048)."""

    def norm(name: str, maps: torch.Tensor) -> torch.Tensor:
        mean, var, weight, bias = (
            state[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
        )
        return functional.batch_norm(maps, mean, var, weight, bias)

    maps = norm("bn0", frames.transpose(1, 3)).transpose(1, 3)
    for block in range(1, 7):
        for part in (1, 2):
            maps = functional.conv2d(maps, state[f"conv_block{block}.conv{part}.weight"], padding=1)
            maps = functional.relu(norm(f"conv_block{block}.bn{part}", maps))
        if block < 6:
            maps = functional.avg_pool2d(maps, (2, 2))
    pooled = torch.mean(maps, dim=3)
    pooled = torch.max(pooled, dim=2)[0] + torch.mean(pooled, dim=2)
    return functional.relu(functional.linear(pooled, state["fc1.weight"], state["fc1.bias"]))


def test_pann_checkpoint_answers_as_its_paper_has_it(tmp_path: Path, clip: np.ndarray) -> None:
    state = published_pann(32000, seed=1)
    # As the authors save it: the sampler's state beside the weights, with arrays in it.
    torch.save({"iteration": 5, "model": state, "sampler": {"indexes": np.arange(3)}}, tmp_path / "own.pth")
    extractor = build_extractor({"type": "panns_cnn14", "weights": "own.pth"}, tmp_path)
    frames = torch.from_numpy(log_mel(clip, PANN_FRONT_ENDS[32000]))[None].transpose(2, 3)
    with torch.inference_mode():
        expected = pann_by_the_paper(state, frames)
    answers = extractor.extract([clip[:100], clip], 32000)
    assert answers.shape == (2, 2048)
    np.testing.assert_allclose(answers[1:], expected.numpy(), rtol=1e-4, atol=1e-6)
    assert np.isfinite(answers[0]).all()
    (tmp_path / "own.pth").unlink()


def test_pann_has_the_published_size() -> None:
    with torch.device("meta"):
        network = PannCnn14()
    assert parameter_count(network) == 80_753_615


def test_pann_checkpoint_of_the_other_rate_is_refused(tmp_path: Path) -> None:
    bank = torch.from_numpy(librosa_bank(16000).T.copy())
    torch.save({"logmel_extractor.melW": bank}, tmp_path / "own.pth")
    with torch.device("meta"):
        network = PannCnn14(sample_rate_hz=32000)
    with pytest.raises(ConfigError, match=r"own\.pth: has another mel bank than CNN14 at 32000 Hz"):
        load_published(network, tmp_path / "own.pth")
    htk = librosa.filters.mel(sr=32000, n_fft=1024, n_mels=64, fmin=50, fmax=14000, htk=True)
    torch.save({"logmel_extractor.melW": torch.from_numpy(htk.T.copy())}, tmp_path / "own.pth")
    with pytest.raises(ConfigError, match="another mel bank"):
        load_published(network, tmp_path / "own.pth")


def test_pann_banks_are_librosas() -> None:
    for rate_hz, config in PANN_FRONT_ENDS.items():
        np.testing.assert_allclose(mel_filter_bank(config), librosa_bank(rate_hz), atol=1e-6)


@pytest.mark.parametrize("mels", [128, 256])
def test_openl3_cells_are_kapres(mels: int, rng: np.random.Generator) -> None:
    window = 0.1 * rng.standard_normal(48000).astype(np.float32)
    window[24000:] *= np.float32(1e-6)
    stft = librosa.stft(np.pad(window, 982), n_fft=2048, hop_length=242, center=False)
    with warnings.catch_warnings():
        # The lowest of 256 bands are narrower than a bin and have none; they are at the floor in both.
        warnings.simplefilter("ignore", UserWarning)
        bank = librosa.filters.mel(sr=48000, n_fft=2048, n_mels=mels, htk=True)
    # Kapre 0.1.4: decibels of the root of the mel power as if that were a power.
    cells = 10 * np.log10(np.maximum(np.sqrt(bank @ np.abs(stft) ** 2), 1e-10))
    expected = np.maximum(cells - cells.max(), -80)
    ours = window_cells(window, mels)
    assert ours.shape == (mels, 199)
    np.testing.assert_allclose(ours, expected, atol=0.02)


def test_openl3_silence_is_at_the_top_of_its_scale_like_kapres() -> None:
    assert not window_cells(np.zeros(48000, np.float32), 128).any()


@pytest.mark.parametrize(
    ("length", "centred", "starts"),
    [
        (48000 * 2, False, [0, 24000, 48000]),
        (48000 * 2, True, [-24000, 0, 24000, 48000]),
        (48000, False, [0]),
        (100, True, [-24000]),
        (48001, False, [0, 24000]),
    ],
)
def test_openl3_windows_reach_every_sample(length: int, centred: bool, starts: list[int]) -> None:
    clip = np.arange(1, length + 1, dtype=np.float32)
    got = windows(clip, 24000, centred=centred)
    padded = np.concatenate([np.zeros(24000), clip, np.zeros(96000)])
    assert len(got) == len(starts)
    for window, start in zip(got, starts, strict=True):
        np.testing.assert_array_equal(window, padded[24000 + start : 72000 + start])


def write_openl3(path: Path, network: OpenL3Audio) -> None:
    """Weights in Keras's layout, with the spectrogram's tables that old files have."""
    norms, convolutions = 0, 0
    with h5py.File(path, "w") as file:
        names = [b"input_1", b"melspectrogram_1"]
        file.create_group("input_1").attrs["weight_names"] = np.array([], dtype="S1")
        group = file.create_group("melspectrogram_1")
        group.attrs["weight_names"] = [b"melspectrogram_1/freq2mel:0"]
        group["melspectrogram_1/freq2mel:0"] = np.zeros((4, 4), np.float32)
        for module in network.layers:
            if isinstance(module, torch.nn.BatchNorm2d):
                norms += 1
                name = f"batch_normalization_{norms}"
                arrays = {
                    "gamma:0": module.weight,
                    "beta:0": module.bias,
                    "moving_mean:0": module.running_mean,
                    "moving_variance:0": module.running_var,
                }
            elif isinstance(module, torch.nn.Conv2d):
                convolutions += 1
                name = "audio_embedding_layer" if convolutions == 8 else f"conv2d_{convolutions}"
                arrays = {"kernel:0": module.weight.permute(2, 3, 1, 0), "bias:0": module.bias}
            else:
                continue
            names.append(name.encode())
            group = file.create_group(name)
            group.attrs["weight_names"] = [f"{name}/{part}".encode() for part in arrays]
            for part, value in arrays.items():
                group[f"{name}/{part}"] = value.detach().numpy()
        file.attrs["layer_names"] = names


def test_openl3_keras_file_answers_as_the_network_it_was_written_from(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    torch.manual_seed(2)
    network = OpenL3Audio(mels=128, size=6144).eval()
    for name, value in network.state_dict().items():
        if value.dtype == torch.float32 and value.ndim == 1:
            value.uniform_(0.5, 1.5) if "var" in name or "weight" in name else value.uniform_(-0.1, 0.1)
    write_openl3(tmp_path / "openl3_audio_mel128_env.h5", network)
    extractor = build_extractor(
        {"type": "openl3", "mels": 128, "hop_s": 0.5, "centred": False, "pooling": ["mean", "std"]}, tmp_path
    )
    clip = 0.1 * rng.standard_normal(72000).astype(np.float32)
    answer = extractor.extract([clip], 48000)[0]
    cells = np.stack([window_cells(clip[start : start + 48000], 128) for start in (0, 24000)])
    with torch.inference_mode():
        maps = network.layers(torch.from_numpy(cells)[:, None])
    assert maps.shape == (2, 512, 16, 24)
    # A grid of 4 x 3 maxima, channels last.
    grid = maps.unfold(2, 4, 4).unfold(3, 8, 8).amax(dim=(4, 5)).permute(0, 2, 3, 1).flatten(1).numpy()
    np.testing.assert_allclose(answer[:6144], grid.mean(axis=0), rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(answer[6144:], grid.std(axis=0), rtol=1e-4, atol=2e-3)


def test_openl3_file_of_another_network_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "own.h5", "w") as file:
        file.attrs["layer_names"] = [b"conv2d_1"]
        file.create_group("conv2d_1").attrs["weight_names"] = [b"kernel:0"]
        file["conv2d_1"]["kernel:0"] = np.zeros((3, 3, 1, 64), np.float32)
    with pytest.raises(ConfigError, match=r"own\.h5: has 1 layers, and openl3's audio network has 16"):
        OpenL3Audio().load_keras(tmp_path / "own.h5")


def test_openl3_sizes() -> None:
    for mels in (128, 256):
        for size in (512, 6144):
            with torch.device("meta"):
                network = OpenL3Audio(mels=mels, size=size).eval()
                assert network.embed(torch.zeros(1, 1, mels, 199)).shape == (1, size)
            # Keras's default, which the published network was trained with.
            assert {m.eps for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)} == {1e-3}
