"""Clips as the device hears them: one channel, at the bundle's rate, of the window's length."""

from __future__ import annotations

import numpy as np

from asc_edge.audio.files import read_audio
from asc_edge.audio.resample import resample
from asc_edge.errors import AudioFileError
from asc_edge.pipeline import fit_to_window
from asc_edge_train.clips import Clip

__all__ = ["clip_samples", "mono", "window_samples"]


def mono(samples: np.ndarray) -> np.ndarray:
    """Mean over channels after each channel's offset is removed, shape (n, channels) -> (n, 1).

    Microphones carry offsets of their own, which a plain mean would blend into the signal.
    """
    if samples.shape[1] == 1:
        return samples
    return (samples - samples.mean(axis=0, keepdims=True)).mean(axis=1, keepdims=True, dtype=np.float32)


def clip_samples(clip: Clip, sample_rate_hz: int) -> np.ndarray:
    """Samples of a clip, float32 of shape (n, 1), at ``sample_rate_hz``.

    Raises
    ------
    AudioFileError
        When the file is missing, damaged, or ends before the clip starts.
    """
    samples, rate = read_audio(clip.path)
    start = round(clip.offset_s * rate)
    stop = start + round(clip.duration_s * rate) if clip.duration_s else len(samples)
    samples = mono(samples[start:stop])
    if len(samples) == 0:
        raise AudioFileError(f"{clip.path}: ends before {clip.offset_s:g} s; copy it again")
    return samples if rate == sample_rate_hz else resample(samples, rate, sample_rate_hz)


def window_samples(samples: np.ndarray, sample_rate_hz: int, window_s: float) -> np.ndarray:
    """First window of a clip, repeated where the clip is shorter: what ``classify_clip`` decides on first."""
    return fit_to_window(samples, round(window_s * sample_rate_hz))
