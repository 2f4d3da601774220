"""Augmentation of log-mel frames (n, mels, frames) in dB: time, mels, level, filter, noise."""

from __future__ import annotations

import numpy as np

__all__ = ["add_gain", "add_noise_floor", "filter_bands", "scale_time", "shift_mels", "shift_time"]


HEARD_DB = 25.0


def shift_time(frames_db: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Roll every clip (n, mels, frames) along time by an amount of its own."""
    shifted = np.empty_like(frames_db)
    for row, by in enumerate(rng.integers(frames_db.shape[2], size=len(frames_db))):
        shifted[row, :, by:] = frames_db[row, :, : frames_db.shape[2] - by]
        shifted[row, :, :by] = frames_db[row, :, frames_db.shape[2] - by :]
    return shifted


def crop_time(
    frames: np.ndarray, length: int, decibels_per_unit: float, rng: np.random.Generator
) -> np.ndarray:
    """A piece of ``length`` frames of every clip (n, mels, frames), (n, mels, length), where it is heard.

    Pieces go round the clip's end, and are drawn among those whose loudest cell is at most 25 dB below the
    clip's: many clips are a short sound and digital silence.
    """
    count, mels, frames_there = frames.shape
    length = min(length, frames_there)
    loudest = frames.max(axis=1) * decibels_per_unit
    around = np.concatenate([loudest, loudest[:, : length - 1]], axis=1)
    reached = np.lib.stride_tricks.sliding_window_view(around, length, axis=1).max(axis=2)
    heard = reached >= loudest.max(axis=1, keepdims=True) - HEARD_DB
    pieces = np.empty((count, mels, length), frames.dtype)
    for row, share in enumerate(rng.random(count)):
        starts = np.flatnonzero(heard[row])
        start = int(starts[int(share * len(starts))])
        whole = frames_there - start
        pieces[row, :, : min(length, whole)] = frames[row, :, start : start + length]
        if length > whole:
            pieces[row, :, whole:] = frames[row, :, : length - whole]
    return pieces


def scale_time(frames_db: np.ndarray, speeds: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    """Play every clip (n, mels, frames) at a speed of its own, from ``speeds``, lowest and highest.

    The clip's frames are resampled along time in straight lines. A slower one is cut at a random place, a
    faster one begins anew when it is over. Faster and slower are drawn equally often where the limits are
    each other's inverse.
    """
    count, _, frames = frames_db.shape
    factors = np.exp(rng.uniform(*np.log(speeds), size=count))
    starts = rng.random(count) * np.maximum(0.0, (frames - 1) * (1.0 - factors))
    scaled = np.empty_like(frames_db)
    for row, (factor, start) in enumerate(zip(factors, starts, strict=True)):
        place = (start + factor * np.arange(frames)) % frames
        before = place.astype(np.int64)
        weight = (place - before).astype(np.float32)
        first = frames_db[row].take(before, axis=1)
        scaled[row] = first + weight * (frames_db[row].take((before + 1) % frames, axis=1) - first)
    return scaled


def shift_mels(frames_db: np.ndarray, most: float, rng: np.random.Generator) -> np.ndarray:
    """Move every clip (n, mels, frames) along the mel axis by up to ``most`` bands, up or down.

    What a change of pitch looks like on a mel scale, roughly. Bands that have no source repeat the last one.
    """
    count, mels, _ = frames_db.shape
    shifted = np.empty_like(frames_db)
    for row, by in enumerate(rng.uniform(-most, most, count)):
        place = np.clip(np.arange(mels) - by, 0.0, mels - 1.0)
        before = place.astype(np.int64)
        weight = (place - before).astype(np.float32)[:, None]
        first = frames_db[row].take(before, axis=0)
        after = frames_db[row].take(np.minimum(before + 1, mels - 1), axis=0)
        shifted[row] = first + weight * (after - first)
    return shifted


def add_gain(frames_db: np.ndarray, gain_db: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    """Make every clip (n, mels, frames) louder or softer by a gain of its own."""
    return frames_db + rng.uniform(*gain_db, size=(len(frames_db), 1, 1)).astype(np.float32)


def filter_bands(
    frames_db: np.ndarray,
    gain_db: tuple[float, float],
    bands: tuple[int, int],
    kind: str,
    rng: np.random.Generator,
) -> np.ndarray:
    """Send every clip (n, mels, frames) through a random filter.

    FilterAugment (Nam, Kim and Park 2022, section 2): the mel axis is cut at random into ``bands[0]`` to
    ``bands[1]`` bands. ``"step"`` gives each a gain of its own; ``"linear"`` draws straight lines between
    gains at their edges.
    """
    count, mels, _ = frames_db.shape
    curves = np.empty((count, mels, 1), dtype=np.float32)
    for row, number in enumerate(rng.integers(bands[0], bands[1] + 1, size=count)):
        parts = min(int(number), mels - 1)
        cuts = np.sort(rng.permutation(mels - 2)[: parts - 1] + 1)
        edges = np.concatenate([[0], cuts, [mels - 1]])
        gains = rng.uniform(*gain_db, size=parts + 1)
        if kind == "step":
            curves[row, :, 0] = gains[np.searchsorted(edges[1:-1], np.arange(mels), side="right")]
        else:
            curves[row, :, 0] = np.interp(np.arange(mels), edges, gains)
    return frames_db + curves


def add_noise_floor(
    frames_db: np.ndarray, level_db: tuple[float, float], rng: np.random.Generator
) -> np.ndarray:
    """Lay noise of equal power in every cell under clips (n, mels, frames) in dB.

    Its level is drawn per clip, relative to the clip's loudest cell, and it wavers from cell to cell as the
    power of noise does. Corpora differ in their own noise floor (8-bit sources, codecs), and without this
    the floor would tell the networks which corpus a clip is from.
    """
    levels = rng.uniform(*level_db, size=len(frames_db)).astype(np.float32)
    noisy = np.empty_like(frames_db)
    # Clip by clip, so that what is in between stays in the processor's cache.
    for clip, level, out in zip(frames_db, levels, noisy, strict=True):
        noise = rng.standard_exponential(clip.shape, dtype=np.float32)
        noise *= np.power(np.float32(10.0), (clip.max() + level) / np.float32(10.0))
        power = np.power(np.float32(10.0), clip / np.float32(10.0))
        power += noise
        np.log10(np.maximum(power, np.float32(1e-30), out=power), out=power)
        np.multiply(power, np.float32(10.0), out=out)
    return noisy
