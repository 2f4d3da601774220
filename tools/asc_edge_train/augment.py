"""What happens to a training batch: which clips make it up, shift, noise, masks, mixing between classes."""

from __future__ import annotations

import numpy as np

from asc_edge_train.training_config import TrainingConfig

__all__ = [
    "add_noise_floor",
    "draw_epoch",
    "mask_mels",
    "mix_between_classes",
    "shift_time",
]


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


def shift_time(frames_db: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Roll every clip (n, mels, frames) along time by an amount of its own."""
    shifted = np.empty_like(frames_db)
    for row, by in enumerate(rng.integers(frames_db.shape[2], size=len(frames_db))):
        shifted[row] = np.roll(frames_db[row], by, axis=1)
    return shifted


def add_noise_floor(
    frames_db: np.ndarray, level_db: tuple[float, float], rng: np.random.Generator
) -> np.ndarray:
    """Lay noise of equal power in every cell under clips (n, mels, frames) in dB.

    Its level is drawn per clip, relative to the clip's loudest cell, and it wavers from cell to cell as the
    power of noise does. Corpora differ in their own noise floor (8-bit sources, codecs), and without this
    the floor would tell the networks which corpus a clip is from.
    """
    peak = frames_db.max(axis=(1, 2), keepdims=True)
    level = rng.uniform(*level_db, size=(len(frames_db), 1, 1)).astype(np.float32)
    waver = rng.standard_exponential(frames_db.shape, dtype=np.float32)
    noise = np.power(np.float32(10.0), (peak + level) / 10.0) * waver
    power = np.power(np.float32(10.0), frames_db / 10.0) + noise
    return 10.0 * np.log10(np.maximum(power, 1e-30), dtype=np.float32)


def mask_mels(pictures: np.ndarray, masks: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Blank up to ``width`` neighbouring mel bands, ``masks`` times per picture (n, 1, mels, frames)."""
    masked = pictures.copy()
    for _ in range(masks):
        widths = rng.integers(width + 1, size=len(masked))
        starts = (rng.random(len(masked)) * (masked.shape[2] - widths + 1)).astype(np.int64)
        for row, (start, size) in enumerate(zip(starts, widths, strict=True)):
            masked[row, :, start : start + size] = 0.0
    return masked


def mix_between_classes(
    pictures: np.ndarray, targets: np.ndarray, partners: np.ndarray, ratios: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Between-class mixing of pictures (n, 1, mels, frames) and one-hot targets (n, classes).

    ``S = (r S1 + (1-r) S2) / sqrt(r^2 + (1-r)^2)`` and ``y = r y1 + (1-r) y2`` (Att-CRNN paper, section on
    between-class training). The divisor keeps the energy of centred signals, so that the pictures' mean is
    taken out before and put back after. Where a partner is of the same class, the clip stays as it is.
    """
    ratio = ratios.astype(np.float32)
    same = np.argmax(targets, axis=1) == np.argmax(targets[partners], axis=1)
    ratio[same] = 1.0
    r = ratio[:, None, None, None]
    centre = np.float32(pictures.mean())
    first, second = pictures - centre, pictures[partners] - centre
    divisor = np.sqrt(r**2 + (1.0 - r) ** 2)
    mixed = (r * first + (1.0 - r) * second) / divisor + centre
    y = ratio[:, None]
    return mixed.astype(np.float32), (y * targets + (1.0 - y) * targets[partners]).astype(np.float32)


def augment_batch(frames_db: np.ndarray, config: TrainingConfig, rng: np.random.Generator) -> np.ndarray:
    """What is done to frames in dB, before they become pictures."""
    if config.time_shift:
        frames_db = shift_time(frames_db, rng)
    if config.noise_floor_db:
        low, high = config.noise_floor_db
        frames_db = add_noise_floor(frames_db, (low, high), rng)
    return frames_db
