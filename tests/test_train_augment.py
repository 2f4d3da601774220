"""Augmentation: which clips make up a batch, and what is done to them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates

from asc_edge.errors import ConfigError
from asc_edge_train.augment import (
    augment_frames,
    augment_pictures,
    draw_epoch,
    mask_mels,
    mask_times,
)
from asc_edge_train.augment_frames import (
    add_gain,
    add_noise_floor,
    filter_bands,
    scale_time,
    shift_mels,
    shift_time,
)
from asc_edge_train.augment_mixing import (
    mix_between_classes,
    mix_powers,
    mix_styles,
    mix_up,
    mixing_ratios,
)
from asc_edge_train.training_config import TrainingConfig

OFF = TrainingConfig(epochs=1, samples_per_epoch=1)

# ---- mixing


# Catches: wrong divisor, ratio on the wrong clip, labels not mixed like sounds.
def test_between_class_mixing_arithmetic(rng: np.random.Generator) -> None:
    x = rng.random((4, 1, 3, 5), dtype=np.float32)
    y = np.eye(3, dtype=np.float32)[[0, 1, 2, 0]]
    partners, r = np.array([1, 2, 0, 0]), np.array([0.25, 0.5, 1.0, 0.3])
    mixed, targets = mix_between_classes(x, y, partners, r)
    mean = x.mean()
    for i in range(3):
        root = np.sqrt(r[i] ** 2 + (1 - r[i]) ** 2)
        expected = (r[i] * (x[i] - mean) + (1 - r[i]) * (x[partners[i]] - mean)) / root + mean
        np.testing.assert_allclose(mixed[i], expected, atol=1e-6)
        np.testing.assert_allclose(targets[i], r[i] * y[i] + (1 - r[i]) * y[partners[i]], atol=1e-6)
    # the partner is of the same class: left as it is
    np.testing.assert_allclose(mixed[3], x[3], atol=1e-6)
    np.testing.assert_array_equal(targets[3], y[3])
    np.testing.assert_allclose(targets.sum(axis=1), 1.0, atol=1e-6)


# Catches: balancing that follows the clip counts, clips of a class drawn twice while others never are.
@pytest.mark.parametrize(("balance", "share"), [(1.0, 0.5), (0.0, 0.9), (0.5, 0.75)])
def test_draw_epoch(balance: float, share: float) -> None:
    classes = np.array([0] * 900 + [1] * 100)
    drawn = draw_epoch(classes, 4000, balance, np.random.default_rng(1))
    assert np.mean(classes[drawn] == 0) == pytest.approx(share, abs=0.03)
    counts = np.bincount(drawn[classes[drawn] == 1] - 900, minlength=100)
    assert counts.max() - counts.min() <= 1


def test_shift_rolls_every_clip_along_time(rng: np.random.Generator) -> None:
    frames = rng.random((6, 3, 50), dtype=np.float32)
    shifted = shift_time(frames, np.random.default_rng(0))
    by = []
    for before, after in zip(frames, shifted, strict=True):
        found = [k for k in range(50) if np.array_equal(np.roll(before, k, axis=1), after)]
        assert len(found) == 1
        by += found
    assert len(set(by)) > 1


# Catches: noise added to decibels instead of power, level relative to full scale instead of the clip's peak.
def test_noise_floor_is_added_in_power(rng: np.random.Generator) -> None:
    frames = np.full((2, 40, 300), -200.0, np.float32)
    frames[0, 0, 0], frames[1, 0, 0] = 0.0, -30.0
    noisy = add_noise_floor(frames, (-50.0, -50.0), rng)
    mean_db = 10 * np.log10(np.mean(10 ** (noisy[:, 1:] / 10), axis=(1, 2)))
    np.testing.assert_allclose(mean_db, [-50.0, -80.0], atol=0.2)
    np.testing.assert_allclose(noisy[:, 0, 0], [0.0, -30.0], atol=0.01)


def test_masks_blank_neighbouring_bands(rng: np.random.Generator) -> None:
    x = np.ones((50, 1, 20, 4), np.float32)
    masked = mask_mels(x, 1, 5, rng)
    blank = (masked == 0).all(axis=(1, 3))
    widths = blank.sum(axis=1)
    assert widths.max() == 5
    assert widths.min() == 0
    for row in blank:
        assert np.count_nonzero(np.diff(np.r_[0, row.astype(int), 0])) in {0, 2}
    assert (x == 1).all()


# Catches: between-class mixing's centring or its refusal of the same class where mixup has neither.
def test_mixup_arithmetic(rng: np.random.Generator) -> None:
    x = rng.random((3, 1, 4, 5), dtype=np.float32)
    y = np.eye(2, dtype=np.float32)[[0, 0, 1]]
    partners, r = np.array([1, 2, 0]), np.array([0.2, 0.7, 1.0])
    mixed, targets = mix_up(x, y, partners, r)
    for i, j in enumerate(partners):
        np.testing.assert_allclose(mixed[i], r[i] * x[i] + (1 - r[i]) * x[j], atol=1e-6)
        np.testing.assert_allclose(targets[i], r[i] * y[i] + (1 - r[i]) * y[j], atol=1e-6)
    assert mixed.dtype == targets.dtype == np.float32


# The oracle is sound: two noises of different level and band, added as the paper adds waveforms.
# Catches: amplitude for power, gains the wrong way round, decibels of 10 for 20, unnormalised gains.
@pytest.mark.parametrize("ratio", [0.1, 0.5, 0.8])
def test_power_mixing_is_what_added_sounds_have(rng: np.random.Generator, ratio: float) -> None:
    frames, bins = 4000, 16
    levels = np.array([3.0, 0.2])
    waves = levels[:, None, None] * rng.standard_normal((2, frames, 2 * bins))
    waves[0] *= np.linspace(0.2, 1.0, 2 * bins)
    spectra = np.fft.rfft(waves, axis=2)[:, :, 1:]
    power = np.mean(np.abs(spectra) ** 2, axis=1)  # what an average over many frames comes to
    db = 10 * np.log10(power)[:, :, None].astype(np.float32)
    loud = 10 * np.log10(power.sum(axis=1))
    p = 1 / (1 + 10 ** ((loud[0] - loud[1]) / 20) * (1 - ratio) / ratio)
    added = (p * waves[0] + (1 - p) * waves[1]) / np.sqrt(p**2 + (1 - p) ** 2)
    expected = 10 * np.log10(np.mean(np.abs(np.fft.rfft(added, axis=1)[:, 1:]) ** 2, axis=0))
    y = np.eye(2, dtype=np.float32)
    mixed, targets = mix_powers(db, y, np.array([1, 0]), np.array([ratio, 1 - ratio]))
    np.testing.assert_allclose(mixed[0, :, 0], expected, atol=0.5)
    # The same pair in the other order is the same sound.
    np.testing.assert_allclose(mixed[0], mixed[1], atol=1e-3)
    np.testing.assert_allclose(targets, [[ratio, 1 - ratio]] * 2, atol=1e-6)


# Catches: energy made from nothing, a clip at its limits changed, silence blown up.
def test_power_mixing_at_its_limits(rng: np.random.Generator) -> None:
    x = rng.normal(-30, 10, (4, 6, 9)).astype(np.float32)
    x[3] = -100.0  # digital silence
    y = np.eye(4, dtype=np.float32)
    partners = np.array([1, 0, 2, 0])
    kept, targets = mix_powers(x, y, partners, np.array([1.0, 0.0, 0.3, 0.5]))
    np.testing.assert_allclose(kept[0], x[0], atol=1e-3)
    np.testing.assert_allclose(kept[1], x[0], atol=1e-3)
    np.testing.assert_allclose(kept[2], x[2], atol=1e-3)  # its own partner
    assert np.isfinite(kept).all()
    np.testing.assert_allclose(targets.sum(axis=1), 1.0, atol=1e-6)
    share = 10 ** ((kept[3] - x[0]) / 10)  # silence at 1/2: the partner alone, 40 dB down at most
    assert 0.9e-4 < share.min() < 0.1
    assert (kept <= np.maximum(x, x[partners]) + 1e-3).all()


def test_mixing_ratios() -> None:
    flat = mixing_ratios(2000, OFF, np.random.default_rng(4))
    np.testing.assert_array_equal(flat, np.random.default_rng(4).random(2000))
    edged = mixing_ratios(2000, replace(OFF, mixing_alpha=0.2), np.random.default_rng(4))
    assert flat.var() == pytest.approx(1 / 12, rel=0.1)
    assert edged.var() == pytest.approx(1 / (4 * (2 * 0.2 + 1)), rel=0.1)


# Catches: statistics over mels or clips, variance for deviation, a ratio the wrong way round.
def test_mixed_styles_have_the_statistics_between(rng: np.random.Generator) -> None:
    spread = rng.uniform(0.1, 0.4, (3, 1, 5, 1))
    x = (rng.uniform(0, 1, (3, 1, 5, 1)) + spread * rng.standard_normal((3, 1, 5, 400))).astype(np.float32)
    partners, r = np.array([1, 2, 0]), np.array([0.0, 0.25, 1.0])
    mixed = torch.from_numpy(mix_styles(x, partners, r))
    own = torch.from_numpy(x)
    for i, j in enumerate(partners):
        mean = r[i] * own[i, 0].mean(dim=1) + (1 - r[i]) * own[j, 0].mean(dim=1)
        deviation = r[i] * own[i, 0].std(dim=1) + (1 - r[i]) * own[j, 0].std(dim=1)
        torch.testing.assert_close(mixed[i, 0].mean(dim=1), mean.float(), atol=1e-5, rtol=0)
        torch.testing.assert_close(mixed[i, 0].std(dim=1), deviation.float(), atol=1e-5, rtol=1e-3)
    torch.testing.assert_close(mixed[2], own[2], atol=1e-6, rtol=0)


def test_styles_of_flat_bands_stay_finite() -> None:
    x = np.zeros((2, 1, 3, 7), np.float32)
    x[1] = 0.5
    mixed = mix_styles(x, np.array([1, 0]), np.array([0.5, 0.5]))
    np.testing.assert_allclose(mixed, 0.25, atol=1e-6)


# ---- frames


# Catches: a clip read past its end without coming round, one speed for all clips, mels mixed up with time.
@pytest.mark.parametrize("speeds", [(1.0, 1.0), (0.5, 0.5), (2.0, 2.0), (0.7, 1.4)])
def test_time_scale_resamples_along_time(rng: np.random.Generator, speeds: tuple[float, float]) -> None:
    frames = rng.random((5, 3, 40)).astype(np.float32)
    scaled = scale_time(frames, speeds, np.random.default_rng(2))
    draws = np.random.default_rng(2)
    factors = np.exp(draws.uniform(*np.log(speeds), size=5))
    starts = draws.random(5) * np.maximum(0, 39 * (1 - factors))
    for clip, factor, start, ours in zip(frames, factors, starts, scaled, strict=True):
        time = start + factor * np.arange(40)
        for band, heard in zip(clip, ours, strict=True):
            # scipy's own wrap-around interpolation on two rounds of the clip
            expected = map_coordinates(np.tile(band, 3), [time], order=1)
            np.testing.assert_allclose(heard, expected, atol=1e-5)
    if speeds == (1.0, 1.0):
        np.testing.assert_array_equal(scaled, frames)
    if speeds[1] <= 1.0:
        assert (starts + factors * 39 <= 39 + 1e-9).all()  # a slow clip never comes round


# Catches: bands that wrap around from the top, a shift along time, the same shift for all.
def test_mel_shift(rng: np.random.Generator) -> None:
    frames = rng.random((40, 12, 3)).astype(np.float32)
    shifted = shift_mels(frames, 2.5, np.random.default_rng(2))
    offsets = np.random.default_rng(2).uniform(-2.5, 2.5, 40)
    assert offsets.min() < -1 < 1 < offsets.max()
    for clip, by, ours in zip(frames, offsets, shifted, strict=True):
        for step in range(3):
            expected = map_coordinates(clip[:, step], [np.arange(12) - by], order=1, mode="nearest")
            np.testing.assert_allclose(ours[:, step], expected, atol=1e-5)


def test_gain_is_one_figure_per_clip(rng: np.random.Generator) -> None:
    frames = rng.normal(-40, 10, (50, 4, 6)).astype(np.float32)
    gains = add_gain(frames, (-12.0, 6.0), rng) - frames
    assert gains.dtype == np.float32
    assert np.ptp(gains, axis=(1, 2)).max() < 1e-4
    per_clip = gains[:, 0, 0]
    assert -12.001 < per_clip.min() < -8
    assert 3 < per_clip.max() < 6.001


# Catches: gains out of range, steps that aren't steps, lines that jump, a curve that moves along time.
@pytest.mark.parametrize("kind", ["linear", "step"])
@pytest.mark.parametrize("bands", [(1, 1), (2, 5), (3, 3)])
def test_filter_curves(rng: np.random.Generator, kind: str, bands: tuple[int, int]) -> None:
    frames = np.zeros((60, 32, 4), np.float32)
    filtered = filter_bands(frames, (-6.0, 9.0), bands, kind, rng)
    assert np.ptp(filtered, axis=2).max() == 0.0
    curves = filtered[:, :, 0]
    assert -6.0 <= curves.min() < -3.0
    assert 5.0 < curves.max() <= 9.0
    corners = [np.count_nonzero(np.abs(np.diff(c, 1 if kind == "step" else 2)) > 1e-4) for c in curves]
    inner = max(corners)
    assert inner == bands[1] - 1 if kind == "step" else inner <= 2 * (bands[1] - 1)
    if kind == "step" and bands[0] == bands[1]:
        assert min(corners) == inner


@pytest.mark.parametrize("bands", [(1, 40), (6, 6)])
def test_filter_of_few_mels(rng: np.random.Generator, bands: tuple[int, int]) -> None:
    assert np.isfinite(filter_bands(np.zeros((9, 4, 2), np.float32), (-6.0, 6.0), bands, "step", rng)).all()


# ---- masks


# Catches: masks of the wrong axis, wider than allowed, beyond the end; a mean over the batch.
@pytest.mark.parametrize(("width", "widest"), [(5, 5), (30, 20)])
def test_time_masks(rng: np.random.Generator, width: int, widest: int) -> None:
    x = rng.uniform(1, 2, (400, 1, 4, 20)).astype(np.float32)
    masked = mask_times(x, 1, width, rng, "mean")
    mean = x.mean(axis=(1, 2, 3), keepdims=True)
    blank = (masked == mean).all(axis=(1, 2))
    assert blank.sum(axis=1).max() <= widest
    assert len(np.unique(blank.sum(axis=1))) == widest + 1
    assert blank[:, 0].any()
    assert blank[:, -1].any()
    for row in blank:
        assert np.count_nonzero(np.diff(np.r_[0, row.astype(int), 0])) in {0, 2}
    np.testing.assert_array_equal(
        masked[~np.broadcast_to(blank[:, None, None], x.shape)],
        x[~np.broadcast_to(blank[:, None, None], x.shape)],
    )


# Catches: masks that are cut off at the end, places that are drawn less often than others.
def test_masks_are_as_wide_at_the_edges(rng: np.random.Generator) -> None:
    blank = mask_times(np.ones((6000, 1, 1, 20), np.float32), 1, 5, rng)[:, 0, 0] == 0
    assert blank.sum(axis=1).mean() == pytest.approx(2.5, abs=0.09)  # 4 standard errors
    assert blank[:, 0].mean() == pytest.approx(blank[:, -1].mean(), abs=0.03)


# ---- all together

EVERYTHING: dict[str, Any] = {
    "time_shift": True,
    "time_scale": [0.8, 1.25],
    "mel_shift": 1.5,
    "gain_db": [-6.0, 6.0],
    "filter_db": [-6.0, 6.0],
    "noise_floor_db": [-80.0, -40.0],
    "mixing": 1.0,
    "mixstyle": 1.0,
    "frequency_masks": 1,
    "time_masks": 1,
}


def augmented(config: TrainingConfig, seed: int) -> tuple[np.ndarray, np.ndarray]:
    frames = np.random.default_rng(0).normal(-40, 10, (8, 10, 14)).astype(np.float32)
    rng = np.random.default_rng(seed)
    frames, targets = augment_frames(frames, np.eye(8, dtype=np.float32), config, rng)
    return augment_pictures(frames[:, None], targets, config, rng)


# Catches: a switch that is on by default, or does something when it is off.
def test_switched_off_nothing_happens() -> None:
    frames = np.random.default_rng(0).normal(-40, 10, (8, 10, 14)).astype(np.float32)
    for kind in ("between_class", "mixup", "power"):
        pictures, targets = augmented(replace(OFF, mixing_kind=kind), 1)
        np.testing.assert_array_equal(pictures[:, 0], frames)
        np.testing.assert_array_equal(targets, np.eye(8))


# Catches: a switch that nothing listens to, randomness from elsewhere, targets that lose weight.
@pytest.mark.parametrize("switch", sorted(EVERYTHING))
def test_every_switch_does_something(switch: str) -> None:
    config = replace(OFF, **{switch: EVERYTHING[switch]})
    first, targets = augmented(config, 1)
    again, _ = augmented(config, 1)
    other, _ = augmented(config, 2)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert first.dtype == targets.dtype == np.float32
    assert first.shape == (8, 1, 10, 14)
    np.testing.assert_allclose(targets.sum(axis=1), 1.0, atol=1e-6)
    assert np.array_equal(targets, np.eye(8)) == (switch != "mixing")


@pytest.mark.parametrize("kind", ["between_class", "mixup", "power"])
def test_all_switches_together(kind: str) -> None:
    config = replace(OFF, **EVERYTHING, mixing_kind=kind, mask_fill="mean", filter_kind="step")
    pictures, targets = augmented(config, 5)
    assert np.isfinite(pictures).all()
    np.testing.assert_allclose(targets.sum(axis=1), 1.0, atol=1e-6)
    assert (targets < 0.999).any()


# Catches: decibels applied to frames that are logarithms of another base.
@pytest.mark.parametrize("switch", ["gain_db", "filter_db", "noise_floor_db"])
def test_other_logarithms_are_brought_to_decibels(switch: str) -> None:
    config = replace(OFF, **{switch: EVERYTHING[switch]})
    unit = 10 / np.log(10)
    db = np.random.default_rng(0).normal(-40, 10, (8, 10, 14)).astype(np.float32)
    y = np.eye(8, dtype=np.float32)
    expected, _ = augment_frames(db, y, config, np.random.default_rng(3))
    natural, _ = augment_frames(
        (db / unit).astype(np.float32), y, replace(config, decibels_per_unit=unit), np.random.default_rng(3)
    )
    np.testing.assert_allclose(natural * unit, expected, atol=1e-3)


@pytest.mark.parametrize(
    "fault",
    [
        {"schedule": "step"},
        {"optimiser": "sgd"},
        {"mixing_kind": "cut"},
        {"mixing": 1.5},
        {"ema_decay": -0.1},
        {"clip_norm": -1.0},
        {"gain_db": [3.0]},
        {"gain_db": [3.0, -3.0]},
        {"gain_db": "loud"},
        {"time_scale": [0.0, 1.0]},
        {"filter_bands": []},
        {"filter_bands": [0, 3]},
        {"decibels_per_unit": 0.0},
        {"answer_shifts": 0},
        {"batch": 0},
        {"learning_rate": "high"},
        {"device": "tpu"},
        {"autocast": "int8"},
    ],
)
def test_training_faults_are_refused(fault: dict[str, Any]) -> None:
    name = next(iter(fault))
    with pytest.raises(ConfigError, match=name):
        replace(OFF, **fault)
