"""Microphone arrays that clips are heard through: their shapes, and all that is drawn about a scene."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from asc_edge.errors import ConfigError

__all__ = [
    "ARRAYS",
    "FAULTS",
    "MEASURED",
    "ArrayConfig",
    "ArrayResponse",
    "MicrophoneConfig",
    "array_positions_m",
]

# Neighbours on a line, as in SINS; a circle's radius is that of common USB arrays.
SPACING_M = 0.05
RADIUS_M = 0.046

MEASURED = "measured7"
ARRAYS = ("linear4", "circle4", "circle6", MEASURED)
FAULTS = ("none", "dead", "noisy")


@dataclass(frozen=True, kw_only=True)
class MicrophoneConfig:
    """How far microphones and converters of one array differ from the ideal and from each other.

    Attributes
    ----------
    gain_spread_db, tilt_spread_db : float >= 0
        Largest gain of a microphone, either way; and the largest rise or fall of its response from 100 Hz to
        half the sample rate, a straight line over the logarithm of frequency.
    offset_fs : (float, float)
        DC of a channel, in full scales.
    self_noise_db_spl : (float, float)
        Sound level that a microphone's own noise equals: 94 dB less its data sheet's SNR.
    self_noise_spread_db : float >= 0
        How far microphones of one array differ in it, either way.
    bits : dict of int to float
        Share of arrays by the bits of their converter.
    clipping_share : float in 0..1
        Share of arrays that are driven too hard, by ``clipping_db`` over full scale.
    noisy_snr_db : (float, float)
        Of a channel with the fault ``noisy``: its sound over the noise.
    """

    gain_spread_db: float = 1.5
    tilt_spread_db: float = 2.0
    offset_fs: tuple[float, float] = (-0.02, 0.02)
    self_noise_db_spl: tuple[float, float] = (29.0, 39.0)
    self_noise_spread_db: float = 1.0
    bits: dict[int, float] = field(default_factory=lambda: {16: 0.7, 12: 0.2, 8: 0.1})
    clipping_share: float = 0.1
    clipping_db: tuple[float, float] = (0.0, 6.0)
    noisy_snr_db: tuple[float, float] = (-10.0, 5.0)

    def __post_init__(self) -> None:
        for name in ("gain_spread_db", "tilt_spread_db", "self_noise_spread_db"):
            _check(name, getattr(self, name), 0.0, 20.0)
        _check_range("offset_fs", self.offset_fs, -0.9, 0.9)
        _check_range("self_noise_db_spl", self.self_noise_db_spl, -160.0, 120.0)
        _check_range("clipping_db", self.clipping_db, 0.0, 40.0)
        _check_range("noisy_snr_db", self.noisy_snr_db, -60.0, 60.0)
        _check("clipping_share", self.clipping_share, 0.0, 1.0)
        if not self.bits or any(not 2 <= bits <= 16 or share < 0 for bits, share in self.bits.items()):
            raise ConfigError("arrays: bits gives shares of converters of 2 to 16 bits")
        if not math.isclose(sum(self.bits.values()), 1.0, abs_tol=1e-6):
            raise ConfigError(f"arrays: shares in bits must add up to 1, not {sum(self.bits.values()):g}")


@dataclass(frozen=True, kw_only=True)
class ArrayConfig:
    """What an array hears, and from where.

    Attributes
    ----------
    arrays : tuple of str
        Of ``ARRAYS``; one that stands twice is drawn twice as often.
    distances_m, rt60_s : tuple of float
        Distances of the sound, and reverberation times that rooms are simulated for. What a room came to is
        measured in its response.
    smallest_m, largest_m : (float, float, float)
        Length, width and height of rooms.
    snr_db : (float, float)
        The sound over the ambient noise, both as the array hears them.
    level_db : (float, float)
        Peak of the loudest channel, in dB of full scale, before microphones differ.
    sound_db_spl : (float, float)
        Mean level of all that the array hears, which says how far it lies above the microphones' own noise.
    ambient_slope_db : (float, float)
        Of the ambient noise's spectrum, per octave: 0 is white, -3 pink, -6 as in quiet rooms.
    """

    arrays: tuple[str, ...] = ARRAYS
    distances_m: tuple[float, ...] = (1.0, 2.0, 4.0)
    rt60_s: tuple[float, ...] = (0.25, 0.45, 0.7)
    smallest_m: tuple[float, float, float] = (3.0, 2.5, 2.3)
    largest_m: tuple[float, float, float] = (8.0, 6.0, 3.0)
    snr_db: tuple[float, float] = (10.0, 30.0)
    level_db: tuple[float, float] = (-26.0, -6.0)
    sound_db_spl: tuple[float, float] = (45.0, 65.0)
    ambient_slope_db: tuple[float, float] = (-6.0, -3.0)
    microphones: MicrophoneConfig = field(default_factory=MicrophoneConfig)

    def __post_init__(self) -> None:
        unknown = sorted(set(self.arrays) - set(ARRAYS))
        if unknown or not self.arrays:
            what = f"unknown array {unknown[0]!r}" if unknown else "no array"
            raise ConfigError(f"arrays: {what}; choose from {', '.join(ARRAYS)}")
        for name, low, high in (("distances_m", 0.3, 10.0), ("rt60_s", 0.1, 2.0)):
            if not getattr(self, name):
                raise ConfigError(f"arrays: {name} is empty")
            for value in getattr(self, name):
                _check(name, value, low, high)
        for axis, (small, large) in enumerate(zip(self.smallest_m, self.largest_m, strict=True)):
            if not 2.0 <= small <= large <= 30.0:
                raise ConfigError(
                    f"arrays: smallest_m and largest_m lie in 2 to 30 m in this order, not {small} and "
                    f"{large} (number {axis + 1})"
                )
        _check_range("snr_db", self.snr_db, -20.0, 80.0)
        _check_range("level_db", self.level_db, -80.0, 0.0)
        _check_range("sound_db_spl", self.sound_db_spl, 0.0, 130.0)
        _check_range("ambient_slope_db", self.ambient_slope_db, -12.0, 6.0)


@dataclass(frozen=True, eq=False)
class ArrayResponse:
    """How an array hears a sound at one place of a room.

    Attributes
    ----------
    name, array : str
        Which one it is, and the array's kind.
    responses : ndarray (channels, taps), float64
        Of unit energy in the mean over the channels, which keep their differences.
    positions_m : ndarray (channels, 3)
        Around the array's centre.
    distance_m, rt60_s : float
        From the array's centre; measured in the first channel's response.
    source, licence : str
        Where a measured one is from; empty for simulated ones.
    """

    name: str
    array: str
    responses: np.ndarray
    positions_m: np.ndarray
    distance_m: float
    rt60_s: float
    source: str = ""
    licence: str = ""


def array_positions_m(array: str) -> np.ndarray:
    """Places of an array's microphones around its centre, (channels, 3).

    The measured one is an octahedron's corners and its centre: front, back, right top, left top, right
    bottom, left bottom, centre.
    """
    if array == "linear4":
        along = SPACING_M * (np.arange(4) - 1.5)
        return np.stack([along, np.zeros(4), np.zeros(4)], axis=1)
    if array == MEASURED:
        s = SPACING_M * math.sqrt(0.5)
        corners = [(0, SPACING_M, 0), (0, -SPACING_M, 0), (s, 0, s), (-s, 0, s), (s, 0, -s), (-s, 0, -s)]
        return np.array([*corners, (0, 0, 0)], dtype=np.float64)
    if array not in ARRAYS:
        raise ConfigError(f"arrays: unknown array {array!r}; choose from {', '.join(ARRAYS)}")
    count = int(array.removeprefix("circle"))
    angle = 2.0 * np.pi * np.arange(count) / count
    return np.stack([RADIUS_M * np.cos(angle), RADIUS_M * np.sin(angle), np.zeros(count)], axis=1)


def _check(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ConfigError(f"arrays: {name} must lie in {low:g} to {high:g}, not {value!r}")


def _check_range(name: str, values: tuple[float, float], low: float, high: float) -> None:
    if len(values) != 2 or not low <= values[0] <= values[1] <= high:
        raise ConfigError(f"arrays: {name} is a low and a high value in {low:g} to {high:g}, not {values!r}")
