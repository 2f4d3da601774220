"""A scene for those who have no microphone array at hand: four channels, rendered here, synthetic throughout.

Five scenes follow each other, and each is made of what its real counterpart is made of: a motor's harmonics,
bursts of key strokes, ringing dishes over running water, voiced pulses through formants. They reach the four
microphones of a linear array at different times and levels, through a simple reverberation. Nothing was
recorded, and how well a bundle does on it says nothing about how well it does in a home.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from asc_edge.audio.samples import Samples
from asc_edge.audio.sources import BLOCK_S, Pace
from asc_edge.notices import Notice

SAMPLE_RATE_HZ = 16000
CHANNELS = 4
MICROPHONE_SPACING_M = 0.05
SPEED_OF_SOUND_M_S = 343.0
SEED = 20240601

Signal = NDArray[np.float64]

# Seconds, direction of arrival in degrees from the array's axis, and level, for every scene in order.
SCENES: tuple[tuple[str, float, float, float], ...] = (
    ("quiet room", 12.0, 90.0, 0.002),
    ("vacuum cleaner", 14.0, 40.0, 0.12),
    ("typing", 13.0, 110.0, 0.015),
    ("dishes and water", 13.0, 70.0, 0.06),
    ("babble", 14.0, 135.0, 0.05),
)
DURATION_S = sum(seconds for _, seconds, _, _ in SCENES)


class DemoSource:
    """The synthetic scene, at the speed of a microphone.

    Parameters
    ----------
    realtime : bool
        False delivers as fast as it can be rendered.

    Examples
    --------
    >>> source = DemoSource(realtime=False)
    >>> next(source.blocks()).shape
    (1600, 4)
    """

    name = "synthetic demo scene"
    sample_rate_hz = SAMPLE_RATE_HZ
    channels = CHANNELS
    overruns = 0
    lost_frames = 0
    on_notice: Callable[[Notice], None] | None = None

    def __init__(self, *, realtime: bool = True) -> None:
        self._pace = Pace(SAMPLE_RATE_HZ) if realtime else None
        self.live = realtime
        self.description: dict[str, object] = {
            "kind": "demo",
            "synthetic": True,
            "text": "a scene that asc-edge renders itself; no recording, no microphone",
            "channels": CHANNELS,
            "sample_rate_hz": SAMPLE_RATE_HZ,
            "duration_s": DURATION_S,
        }

    @property
    def waiting_frames(self) -> int:
        return 0 if self._pace is None else self._pace.waiting_frames

    def blocks(self) -> Iterator[Samples]:
        step = round(BLOCK_S * SAMPLE_RATE_HZ)
        for number in range(len(SCENES)):
            scene = render_scene(number)
            for start in range(0, len(scene), step):
                block = scene[start : start + step]
                if self._pace is not None:
                    self._pace.wait_for(len(block))
                yield block

    def close(self) -> None:
        """There is nothing to let go of."""


def render_scene(number: int) -> NDArray[np.int16]:
    """Render one of :data:`SCENES` as the array's converters would give it.

    Parameters
    ----------
    number : int
        Index into :data:`SCENES`.

    Returns
    -------
    np.ndarray [shape=(n, 4), dtype=int16]
        The same numbers on every call.
    """
    _, seconds, angle_deg, level = SCENES[number]
    count = round(seconds * SAMPLE_RATE_HZ)
    rng = np.random.default_rng([SEED, number])
    signal = _RENDERERS[number](count, rng)
    signal *= level / np.sqrt(np.mean(signal**2))
    # Scenes fade into each other's silence, as nobody switches a home on and off.
    fade = min(count // 2, SAMPLE_RATE_HZ // 4)
    ramp = np.sin(np.linspace(0.0, np.pi / 2, fade)) ** 2
    signal[:fade] *= ramp
    signal[count - fade :] *= ramp[::-1]
    return _converters(_array(signal, angle_deg, rng), number)


def _array(signal: Signal, angle_deg: float, rng: np.random.Generator) -> Signal:
    """Bring a signal to the four microphones, (n,) -> (n, 4): delay, gain, and a decaying diffuse tail."""
    size = 2 * len(signal)
    spectrum = np.fft.rfft(signal, size)
    frequencies = np.fft.rfftfreq(size, 1 / SAMPLE_RATE_HZ)
    tail_s = np.arange(round(0.3 * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    channels = []
    for microphone in range(CHANNELS):
        delay_s = (
            0.001 + microphone * MICROPHONE_SPACING_M * np.cos(np.deg2rad(angle_deg)) / SPEED_OF_SOUND_M_S
        )
        direct = np.exp(-2j * np.pi * frequencies * delay_s)
        # Reflections arrive from everywhere, so they differ at every microphone; -60 dB after 0.4 s.
        tail = rng.standard_normal(len(tail_s)) * 10.0 ** (-3.0 * tail_s / 0.4)
        tail[: round(0.004 * SAMPLE_RATE_HZ)] = 0.0
        tail *= 0.5 / np.sqrt(np.sum(tail**2))
        gain = 1.0 + 0.08 * rng.standard_normal()
        channels.append(
            gain * np.fft.irfft(spectrum * (direct + np.fft.rfft(tail, size)), size)[: len(signal)]
        )
    return np.stack(channels, axis=1)


def _converters(signals: Signal, number: int) -> NDArray[np.int16]:
    """Add what cheap microphones add, and round to 16 bits."""
    rng = np.random.default_rng([SEED, number, 1])
    offsets = np.array([0.021, -0.008, 0.034, 0.013])
    noisy = signals + offsets + 3e-4 * rng.standard_normal(signals.shape)
    samples: NDArray[np.int16] = np.clip(np.round(noisy * 32768.0), -32768, 32767).astype(np.int16)
    return samples


def _shaped_noise(count: int, rng: np.random.Generator, gain: Callable[[Signal], Signal]) -> Signal:
    """Noise whose spectrum follows ``gain(frequencies_hz)``, unit root mean square."""
    spectrum = np.fft.rfft(rng.standard_normal(count))
    frequencies: Signal = np.fft.rfftfreq(count, 1 / SAMPLE_RATE_HZ).astype(np.float64)
    shaped: Signal = np.fft.irfft(spectrum * gain(frequencies), count).astype(np.float64)
    shaped /= np.sqrt(np.mean(shaped**2))
    return shaped


def _add(signal: Signal, at: int, burst: Signal) -> None:
    """Mix a burst into a signal from sample ``at`` on; what would stand past the end is cut."""
    room = len(signal) - at
    signal[at : at + len(burst)] += burst[:room]


def _quiet_room(count: int, rng: np.random.Generator) -> Signal:
    """Low ventilation rumble and mains hum."""
    time_s = np.arange(count) / SAMPLE_RATE_HZ
    hum = 0.1 * np.sin(2 * np.pi * 50 * time_s) + 0.05 * np.sin(2 * np.pi * 150 * time_s)
    return _shaped_noise(count, rng, lambda f: 1.0 / (1.0 + (f / 120.0) ** 1.5)) + hum


def _vacuum_cleaner(count: int, rng: np.random.Generator) -> Signal:
    """A universal motor's harmonics, wandering a little, in a wide rush of air."""
    time_s = np.arange(count) / SAMPLE_RATE_HZ
    pitch_hz = 312.0 * (1.0 + 0.01 * np.sin(2 * np.pi * 0.23 * time_s))
    phase = 2 * np.pi * np.cumsum(pitch_hz) / SAMPLE_RATE_HZ
    motor = sum((np.sin(k * phase + k * k) / k for k in range(1, 20)), start=np.zeros(count))
    air = _shaped_noise(count, rng, lambda f: np.sqrt(f / 500.0) / (1.0 + (f / 1800.0) ** 2))
    return 0.5 * motor + 1.2 * air


