"""What happens to a training batch, in which order, and which clips make it up.

Frames in dB first: shift and speed along time, along mels, filter and gain, other clips' power, noise. Then
pictures: mixing, the bands' statistics, masks.
"""

from __future__ import annotations

import numpy as np

from asc_edge_train.augment_frames import (
    add_gain,
    add_noise_floor,
    crop_time,
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

__all__ = ["augment_frames", "augment_pictures", "draw_epoch", "mask_mels", "mask_times"]


def draw_epoch(classes: np.ndarray, count: int, balance: float, rng: np.random.Generator) -> np.ndarray:
    """Indices (count,) of an epoch's clips, drawn by class.

    A class of n clips is drawn in proportion to n ** (1 - balance). Within a class, clips come round in a
    shuffled order, so that none is drawn twice before all were drawn once.
    """
    present, sizes = np.unique(classes, return_counts=True)
    weights = sizes.astype(np.float64) ** (1.0 - balance)
    drawn = rng.choice(len(present), size=count, p=weights / weights.sum())
    chosen = np.empty(count, dtype=np.int64)
    for number, name in enumerate(present):
        places = np.flatnonzero(drawn == number)
        own = np.flatnonzero(classes == name)
        rounds = [rng.permutation(own) for _ in range(-(-len(places) // len(own)))]
        if rounds:
            chosen[places] = np.concatenate(rounds)[: len(places)]
    return chosen


def augment_frames(
    frames: np.ndarray, targets: np.ndarray, config: TrainingConfig, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """What is done to frames (n, mels, frames) and one-hot targets (n, classes), before they are pictures."""
    if config.time_shift:
        frames = shift_time(frames, rng)
    if config.crop_frames:
        frames = crop_time(frames, config.crop_frames, config.decibels_per_unit, rng)
    if config.time_scale:
        frames = scale_time(frames, _pair(config.time_scale), rng)
    if config.mel_shift:
        frames = shift_mels(frames, config.mel_shift, rng)
    powers_mix = config.mixing_kind == "power" and rng.random() < config.mixing
    if not (powers_mix or config.filter_db or config.gain_db or config.noise_floor_db):
        return frames, targets
    # From here on in dB. Nothing is multiplied where it is so already: the same bits.
    if config.decibels_per_unit != 1.0:
        frames = frames * np.float32(config.decibels_per_unit)
    if config.filter_db:
        low, high = config.filter_bands
        bands = (int(low), int(high))
        frames = filter_bands(frames, _pair(config.filter_db), bands, config.filter_kind, rng)
    if config.gain_db:
        frames = add_gain(frames, _pair(config.gain_db), rng)
    if powers_mix:
        partners = rng.permutation(len(frames))
        frames, targets = mix_powers(frames, targets, partners, mixing_ratios(len(frames), config, rng))
    if config.noise_floor_db:
        frames = add_noise_floor(frames, _pair(config.noise_floor_db), rng)
    if config.decibels_per_unit != 1.0:
        frames = frames / np.float32(config.decibels_per_unit)
    return frames, targets


def augment_pictures(
    pictures: np.ndarray,
    targets: np.ndarray,
    config: TrainingConfig,
    rng: np.random.Generator,
    lowest: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """What is done to a batch of pictures (n, 1, mels, frames) and their targets (n, classes).

    ``lowest`` is what a cell is in which nothing is heard: 0, but in levels.
    """
    if config.mixing_kind != "power" and rng.random() < config.mixing:
        mix = mix_up if config.mixing_kind == "mixup" else mix_between_classes
        partners = rng.permutation(len(pictures))
        pictures, targets = mix(pictures, targets, partners, mixing_ratios(len(pictures), config, rng))
    if config.mixstyle and rng.random() < config.mixstyle:
        partners = rng.permutation(len(pictures))
        ratios = rng.beta(config.mixstyle_alpha, config.mixstyle_alpha, len(pictures))
        pictures = mix_styles(pictures, partners, ratios)
    if config.frequency_masks:
        masks = (config.frequency_masks, config.frequency_mask_mels)
        pictures = mask_mels(pictures, *masks, rng, config.mask_fill, lowest=lowest)
    if config.time_masks:
        masks = (config.time_masks, config.time_mask_frames)
        pictures = mask_times(pictures, *masks, rng, config.mask_fill, lowest=lowest)
    return pictures, targets


def mask_mels(
    pictures: np.ndarray,
    masks: int,
    width: int,
    rng: np.random.Generator,
    fill: str = "zero",
    *,
    lowest: float = 0.0,
) -> np.ndarray:
    """Blank up to ``width`` neighbouring mel bands, ``masks`` times per picture (n, 1, mels, frames).

    SpecAugment (Park et al. 2019, section 2). ``fill``: with 0 (in levels, with what the floor is) or,
    ``"mean"``, with the picture's mean.
    """
    blank = _draw_masks(len(pictures), pictures.shape[2], masks, width, rng)
    return _fill(pictures, blank[:, None, :, None], fill, lowest)


def mask_times(
    pictures: np.ndarray,
    masks: int,
    width: int,
    rng: np.random.Generator,
    fill: str = "zero",
    *,
    lowest: float = 0.0,
) -> np.ndarray:
    """Blank up to ``width`` neighbouring frames; otherwise as `mask_mels`."""
    blank = _draw_masks(len(pictures), pictures.shape[3], masks, width, rng)
    return _fill(pictures, blank[:, None, None, :], fill, lowest)


def _draw_masks(count: int, size: int, masks: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Where masks lie, (count, size) of bool; every place of a mask is as likely as any other."""
    places = np.arange(size)
    blank = np.zeros((count, size), dtype=bool)
    for _ in range(masks):
        widths = rng.integers(min(width, size) + 1, size=count)
        starts = (rng.random(count) * (size - widths + 1)).astype(np.int64)
        blank |= (places >= starts[:, None]) & (places < (starts + widths)[:, None])
    return blank


def _fill(pictures: np.ndarray, blank: np.ndarray, fill: str, lowest: float) -> np.ndarray:
    filling = pictures.mean(axis=(1, 2, 3), keepdims=True) if fill == "mean" else np.float32(lowest)
    return np.where(blank, filling, pictures)


def _pair(limits: list[float]) -> tuple[float, float]:
    low, high = limits
    return float(low), float(high)
