"""A mono clip as an array records it: room, ambient noise, microphones, faults, converter."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft
from scipy.signal import fftconvolve

from asc_edge.errors import ConfigError
from asc_edge_train.arrays import FAULTS, ArrayConfig, ArrayResponse, MicrophoneConfig

__all__ = ["Recording", "captured", "converted", "diffuse_noise", "record", "record_channel"]

_SOUND_M_S = 343.0
# Below this the ambient noise has no slope, and microphones no tilt: a slope would go to infinity at 0 Hz.
_LOWEST_HZ = 50.0
_TILT_FROM_HZ = 100.0
_APART = 1e-6
# Streams of draws, so that none of them depends on how much another has drawn.
_SCENE, _AMBIENT, _MICROPHONES, _FAULT = range(4)


@dataclass(frozen=True, eq=False)
class Recording:
    """What an array recorded, once for each fault that was asked for; all else is the same in all of them.

    Attributes
    ----------
    samples : dict of str to ndarray of shape (n, channels), int16
        By fault.
    fault_channel : int
        Which channel the faults are on, from 0.
    snr_db, level_db, clipping_db, sound_db_spl : float
        As drawn; ``clipping_db`` is 0 where nothing was driven too hard.
    bits : int
    """

    samples: dict[str, np.ndarray]
    fault_channel: int
    snr_db: float
    level_db: float
    clipping_db: float
    sound_db_spl: float
    bits: int


def record(
    samples: np.ndarray,
    response: ArrayResponse,
    config: ArrayConfig,
    *,
    sample_rate_hz: int,
    seed: Sequence[int],
    faults: Sequence[str] = ("none",),
) -> Recording:
    """What an array makes of a mono clip; the same seed gives the same samples.

    Parameters
    ----------
    samples : ndarray of shape (n,)
    faults : sequence of {"none", "dead", "noisy"}
        Of one channel, drawn by the seed.
    """
    unknown = sorted(set(faults) - set(FAULTS))
    if unknown:
        raise ConfigError(f"arrays: unknown fault {unknown[0]!r}; choose from {', '.join(FAULTS)}")
    streams = [np.random.default_rng([*seed, number]) for number in range(4)]
    draws, microphones = streams[_SCENE], config.microphones
    snr_db, level_db = float(draws.uniform(*config.snr_db)), float(draws.uniform(*config.level_db))
    slope_db = float(draws.uniform(*config.ambient_slope_db))
    bits = int(draws.choice(list(microphones.bits), p=list(microphones.bits.values())))
    hard = draws.random() < microphones.clipping_share
    clipping_db = float(draws.uniform(*microphones.clipping_db)) if hard else 0.0
    bad = int(draws.integers(len(response.responses)))
    sound_db_spl = float(draws.uniform(*config.sound_db_spl))

    heard = _in_room(samples, response.responses)
    ambient = diffuse_noise(
        response.positions_m,
        len(heard),
        sample_rate_hz,
        slope_db=slope_db,
        rng=streams[_AMBIENT],
    )
    heard += ambient * _rms(heard) * 10.0 ** (-snr_db / 20.0)
    heard *= 10.0 ** (level_db / 20.0) / max(float(np.max(np.abs(heard))), 1e-9)
    picked_up = captured(heard, microphones, sample_rate_hz, sound_db_spl, streams[_MICROPHONES])
    if hard:
        picked_up *= 10.0 ** (clipping_db / 20.0) / max(float(np.max(np.abs(picked_up))), 1e-9)
    offset_fs = streams[_MICROPHONES].uniform(*microphones.offset_fs, size=picked_up.shape[1])
    recorded = {}
    for fault in faults:
        # A stream of its own, begun anew: a fault is the same whichever others are asked for.
        rng = np.random.default_rng([*seed, _FAULT])
        faulty = _with_fault(picked_up, fault, bad, microphones, rng)
        recorded[fault] = converted(faulty + offset_fs, bits)
    return Recording(recorded, bad, snr_db, level_db, clipping_db, sound_db_spl, bits)


def record_channel(
    samples: np.ndarray,
    response: ArrayResponse,
    config: ArrayConfig,
    *,
    sample_rate_hz: int,
    seed: Sequence[int],
    noisy_share: float = 0.05,
) -> np.ndarray:
    """One channel (n,) of an array's recording, drawn by the seed, float32: a view to train on.

    Parameters
    ----------
    noisy_share : float
        How often the channel is the faulty one. A dead one has nothing to learn from.
    """
    rng = np.random.default_rng(seed)
    channel, noisy = int(rng.integers(len(response.responses))), bool(rng.random() < noisy_share)
    alone = ArrayResponse(
        name=response.name,
        array=response.array,
        responses=response.responses[[channel]],
        positions_m=response.positions_m[[channel]],
        distance_m=response.distance_m,
        rt60_s=response.rt60_s,
    )
    fault = "noisy" if noisy else "none"
    made = record(samples, alone, config, sample_rate_hz=sample_rate_hz, seed=seed, faults=(fault,))
    return made.samples[fault][:, 0].astype(np.float32) / np.float32(32768.0)


def diffuse_noise(
    positions_m: np.ndarray,
    length: int,
    sample_rate_hz: int,
    *,
    slope_db: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Noise (length, channels) of unit power that reaches an array from all directions alike.

    The coherence of two microphones is that of a diffuse field: neighbours hear low frequencies as one, and
    high ones each for itself.

    Parameters
    ----------
    slope_db : float
        Of the spectrum, per octave, from 50 Hz.
    """
    size = next_fast_len(length, real=True)
    mixing = _diffuse_mixing(positions_m.tobytes(), len(positions_m), size, sample_rate_hz)
    frequency_hz = np.fft.rfftfreq(size, 1.0 / sample_rate_hz)
    shape = (np.maximum(frequency_hz, _LOWEST_HZ) / _LOWEST_HZ) ** (slope_db / 6.0206)
    phase = rng.standard_normal((2, len(frequency_hz), len(positions_m)))
    spectrum = np.einsum("fij,fj->fi", mixing, phase[0] + 1j * phase[1]) * shape[:, None]
    spectrum[0] = 0.0
    noise = irfft(spectrum, size, axis=0)[:length]
    return np.asarray(noise / _rms(noise))


