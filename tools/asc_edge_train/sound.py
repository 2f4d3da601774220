"""Clips as the device hears them: one channel, at the bundle's rate, of the window's length."""

from __future__ import annotations

import numpy as np

from asc_edge.audio.files import read_audio
from asc_edge.audio.resample import resample
from asc_edge.errors import AudioFileError
from asc_edge.pipeline import fit_to_window
from asc_edge_train.clips import Clip

__all__ = ["clip_samples", "mono", "native_samples", "played", "window_samples"]


def mono(samples: np.ndarray) -> np.ndarray:
    """Mean over channels after each channel's offset is removed, shape (n, channels) -> (n, 1).

    Microphones carry offsets of their own, which a plain mean would blend into the signal.
    """
    if samples.shape[1] == 1:
        return samples
    return (samples - samples.mean(axis=0, keepdims=True)).mean(axis=1, keepdims=True, dtype=np.float32)


def clip_samples(clip: Clip, sample_rate_hz: int, channels: str = "mono") -> np.ndarray:
    """Samples of a clip at ``sample_rate_hz``, float32 (n, 1), or (n, channels) for ``"per_channel"``.

    Stretches that the corpus calls faulty are cut out. A rate of 0 keeps the file's own.

    Raises
    ------
    AudioFileError
        When the file is missing, damaged, or ends before the clip starts.
    """
    samples, rate = native_samples(clip)
    samples = samples if channels == "per_channel" else mono(samples)
    return samples if sample_rate_hz in (0, rate) else resample(samples, rate, sample_rate_hz)


def native_samples(clip: Clip) -> tuple[np.ndarray, int]:
    """Samples (n, channels) of a clip at its file's own rate, and that rate.

    Raises
    ------
    AudioFileError
    """
    samples, rate = read_audio(clip.path)
    start = round(clip.offset_s * rate)
    stop = start + round(clip.duration_s * rate) if clip.duration_s else len(samples)
    samples = samples[start:stop]
    if clip.faults_s:
        sound = np.ones(len(samples), dtype=bool)
        for onset_s, offset_s in clip.faults_s:
            sound[max(0, round(onset_s * rate)) : max(0, round(offset_s * rate))] = False
        samples = samples[sound]
    if len(samples) == 0:
        raise AudioFileError(f"{clip.path}: ends before {clip.offset_s:g} s; copy it again")
    return samples, rate


def played(samples: np.ndarray, speed: float, sample_rate_hz: int) -> np.ndarray:
    """Samples (n, channels) played so many times as fast, pitch and all."""
    return resample(samples, round(sample_rate_hz * speed), sample_rate_hz)


def window_samples(samples: np.ndarray, sample_rate_hz: int, window_s: float) -> np.ndarray:
    """First window of a clip, repeated where the clip is shorter: what ``classify_clip`` decides on first."""
    return fit_to_window(samples, round(window_s * sample_rate_hz))
