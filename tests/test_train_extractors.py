"""What holds for every extractor: the same answer in any company, keys, workers, refusals; and YAMNet."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from asc_edge.audio.resample import resample
from asc_edge.errors import AudioFormatError, ConfigError
from asc_edge.frontend import log_mel
from asc_edge.presets import EFFICIENTAT_MN
from asc_edge_train.datasets import load_corpus
from asc_edge_train.extractors import EXTRACTORS, build_extractor
from asc_edge_train.extractors.base import pool_windows, repeat_whole
from asc_edge_train.models.weights import file_sha256
from asc_edge_train.recipe import fingerprint
from asc_edge_train.sound import clip_samples

SPECTRA = "yamnet_spectra_tflite/yamnet_spectra_in.tflite"
WAVEFORM = "yamnet_tflite/yamnet.tflite"
# Those that need no file, quick ones, and at what rate the clips are given.
PANNS = {"type": "panns_cnn14", "weights": "random", "sample_rate_hz": 16000}
RANDOM: dict[str, tuple[dict[str, Any], int]] = {
    "openl3": ({"type": "openl3", "weights": "random", "mels": 128, "size": 512, "hop_s": 5.0}, 48000),
    "squeezenet": ({"type": "deep_spectrum", "network": "squeezenet1_1", "weights": "random"}, 16000),
}
PUBLISHED: dict[str, tuple[dict[str, Any], int]] = {
    "yamnet": ({"type": "yamnet", "outputs": ["embedding", "scores"]}, 16000),
    "yamnet-waveform": ({"type": "yamnet", "weights": WAVEFORM}, 16000),
    "efficientat": ({"type": "efficientat_mn04", "repeat_to_s": 0.0}, 32000),
    "mobilenet_v1": ({"type": "deep_spectrum", "network": "mobilenet_v1"}, 16000),
    "mobilenet_v2": ({"type": "deep_spectrum", "network": "mobilenet_v2"}, 16000),
}


def clips_at(rate_hz: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Clips of several lengths, one shorter than any window, one silent."""
    lengths = [1.3, 0.02, 1.3, 0.7]
    clips = [0.1 * rng.standard_normal(round(length * rate_hz)).astype(np.float32) for length in lengths]
    clips[3][:] = 0.0
    return clips


def check_company(config: dict[str, Any], rate_hz: int, weights: Path, rng: np.random.Generator) -> None:
    extractor = build_extractor(config, weights)
    clips = clips_at(rate_hz, rng)
    answers = extractor.extract(clips, rate_hz)
    assert answers.dtype == np.float32
    assert answers.shape == (len(clips), extractor.outputs)
    assert np.isfinite(answers).all()
    order = [2, 0, 3, 1]
    turned = extractor.extract([clips[i] for i in order], rate_hz)
    np.testing.assert_array_equal(turned, answers[order])
    # To a worker and back, without its network, which the worker loads for itself.
    packed = pickle.dumps(extractor)
    assert len(packed) < 20_000
    elsewhere = pickle.loads(packed)  # noqa: S301  our own
    np.testing.assert_array_equal(elsewhere.extract(clips[2:3], rate_hz), answers[2:3])
    assert elsewhere.key == extractor.key
    assert extractor.extract([], rate_hz).shape == (0, extractor.outputs)


@pytest.mark.parametrize("name", RANDOM)
def test_answers_depend_on_the_clip_alone(name: str, tmp_path: Path, rng: np.random.Generator) -> None:
    config, rate_hz = RANDOM[name]
    check_company(config, rate_hz, tmp_path, rng)


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_networks_answers_depend_on_the_clip_alone(
    name: str, shared_weights: Path, rng: np.random.Generator
) -> None:
    config, rate_hz = PUBLISHED[name]
    check_company(config, rate_hz, shared_weights, rng)


def test_clips_at_their_own_rate_go_into_deep_spectrum(tmp_path: Path, rng: np.random.Generator) -> None:
    extractor = build_extractor(RANDOM["squeezenet"][0], tmp_path)
    assert extractor.sample_rate_hz == 0
    clip = 0.1 * rng.standard_normal(22050).astype(np.float32)
    low, high = (extractor.extract([clip], rate_hz) for rate_hz in (22050, 44100))
    assert not np.array_equal(low, high)


