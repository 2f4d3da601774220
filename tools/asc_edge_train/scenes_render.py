"""Samples of a planned scene: pieces through a loudspeaker, a room, a wall and a microphone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.fft import irfft, rfft
from scipy.signal import fftconvolve

from asc_edge_train.arrays import MicrophoneConfig
from asc_edge_train.arrays_render import captured, converted, diffuse_noise
from asc_edge_train.clips import Clip
from asc_edge_train.scenes_plan import Part, Scene
from asc_edge_train.sound import clip_samples

__all__ = ["crossfade_loop", "render_scene"]

# Fades of a voice's turn and of a programme's cut.
_FADE_S = 0.02
# Grains of a room tone that is too short.
_GRAIN_S = (0.15, 0.45)
_CROSSFADE_S = 0.08
# A wall or a window lets low frequencies through.
_WALL_HZ = (150.0, 1500.0)
_WALL_DB_PER_OCTAVE = 9.0
# A microphone's own noise lies so far below what it hears, and what it hears is never without any noise.
_HISS_BELOW_DB = (3.0, 30.0)
_HISS_FLOOR_DB = -92.0
_AIR_DB = (-30.0, -6.0)
_MICROPHONE_TILT_DB = 6.0
# Below this a microphone or its converter hears less and less.
_LOW_CUT_HZ = (15.0, 120.0)
_PEAK = 0.98
_CONVERTER_BITS = 16


def render_scene(scene: Scene, sample_rate_hz: int, window_s: float, cache: Path) -> np.ndarray:
    """Samples (n,), int16, of a scene; the same plan and pieces give the same samples.

    Parameters
    ----------
    cache : Path
        Folder that keeps simulated rooms.
    """
    rng = np.random.default_rng([*scene.seed, 1])
    length = round(window_s * sample_rate_hz)
    heard = _happening(scene, length, sample_rate_hz, cache)
    for part in scene.parts:
        if part.place < 0:
            heard += 10.0 ** (part.level_db / 20.0) * _around(part, length, sample_rate_hz)
    air_db = rng.uniform(*_AIR_DB) - (0.0 if scene.label == "absence" else 25.0)
    slope_db = rng.uniform(-6.0, 0.0)
    air = diffuse_noise(np.zeros((1, 3)), length, sample_rate_hz, slope_db=slope_db, rng=rng)[:, 0]
    heard += air * 10.0 ** (air_db / 20.0)
    return _recorded(heard, scene.level_db, sample_rate_hz, rng)


def crossfade_loop(
    samples: np.ndarray, length: int, sample_rate_hz: int, rng: np.random.Generator
) -> np.ndarray:
    """A longer stretch of a noise: grains of random place, length and direction, cross-faded at equal power.

    A piece that is long enough is cut out of the whole. A loop would repeat its every detail after the same
    time, which is easier to learn than the noise itself.
    """
    if len(samples) >= length:
        start = int(rng.integers(len(samples) - length + 1))
        return samples[start : start + length].copy()
    fade = min(round(_CROSSFADE_S * sample_rate_hz), len(samples) // 4)
    rise = np.sin(np.linspace(0.0, np.pi / 2.0, fade))
    made = np.zeros(length + len(samples))
    end = 0
    while end < length + fade:
        longest = min(round(_GRAIN_S[1] * sample_rate_hz), len(samples))
        shortest = min(max(2 * fade + 1, round(_GRAIN_S[0] * sample_rate_hz)), longest)
        size = int(rng.integers(shortest, longest + 1))
        start = int(rng.integers(len(samples) - size + 1))
        grain = samples[start : start + size].copy()
        if rng.random() < 0.5:
            grain = grain[::-1].copy()
        grain *= rng.choice((-1.0, 1.0))
        grain[:fade] *= rise
        grain[-fade:] *= rise[::-1]
        begin = max(0, end - fade)
        made[begin : begin + size] += grain[: len(made) - begin]
        end = begin + size
    # The first grain's rise lies before the scene.
    return made[fade : fade + length]


def _happening(scene: Scene, length: int, sample_rate_hz: int, cache: Path) -> np.ndarray:
    """All that sounds at places of the room, at a level of one; silence where nothing does."""
    heard = np.zeros(length)
    if scene.room is None:
        return heard
    dry: dict[int, np.ndarray] = {}
    for part in scene.parts:
        if part.place >= 0:
            bus = dry.setdefault(part.place, np.zeros(length))
            start = round(part.start_s * sample_rate_hz)
            sound = _turn(part, sample_rate_hz)[: length - start]
            bus[start : start + len(sound)] += sound
    responses = scene.room.responses(sample_rate_hz, cache)
    first = int(np.random.default_rng([*scene.seed, 2]).integers(len(responses)))
    if scene.loudspeaker is not None:
        played = _response(scene.loudspeaker, sample_rate_hz)
        dry = {place: fftconvolve(bus, played)[:length] for place, bus in dry.items()}
    for place, bus in dry.items():
        heard += fftconvolve(bus, responses[(first + place) % len(responses)])[:length]
    return heard / max(_rms(heard), 1e-9)


def _turn(part: Part, sample_rate_hz: int) -> np.ndarray:
    """The loudest of a few cuts of a piece, at the part's level, faded in and out."""
    rng = np.random.default_rng(part.seed)
    samples = _mono(part.piece, sample_rate_hz)
    length = min(round(part.length_s * sample_rate_hz), len(samples))
    starts = rng.integers(len(samples) - length + 1, size=4)
    cut = max((samples[start : start + length] for start in starts), key=_rms).copy()
    fade = min(round(_FADE_S * sample_rate_hz), length // 2)
    rise = np.sin(np.linspace(0.0, np.pi / 2.0, fade)) ** 2
    cut[:fade] *= rise
    cut[length - fade :] *= rise[::-1]
    return np.asarray(cut * (10.0 ** (part.level_db / 20.0) / max(_rms(cut), 1e-6)))


def _around(part: Part, length: int, sample_rate_hz: int) -> np.ndarray:
    """Room tone, or what comes through a wall from outside, at a level of one."""
    rng = np.random.default_rng(part.seed)
    sound = crossfade_loop(_mono(part.piece, sample_rate_hz), length, sample_rate_hz, rng)
    if part.kind == "ambience":
        frequency_hz = np.fft.rfftfreq(length, 1.0 / sample_rate_hz)
        octaves = np.log2(np.maximum(frequency_hz / rng.uniform(*_WALL_HZ), 1.0))
        sound = irfft(rfft(sound) * 10.0 ** (-_WALL_DB_PER_OCTAVE * octaves / 20.0), length)
    return np.asarray(sound / max(_rms(sound), 1e-9))


def _recorded(
    heard: np.ndarray, level_db: float, sample_rate_hz: int, rng: np.random.Generator
) -> np.ndarray:
    """Through a microphone of its own response and noise, at a level in dB of full scale, int16."""
    frequency_hz = np.fft.rfftfreq(len(heard), 1.0 / sample_rate_hz)
    cut = (frequency_hz / rng.uniform(*_LOW_CUT_HZ)) ** 2
    heard = irfft(rfft(heard) * cut / (1.0 + cut), len(heard))
    heard = heard * 10.0 ** (level_db / 20.0) / max(_rms(heard), 1e-9)
    hiss_db = max(level_db - float(rng.uniform(*_HISS_BELOW_DB)), _HISS_FLOOR_DB)
    hiss_db = min(hiss_db, level_db - 3.0, float(rng.uniform(-88.0, -63.0)))
    # Only the difference of the two levels counts: both are of full scale here.
    microphone = MicrophoneConfig(
        gain_spread_db=0.0,
        tilt_spread_db=_MICROPHONE_TILT_DB,
        self_noise_db_spl=(hiss_db, hiss_db),
        self_noise_spread_db=0.0,
    )
    picked_up = captured(heard[:, None], microphone, sample_rate_hz, level_db, rng)[:, 0]
    picked_up *= 10.0 ** (level_db / 20.0) / max(_rms(picked_up), 1e-9)
    peak = float(np.max(np.abs(picked_up)))
    return converted(picked_up * min(1.0, _PEAK / max(peak, 1e-9)), _CONVERTER_BITS)


def _response(piece: Clip, sample_rate_hz: int) -> np.ndarray:
    response = _mono(piece, sample_rate_hz)
    return np.asarray(response / max(float(np.sqrt(np.sum(response**2))), 1e-9))


def _mono(piece: Clip, sample_rate_hz: int) -> np.ndarray:
    return clip_samples(piece, sample_rate_hz)[:, 0].astype(np.float64)


def _rms(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(samples))))