@functools.lru_cache(maxsize=4)  # all scenes of an array share it, and it takes longer than all the rest
def _diffuse_mixing(positions_m: bytes, channels: int, size: int, sample_rate_hz: int) -> np.ndarray:
    """What makes channels of a diffuse field from independent ones, (frequencies, channels, channels)."""
    places = np.frombuffer(positions_m).reshape(channels, 3)
    apart_m = np.linalg.norm(places[:, None] - places[None], axis=2)
    frequency_hz = np.fft.rfftfreq(size, 1.0 / sample_rate_hz)
    coherence = np.sinc(2.0 * frequency_hz[:, None, None] * apart_m / _SOUND_M_S)
    # At low frequencies all channels are one, and rounding alone decides which way the matrix falls.
    return np.asarray(np.linalg.cholesky(coherence + _APART * np.eye(channels)))


def _in_room(samples: np.ndarray, responses: np.ndarray) -> np.ndarray:
    return np.stack(
        [fftconvolve(samples.astype(np.float64), response)[: len(samples)] for response in responses], axis=1
    )


def captured(
    heard: np.ndarray,
    config: MicrophoneConfig,
    sample_rate_hz: int,
    sound_db_spl: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Channels as microphones of different gain and response give them, with their own noise."""
    length, channels = heard.shape
    frequency_hz = np.fft.rfftfreq(length, 1.0 / sample_rate_hz)
    top = np.log2(sample_rate_hz / 2.0 / _TILT_FROM_HZ)
    place = np.clip(np.log2(np.maximum(frequency_hz, 1.0) / _TILT_FROM_HZ) / top, 0.0, 1.0)
    gain_db = rng.uniform(-1.0, 1.0, channels) * config.gain_spread_db
    tilt_db = rng.uniform(-1.0, 1.0, channels) * config.tilt_spread_db
    shape_db = gain_db + np.outer(place, tilt_db)
    shaped = irfft(rfft(heard, axis=0) * 10.0 ** (shape_db / 20.0), length, axis=0)
    hiss_db_spl = rng.uniform(*config.self_noise_db_spl)
    hiss_db_spl += rng.uniform(-1.0, 1.0, channels) * config.self_noise_spread_db
    # A microphone's gain raises its own noise as well as the sound.
    gain_db += hiss_db_spl - sound_db_spl
    hiss = rng.standard_normal(shaped.shape) * _rms(heard) * 10.0 ** (gain_db / 20.0)
    return np.asarray(shaped + hiss)


def _with_fault(
    captured: np.ndarray, fault: str, channel: int, config: MicrophoneConfig, rng: np.random.Generator
) -> np.ndarray:
    if fault == "none":
        return captured
    faulty = captured.copy()
    if fault == "dead":
        faulty[:, channel] = 0.0
        return faulty
    snr_db = float(rng.uniform(*config.noisy_snr_db))
    level = _rms(captured[:, channel]) * 10.0 ** (-snr_db / 20.0)
    faulty[:, channel] += level * rng.standard_normal(len(captured))
    return faulty


def converted(samples: np.ndarray, bits: int) -> np.ndarray:
    """Through a converter of so many bits, clipped at full scale; in the upper bits of int16."""
    steps = 2 ** (bits - 1)
    counts = np.clip(np.round(samples * steps), -steps, steps - 1)
    return (counts * (32768 // steps)).astype(np.int16)


def _rms(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(samples))))
