"""Log-mel frames by numpy and scipy in float32, in every form that had a chance of being the fastest.

A form is a memory layout (a frame in a row, or frames side by side so that the FFT runs down the columns),
a way to sum mel bands (sparse, dense, reduceat), a place to take the mean off (samples, or the three bins
that a Hann window spreads it over) and a number of frames at a time. `candidates` lists them; the benchmark
lets the fastest compete.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import scipy.fft
import scipy.sparse
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from .oracle import FLOOR
from .presets import Preset, hann, mel_weights

Array = NDArray[np.float32]
LAYOUTS = ("rows", "columns")
MEL_SUMS = ("sparse", "dense", "reduceat")
MEANS = ("samples", "bins")
FRAMES_AT_A_TIME = (16, 64, 256)


@dataclass(frozen=True)
class Form:
    """One way to write it."""

    layout: str
    mel_sum: str
    mean: str
    frames_at_a_time: int = 1

    def __str__(self) -> str:
        many = "" if self.frames_at_a_time == 1 else f", {self.frames_at_a_time} frames at a time"
        return f"{self.layout}, {self.mel_sum} mel, mean off {self.mean}{many}"


def candidates(streaming: bool) -> Iterator[Form]:
    """The forms worth timing."""
    for layout, mel_sum, mean in product(LAYOUTS, MEL_SUMS, MEANS):
        if streaming:
            yield Form(layout, mel_sum, mean)
        elif layout == "rows":
            # In columns, several frames at a time would have to be woven together first, which costs more
            # than it saves.
            for frames in FRAMES_AT_A_TIME:
                yield Form(layout, mel_sum, mean, frames)
        else:
            yield Form(layout, mel_sum, mean)


class Kernel:
    """Windowed frames to dB, with buffers kept between calls."""

    def __init__(self, preset: Preset, form: Form, rows: int) -> None:
        window, bins = preset.window, preset.window // 2 + 1
        taper = hann(window)
        self.form, self.rows, self.length = form, rows, window
        self.axis = 1 if form.layout == "rows" else 0
        self.taper = taper.astype(np.float32)
        if self.axis == 0:
            self.taper = np.repeat(self.taper[:, np.newaxis], rows, axis=1)
        self.frames: Array = np.empty((rows, window) if self.axis else (window, rows), np.float32)
        self.power: Array = np.empty((rows, bins) if self.axis else (bins, rows), np.float32)
        # A constant under a Hann window shows up in bins 0 and 1 alone.
        self.mean_in_bins = np.fft.rfft(taper)[:2].real.astype(np.float32)
        weights = (mel_weights(preset) * (4 / taper.sum() ** 2)).astype(np.float32)
        self.mel: Callable[[Array], Array] = {
            "sparse": self._sparse,
            "dense": self._dense,
            "reduceat": self._reduceat,
        }[form.mel_sum](weights)

    def _sparse(self, weights: Array) -> Callable[[Array], Array]:
        matrix = scipy.sparse.csr_array(weights)
        return (lambda power: matrix @ power.T) if self.axis else (lambda power: matrix @ power)

    def _dense(self, weights: Array) -> Callable[[Array], Array]:
        if self.axis:
            turned = np.ascontiguousarray(weights.T)
            return lambda power: power @ turned
        return lambda power: weights @ power

    def _reduceat(self, weights: Array) -> Callable[[Array], Array]:
        # A bin belongs to at most two triangles, neighbours, so odd and even bands can each be cut out in
        # one go.
        shape = (1, -1) if self.axis else (-1, 1)
        halves: list[tuple[Array, Any, Any]] = []
        for parity in (0, 1):
            own = np.flatnonzero(weights.any(axis=1))
            own = own[own % 2 == parity]
            first = np.argmax(weights[own] > 0, axis=1)
            halves.append((weights[own].sum(axis=0).reshape(shape), own, first))
        mels, axis = len(weights), self.axis

        def mel(power: Array) -> Array:
            out = np.zeros((len(power), mels) if axis else (mels, power.shape[1]), np.float32)
            for weight, own, first in halves:
                sums = np.add.reduceat(power * weight, first, axis=axis)
                if axis:
                    out[:, own] = sums
                else:
                    out[own] = sums
            return out

        return mel

    def from_frames(self, frames: Array, mean: Array) -> Array:
        """Frames of the kernel's layout (any strides) and their means, to dB."""
        if self.form.mean == "samples":
            np.subtract(frames, mean[:, np.newaxis] if self.axis else mean, out=self.frames)
            np.multiply(self.frames, self.taper, out=self.frames)
        else:
            np.multiply(frames, self.taper, out=self.frames)
        return self.from_windowed(mean)

    def from_windowed(self, mean: Array) -> Array:
        """What stands in ``self.frames``, to dB; of shape (rows, mels) or (mels, rows)."""
        spectrum = scipy.fft.rfft(self.frames, axis=self.axis, overwrite_x=True)
        if self.form.mean == "bins":
            if self.axis:
                spectrum[:, :2] -= mean[:, np.newaxis] * self.mean_in_bins
            else:
                spectrum[:2] -= self.mean_in_bins[:, np.newaxis] * mean
        parts = spectrum.view(np.float32)
        np.multiply(parts, parts, out=parts)
        np.add(parts[..., ::2], parts[..., 1::2], out=self.power)
        mel = self.mel(self.power)
        np.maximum(mel, np.float32(FLOOR), out=mel)
        np.log10(mel, out=mel)
        np.multiply(mel, np.float32(10), out=mel)
        return mel

    def rows_first(self, mel: Array) -> Array:
        """A result of this kernel as (rows, mels)."""
        return mel if self.axis and self.form.mel_sum != "sparse" else mel.T