def test_another_rate_or_form_of_clip_is_refused(tmp_path: Path) -> None:
    extractor = build_extractor(PANNS, tmp_path)
    clip = np.zeros(16000, np.float32)
    with pytest.raises(AudioFormatError, match="takes clips at 16000 Hz, not 48000 Hz"):
        extractor.extract([clip], 48000)
    for wrong in (clip.astype(np.float64), clip[:, None], clip[:0]):
        with pytest.raises(AudioFormatError, match="takes mono float32 clips"):
            extractor.extract([wrong], 16000)


def test_key_is_of_options_and_contents_not_of_places(shared_weights: Path, tmp_path: Path) -> None:
    shutil.copy(shared_weights / SPECTRA, tmp_path / "copy.tflite")
    shutil.copy(shared_weights / SPECTRA, tmp_path / "other.tflite")
    with (tmp_path / "other.tflite").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x01")
    same = build_extractor({"type": "yamnet"}, shared_weights).key
    assert build_extractor({"type": "yamnet", "weights": "copy.tflite"}, tmp_path).key == same
    assert build_extractor({"type": "yamnet", "weights": str(tmp_path / "copy.tflite")}, Path()).key == same
    others = [
        build_extractor({"type": "yamnet", "weights": "other.tflite"}, tmp_path).key,
        build_extractor({"type": "yamnet", "hop_s": 0.24}, shared_weights).key,
        build_extractor({"type": "yamnet", "pooling": ["max", "mean"]}, shared_weights).key,
        *(build_extractor({**PANNS, "seed": seed}, tmp_path).key for seed in (0, 1)),
        *(
            build_extractor({**RANDOM["squeezenet"][0], "colour_map": name}, tmp_path).key
            for name in ("viridis", "magma")
        ),
    ]
    assert len({same, *others}) == 1 + len(others)


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"type": "vggish"}, "unknown extractor type 'vggish': choose one of yamnet"),
        ({}, "unknown extractor type None"),
        ({"type": "yamnet", "hop": 1.0}, "yamnet: unknown option 'hop'; known are weights, hop_s"),
        ({"type": "yamnet", "hop_s": "1"}, "hop_s is '1'; its default is 0.48"),
        ({"type": "yamnet", "hop_s": 0.001}, "hop_s is 0.001"),
        ({"type": "yamnet", "pooling": "mean"}, "pooling is 'mean'"),
        ({"type": "yamnet", "pooling": []}, "name one or more of mean, max, std"),
        ({"type": "yamnet", "pooling": ["mean", "mean"]}, "each once"),
        ({"type": "yamnet", "outputs": ["logits"]}, "outputs is 'logits'; choose one of embedding, scores"),
        ({"type": "yamnet", "weights": "absent.tflite"}, "absent.tflite: no such weights file; .*--weights"),
        ({"type": "efficientat_mn04", "repeat_to_s": -1}, "repeat_to_s is -1"),
        ({"type": "efficientat_mn04", "rate_hz": 44100}, "rate_hz is 44100; give 32000 or 16000"),
        ({"type": "efficientat_mn04", "outputs": ["scores"]}, "outputs is 'scores'"),
        ({"type": "efficientat_mn04", "speeds": [1.0, 3.0]}, "give some of 0.5 to 2"),
        ({"type": "panns_cnn14", "sample_rate_hz": 44100}, "sample_rate_hz is 44100; give 32000 or 16000"),
        ({"type": "panns_cnn14"}, "Cnn14_mAP=0.431.pth: no such weights file"),
        ({"type": "panns_cnn14", "sample_rate_hz": 16000}, "Cnn14_16k_mAP=0.438.pth: no such"),
        ({"type": "panns_cnn14", "seed": True}, "seed is True"),
        ({"type": "openl3", "mels": 64}, "mels 64"),
        ({"type": "openl3", "size": 1024}, "size 1024"),
        ({"type": "openl3"}, "openl3_audio_mel256_env.h5: no such weights file"),
    ],
)
def test_what_can_not_work_is_refused_when_it_is_built(
    config: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=reason) as caught:
        build_extractor(config, tmp_path)
    assert "\n" not in str(caught.value)


def test_files_that_are_no_network_are_refused(shared_weights: Path, tmp_path: Path) -> None:
    (tmp_path / "text.tflite").write_text("no network")
    clip = np.zeros(16000, np.float32)
    with pytest.raises(ConfigError, match=r"text\.tflite: LiteRT refuses it"):
        build_extractor({"type": "yamnet", "weights": "text.tflite"}, tmp_path).extract([clip], 16000)
    image = "mobilenet_imagenet_tflite/mobilenet_v2_1.0_224_quant.tflite"
    with pytest.raises(ConfigError, match=r"mobilenet_v2.*: has no tensor 'layer28/reduce_mean'"):
        build_extractor({"type": "yamnet", "weights": image}, shared_weights).extract([clip], 16000)


