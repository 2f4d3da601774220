"""Mixing of two clips: their pictures, their power, or the statistics of their bands."""

from __future__ import annotations

import numpy as np

from asc_edge_train.training_config import TrainingConfig

__all__ = ["mix_between_classes", "mix_powers", "mix_styles", "mix_up", "mixing_ratios"]

# A clip of digital silence must not be raised until its rounding errors are as loud as its partner.
_MOST_LEVEL_DB = 40.0
_LEAST_VARIANCE = 1e-6


def mixing_ratios(count: int, config: TrainingConfig, rng: np.random.Generator) -> np.ndarray:
    """Ratios (count,) from 0 to 1, drawn from Beta(alpha, alpha)."""
    alpha = config.mixing_alpha
    return rng.random(count) if alpha == 1.0 else rng.beta(alpha, alpha, count)


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
    return mixed.astype(np.float32), _mix_targets(targets, partners, ratio)


def mix_up(
    pictures: np.ndarray, targets: np.ndarray, partners: np.ndarray, ratios: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mixup (Zhang et al. 2018, section 2) of pictures (n, 1, mels, frames) and targets (n, classes).

    ``S = r S1 + (1-r) S2`` and ``y = r y1 + (1-r) y2``, with partners of any class.
    """
    ratio = ratios.astype(np.float32)
    r = ratio[:, None, None, None]
    second = pictures[partners]
    return second + r * (pictures - second), _mix_targets(targets, partners, ratio)


def mix_powers(
    frames_db: np.ndarray, targets: np.ndarray, partners: np.ndarray, ratios: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Frames (n, mels, frames) in dB and targets (n, classes) as if two clips were heard at once.

    Between-class learning of sounds (Tokozume, Ushiku and Harada 2018, section 3.2): clips whose levels are
    G1 and G2 in dB are added with gains p and 1-p over ``sqrt(p^2 + (1-p)^2)``, where
    ``p = 1 / (1 + 10^((G1-G2)/20) (1-r)/r)``, so that they are heard in the ratio r of the targets
    ``y = r y1 + (1-r) y2``. Sounds that know nothing of each other add in power, cell by cell. A clip's
    level is that of its loudest frame; a difference counts up to 40 dB.
    """
    ratio = ratios.astype(np.float32)
    power = np.exp(frames_db * np.float32(np.log(10.0) / 10.0))
    level_db = 10.0 * np.log10(np.maximum(power.sum(axis=1).max(axis=1), 1e-30))
    apart_db = np.clip(level_db - level_db[partners], -_MOST_LEVEL_DB, _MOST_LEVEL_DB)
    gain = ratios / (ratios + 10.0 ** (apart_db / 20.0) * (1.0 - ratios))
    share = (gain**2 / (gain**2 + (1.0 - gain) ** 2)).astype(np.float32)[:, None, None]
    mixed = power[partners]
    mixed += share * (power - mixed)
    mixed_db = np.log10(np.maximum(mixed, np.float32(1e-30)), out=mixed)
    mixed_db *= np.float32(10.0)
    return mixed_db, _mix_targets(targets, partners, ratio)


def mix_styles(pictures: np.ndarray, partners: np.ndarray, ratios: np.ndarray) -> np.ndarray:
    """Give bands of pictures (n, 1, mels, frames) the statistics of another clip's, in part.

    Freq-MixStyle (Schmid et al. 2022, after Zhou et al. 2021): each band's mean and standard deviation over
    time become ``r`` times its own plus ``1-r`` times the partner's. Targets stay: how a microphone colours a
    sound says nothing about what is heard.
    """
    r = ratios.astype(np.float32)[:, None, None, None]
    mean = pictures.mean(axis=(1, 3), keepdims=True)
    centred = pictures - mean
    variance = np.einsum("ncmt,ncmt->nm", centred, centred)[:, None, :, None]
    variance /= max(1, pictures.shape[1] * pictures.shape[3] - 1)
    deviation = np.sqrt(variance + np.float32(_LEAST_VARIANCE))
    centred *= r + (1.0 - r) * deviation[partners] / deviation
    centred += r * mean + (1.0 - r) * mean[partners]
    return centred


def _mix_targets(targets: np.ndarray, partners: np.ndarray, ratio: np.ndarray) -> np.ndarray:
    y = ratio[:, None]
    return (y * targets + (1.0 - y) * targets[partners]).astype(np.float32)