def _typing(count: int, rng: np.random.Generator) -> Signal:
    """Key strokes in words: a click going down, a softer one coming up."""
    signal = 0.01 * _shaped_noise(count, rng, lambda f: 1.0 / (1.0 + f / 200.0))
    decay_s = np.arange(round(0.02 * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    at_s = 0.3
    while at_s < count / SAMPLE_RATE_HZ:
        for offset_s, level in ((0.0, 1.0), (rng.uniform(0.06, 0.1), 0.4)):
            click = rng.standard_normal(len(decay_s)) * np.exp(-decay_s / 0.003)
            thud = np.sin(2 * np.pi * rng.uniform(250.0, 400.0) * decay_s) * np.exp(-decay_s / 0.006)
            _add(
                signal,
                round((at_s + offset_s) * SAMPLE_RATE_HZ),
                level * (np.diff(click, prepend=0.0) + thud),
            )
        at_s += rng.uniform(0.4, 0.9) if rng.random() < 0.15 else rng.uniform(0.1, 0.2)
    return signal


def _dishes(count: int, rng: np.random.Generator) -> Signal:
    """Plates and cutlery ringing at inharmonic partials over water from a tap."""
    time_s = np.arange(count) / SAMPLE_RATE_HZ
    flow = 1.0 + 0.3 * np.sin(2 * np.pi * 0.31 * time_s)
    signal = (
        0.25 * flow * _shaped_noise(count, rng, lambda f: np.sqrt(f / 1000.0) / (1.0 + (f / 4000.0) ** 2))
    )
    ring_s = np.arange(round(0.5 * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    at_s = 0.5
    while at_s < count / SAMPLE_RATE_HZ:
        base_hz = rng.uniform(900.0, 2200.0)
        clink = np.zeros(len(ring_s))
        for ratio in (1.0, 1.58, 2.24, 2.92, 3.4):
            decay = np.exp(-ring_s / rng.uniform(0.03, 0.15))
            clink += rng.uniform(0.2, 1.0) * decay * np.sin(2 * np.pi * base_hz * ratio * ring_s)
        _add(signal, round(at_s * SAMPLE_RATE_HZ), rng.uniform(0.5, 1.5) * clink)
        at_s += rng.uniform(0.15, 0.9)
    return signal


def _babble(count: int, rng: np.random.Generator) -> Signal:
    """Three voices: pulses at a speaking pitch through the formants of one vowel after the other."""
    signal = 0.01 * _shaped_noise(count, rng, lambda f: 1.0 / (1.0 + f / 300.0))
    for pitch_hz in (112.0, 135.0, 208.0):
        at_s = rng.uniform(0.1, 0.6)
        while at_s < count / SAMPLE_RATE_HZ:
            syllable = _syllable(pitch_hz * rng.uniform(0.85, 1.2), rng.uniform(0.1, 0.28), rng)
            _add(signal, round(at_s * SAMPLE_RATE_HZ), syllable)
            pause_s = rng.uniform(0.5, 1.6) if rng.random() < 0.12 else rng.uniform(0.01, 0.06)
            at_s += len(syllable) / SAMPLE_RATE_HZ + pause_s
    return signal


_VOWELS_HZ = (
    (730.0, 1090.0, 2440.0),
    (270.0, 2290.0, 3010.0),
    (300.0, 870.0, 2240.0),
    (530.0, 1840.0, 2480.0),
)


def _syllable(pitch_hz: float, seconds: float, rng: np.random.Generator) -> Signal:
    """A gliding pulse train under the resonances of one vowel, with a little breath in front."""
    count = round(seconds * SAMPLE_RATE_HZ)
    glide = np.linspace(1.06, 0.94, count)
    phase = np.cumsum(pitch_hz * glide) / SAMPLE_RATE_HZ
    pulses = np.diff(np.floor(phase), prepend=0.0) + 0.03 * rng.standard_normal(count)
    frequencies = np.fft.rfftfreq(2 * count, 1 / SAMPLE_RATE_HZ)
    envelope = np.zeros(len(frequencies))
    for formant_hz, weight in zip(_VOWELS_HZ[rng.integers(len(_VOWELS_HZ))], (1.0, 0.5, 0.25), strict=True):
        envelope += weight / (1.0 + ((frequencies - formant_hz) / 80.0) ** 2)
    voiced = np.fft.irfft(np.fft.rfft(pulses, 2 * count) * envelope, 2 * count)[:count]
    return voiced * np.hanning(count) * rng.uniform(0.6, 1.2) * 20.0


_RENDERERS = (_quiet_room, _vacuum_cleaner, _typing, _dishes, _babble)