def test_every_type_can_be_built_by_name() -> None:
    assert list(EXTRACTORS) == ["yamnet", "efficientat_mn04", "panns_cnn14", "openl3", "deep_spectrum"]


def test_pooling_is_over_windows() -> None:
    windows = np.array([[1.0, 5.0], [3.0, 1.0]], np.float32)
    np.testing.assert_array_equal(pool_windows(windows, ("max", "mean", "std")), [3, 5, 2, 3, 1, 2])


@pytest.mark.parametrize(("length", "copies"), [(5, 2), (10, 1), (11, 1), (4, 2), (3, 3), (1, 10), (50, 1)])
def test_short_clips_are_repeated_whole(length: int, copies: int) -> None:
    clip = np.arange(length, dtype=np.float32)
    np.testing.assert_array_equal(repeat_whole(clip, 10), np.concatenate([clip] * copies))


def yamnet_names(weights: Path) -> list[str]:
    lines = (weights / "yamnet_tflite/yamnet_class_map.csv").read_text().splitlines()[1:]
    return [line.split(",", 2)[2].strip('"') for line in lines]


def test_yamnet_hears_what_is_in_a_clip(shared_data: Path, shared_weights: Path) -> None:
    names = yamnet_names(shared_weights)
    assert len(names) == 521
    heard = {"dog": "Dog", "rooster": "Chicken, rooster", "church_bells": "Bell", "thunderstorm": "Thunder"}
    extractor = build_extractor(
        {"type": "yamnet", "outputs": ["scores"], "pooling": ["mean"]}, shared_weights
    )
    clips = load_corpus("esc50", shared_data / "esc50")
    right = 0
    for fine, name in heard.items():
        chosen = [clip_samples(clip, 16000)[:, 0] for clip in clips if clip.fine == fine][:3]
        scores = extractor.extract(chosen, 16000)
        right += sum(name in [names[i] for i in np.argsort(row)[-5:]] for row in scores)
    assert right >= 9, right


def test_yamnet_by_our_front_end_is_yamnet_by_its_own(shared_data: Path, shared_weights: Path) -> None:
    ours, own = (
        build_extractor({"type": "yamnet", "weights": name, "pooling": ["mean"]}, shared_weights)
        for name in (SPECTRA, WAVEFORM)
    )
    clips = load_corpus("esc50", shared_data / "esc50")[::400]
    samples = [clip_samples(clip, 16000)[:, 0] for clip in clips]
    first, second = ours.extract(samples, 16000), own.extract(samples, 16000)
    # Means of maps after their ReLU: a zero point that is passed over makes them negative.
    assert first.min() == second.min() == 0
    agree = [np.corrcoef(a, b)[0, 1] for a, b in zip(first, second, strict=True)]
    assert min(agree) > 0.97, agree
    mixed = np.corrcoef(first[0], second[1])[0, 1]
    assert mixed < 0.9


def test_yamnet_patches_are_96_frames_half_overlapped(shared_weights: Path, rng: np.random.Generator) -> None:
    extractor = build_extractor({"type": "yamnet", "pooling": ["mean"]}, shared_weights)
    clip = 0.1 * rng.standard_normal(16000 * 5).astype(np.float32)
    # Patches start every 7680 samples; 9 of them lie within 5 s.
    pieces = [clip[start : start + 15600] for start in range(0, 9 * 7680, 7680)]
    one_by_one = extractor.extract(pieces, 16000)
    np.testing.assert_allclose(extractor.extract([clip], 16000)[0], one_by_one.mean(axis=0), atol=1e-6)