class Stream:
    """One hop at a time, for windows of two hops: the hop before is kept, and nothing is shifted."""

    def __init__(self, preset: Preset, channels: int, form: Form) -> None:
        assert preset.window == 2 * preset.hop
        self.kernel = Kernel(preset, form, channels)
        self.hop = preset.hop
        self.ones = np.full(preset.hop, 1 / preset.window, np.float32)
        self.before: Array | None = None
        self.mean_before = np.zeros(channels, np.float32)

    def push(self, block: Array) -> Array | None:
        """Samples (hop, channels) to dB, or None for the first hop."""
        kernel, before, hop = self.kernel, self.before, self.hop
        half_mean = self.ones @ block
        mean, self.mean_before = self.mean_before + half_mean, half_mean
        self.before = block
        if before is None:
            return None
        frames, taper = kernel.frames, kernel.taper
        off_samples = kernel.form.mean == "samples"
        for piece, start in ((before, 0), (block, hop)):
            if kernel.axis:
                out, source, part = frames[:, start : start + hop], piece.T, taper[start : start + hop]
                shift = mean[:, np.newaxis]
            else:
                out, source, part, shift = (
                    frames[start : start + hop],
                    piece,
                    taper[start : start + hop],
                    mean,
                )
            if off_samples:
                source = np.subtract(source, shift, out=out)
            np.multiply(source, part, out=out)
        return kernel.from_windowed(mean)


class Clip:
    """A whole clip, a batch of frames at a time."""

    def __init__(self, preset: Preset, samples: Array, form: Form) -> None:
        assert preset.window == 2 * preset.hop
        self.preset, self.form = preset, form
        # Each form gets the clip in the order it likes; turning it is not timed.
        self.samples = np.ascontiguousarray(samples.T if form.layout == "rows" else samples)
        self.channels = samples.shape[1]
        self.frames = (len(samples) - preset.window) // preset.hop + 1
        self.ones = np.full(preset.hop, 1 / preset.window, np.float32)
        self.kernels: dict[int, Kernel] = {}

    def _kernel(self, rows: int) -> Kernel:
        if rows not in self.kernels:
            self.kernels[rows] = Kernel(self.preset, self.form, rows)
        return self.kernels[rows]

    def __call__(self) -> list[tuple[Kernel, Array]]:
        """All batches, each with the kernel that knows its shape."""
        hop, window, hops = self.preset.hop, self.preset.window, self.frames + 1
        if self.form.layout == "columns":
            halves = self.ones @ self.samples[: hops * hop].reshape(hops, hop, self.channels)
            means, kernel = halves[:-1] + halves[1:], self._kernel(self.channels)
            return [
                (kernel, kernel.from_frames(self.samples[i * hop : i * hop + window], means[i]))
                for i in range(self.frames)
            ]
        halves = self.samples[:, : hops * hop].reshape(self.channels, hops, hop) @ self.ones
        means = halves[:, :-1] + halves[:, 1:]
        frames = sliding_window_view(self.samples, window, axis=1)[:, ::hop]
        step, out = self.form.frames_at_a_time, []
        for channel, start in product(range(self.channels), range(0, self.frames, step)):
            batch = frames[channel, start : start + step]
            kernel = self._kernel(len(batch))
            out.append((kernel, kernel.from_frames(batch, means[channel, start : start + step])))
        return out

    def cells(self) -> Array:
        """The dB cells as (channels, mels, frames)."""
        rows = np.concatenate([kernel.rows_first(mel) for kernel, mel in self()])
        if self.form.layout == "columns":
            return rows.reshape(self.frames, self.channels, -1).transpose(1, 2, 0)
        return rows.reshape(self.channels, self.frames, -1).transpose(0, 2, 1)