def test_efficientat_outputs_are_those_of_the_network(shared_weights: Path, rng: np.random.Generator) -> None:
    clip = resample(0.1 * rng.standard_normal((16000, 1)).astype(np.float32), 16000, 32000)[:, 0]
    both, logits, embedding = (
        build_extractor({"type": "efficientat_mn04", "outputs": outputs}, shared_weights)
        for outputs in (["embedding", "logits"], ["logits"], ["embedding"])
    )
    assert (both.outputs, logits.outputs, embedding.outputs) == (911, 527, 384)
    answer = both.extract([clip], 32000)
    np.testing.assert_array_equal(answer[:, :384], embedding.extract([clip], 32000))
    np.testing.assert_array_equal(answer[:, 384:], logits.extract([clip], 32000))
    head = embedding.network.classifier[1:]
    with torch.inference_mode():
        expected = head(torch.from_numpy(answer[:, :384].copy())[:, :, None, None].flatten(1))
    np.testing.assert_allclose(answer[:, 384:], expected.numpy(), atol=1e-5)
    twice = np.tile(clip, 10)
    np.testing.assert_array_equal(both.extract([twice], 32000), answer)


# Catches: blocks that aren't those of the network, speeds that change nothing, or are averaged askew.
# Catches: embeddings of years that are made again since there is a new option, or one key for two rates.
def test_efficientat_key_is_that_from_before_there_were_rates(shared_weights: Path) -> None:
    def key(**options: Any) -> str:
        return build_extractor({"type": "efficientat_mn04", **options}, shared_weights).key

    options = {
        "outputs": ("embedding", "logits"),
        "repeat_to_s": 10.0,
        "speeds": (1.0,),
        "half_precision": False,
    }
    weights = file_sha256(shared_weights / "efficientat_mn04_as" / "mn04_as_mAP_432.pt")
    assert key() == key(rate_hz=32000) == fingerprint("efficientat_mn04", 1, options, weights)
    assert key(rate_hz=16000) != key()


# Catches: a clip at 16 kHz that is fed to the network as if it were at 32, an octave up.
def test_efficientat_at_16_khz_hears_the_same(shared_data: Path, shared_weights: Path) -> None:
    clips = load_corpus("esc50", shared_data / "esc50")[:200:25]
    table = {"type": "efficientat_mn04", "outputs": ["logits"], "repeat_to_s": 0.0}
    answers = []
    for rate_hz in (32000, 16000):
        extractor = build_extractor({**table, "rate_hz": rate_hz}, shared_weights)
        heard = [clip_samples(clip, rate_hz)[:, 0] for clip in clips]
        answers.append(extractor.extract(heard, rate_hz))
    for theirs, ours in zip(*answers, strict=True):
        assert np.corrcoef(theirs, ours)[0, 1] > 0.98


def test_efficientat_blocks_and_speeds(shared_weights: Path, rng: np.random.Generator) -> None:
    clip = 0.1 * rng.standard_normal(32000).astype(np.float32)
    table = {"type": "efficientat_mn04", "outputs": ["blocks", "embedding"], "repeat_to_s": 0.0}
    plain = build_extractor(table, shared_weights)
    maps = torch.from_numpy(log_mel(clip, EFFICIENTAT_MN))[None]
    expected = []
    with torch.inference_mode():
        for layer in plain.network.features:
            maps = layer(maps)
            expected.append(torch.nn.functional.adaptive_avg_pool2d(maps, 1).flatten())
    (answer,) = plain.extract([clip], 32000)
    np.testing.assert_allclose(answer, torch.cat(expected).numpy(), atol=1e-5)
    both = build_extractor({**table, "speeds": [1.0, 0.8]}, shared_weights)
    slow = resample(clip[:, None], 25600, 32000)[:, 0]
    assert len(slow) == 40000
    mean = plain.extract([clip, slow], 32000).mean(axis=0)
    np.testing.assert_allclose(both.extract([clip], 32000)[0], mean, atol=1e-6)
    assert both.key != plain.key


# Catches: an option that changes nothing, a network still counted at its file's size, keys that agree.
def test_efficientat_in_16_bits_is_half_as_large_and_nearly_equal(
    shared_weights: Path, rng: np.random.Generator
) -> None:
    clip = 0.1 * rng.standard_normal(32000).astype(np.float32)
    whole = build_extractor({"type": "efficientat_mn04"}, shared_weights)
    half = build_extractor({"type": "efficientat_mn04", "half_precision": True}, shared_weights)
    assert half.key != whole.key
    assert whole.network_bytes == 4066513
    assert half.network_bytes == 2 * sum(value.numel() for value in half.network.parameters())
    weights = torch.cat([value.detach().flatten() for value in half.network.parameters()])
    torch.testing.assert_close(weights, weights.half().float(), rtol=0, atol=0)
    exact, rounded = (extractor.extract([clip], 32000) for extractor in (whole, half))
    assert 0 < np.abs(rounded - exact).max() < 0.05 * np.abs(exact).max()
