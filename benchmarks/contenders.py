"""Who is measured: one `Contender` for each library and way of use, all made from the same samples.

A contender's time covers what its user would have to run for each hop or clip. Where a library can't do a
step that the front end asks for, or leaves it to the user (taking a frame's mean off, decibels), it is let
off that step: its own oracle leaves the step out too, and the comparison errs in the library's favour.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from asc_edge import LogMelStream, log_mel

from . import numpy_scipy, oracle
from .presets import Preset, blocks, clip
from .rounds import least_time

Push = Callable[[NDArray[np.float32]], object]


@dataclass(frozen=True)
class Contender:
    """One library in one use: ``run()`` is timed and makes `frames` frames, each channel's counted."""

    name: str
    run: Callable[[], object]
    cells: Callable[[], NDArray[np.floating]]
    frames: int
    tolerance_db: float = 1e-3
    remove_mean: bool = True
    floor: float = oracle.FLOOR
    note: str = ""

    def check(self, samples: NDArray[np.float32], preset: Preset) -> float:
        """Largest difference in dB to the oracle of the same definition.

        Raises
        ------
        AssertionError
            When it is more than the contender's tolerance: such a time would compare nothing.
        """
        expected = oracle.log_mel_db(samples, preset, remove_mean=self.remove_mean, floor=self.floor)
        cells = self.cells()
        assert cells.shape == expected.shape, f"{self.name}: {cells.shape} instead of {expected.shape}"
        worst = float(np.abs(cells - expected).max())
        assert worst <= self.tolerance_db, f"{self.name} is off by {worst:.3g} dB, not {self.tolerance_db} dB"
        return worst


@dataclass(frozen=True)
class Absent:
    """A contender that can't take part, and why."""

    name: str
    reason: str


def frames_in(samples: NDArray[np.float32], preset: Preset) -> int:
    """Frames of all channels of a clip, nothing padded."""
    return ((len(samples) - preset.window) // preset.hop + 1) * samples.shape[1]


def streaming(
    name: str,
    preset: Preset,
    channels: int,
    make: Callable[[], tuple[Push, Callable[[object], NDArray[np.floating] | None]]],
    **more: object,
) -> Contender:
    """A contender fed hop by hop; `make` gives a fresh push and the reader of its results.

    The reader makes (k, channels, mels) in dB of what push returned, or None of a hop without a frame.
    """
    samples = clip(channels)
    hops = blocks(samples, preset.hop)
    push, _ = make()

    def run() -> None:
        for block in hops:
            push(block)

    def cells() -> NDArray[np.floating]:
        fresh, read = make()
        # Copied at once: a contender may hand out its own buffer.
        frames = [None if (got := read(fresh(block))) is None else np.array(got) for block in hops]
        return np.concatenate([frame for frame in frames if frame is not None]).transpose(1, 2, 0)

    run()
    # After the first window every hop completes a frame.
    return Contender(name, run, cells, len(hops) * channels, **more)  # type: ignore[arg-type]


def asc_edge_streaming(preset: Preset, channels: int) -> Contender:
    """`LogMelStream.push`, hop by hop."""
    return streaming(
        "asc-edge",
        preset,
        channels,
        lambda: (
            LogMelStream(preset.config(), channels).push,
            lambda frames: frames if len(frames) else None,
        ),  # type: ignore[return-value, arg-type]
    )


def asc_edge_clip(preset: Preset, channels: int) -> Contender:
    """`log_mel` of a clip."""
    samples, config = clip(channels), preset.config()
    return Contender(
        "asc-edge",
        lambda: log_mel(samples, config),
        lambda: log_mel(samples, config),
        frames_in(samples, preset),
    )


def scipy_streaming(preset: Preset, channels: int) -> Contender:
    """numpy + scipy, hop by hop, in its fastest form."""

    def contender(form: numpy_scipy.Form) -> Contender:
        def make() -> tuple[Push, Callable[[object], NDArray[np.floating] | None]]:
            stream = numpy_scipy.Stream(preset, channels, form)

            def read(mel: object) -> NDArray[np.floating] | None:
                return None if mel is None else stream.kernel.rows_first(mel)[np.newaxis]  # type: ignore[arg-type]

            return stream.push, read

        return streaming("numpy + scipy", preset, channels, make, note=str(form))

    return fastest(contender(form) for form in numpy_scipy.candidates(streaming=True))


def scipy_clip(preset: Preset, channels: int) -> Contender:
    """numpy + scipy on a clip, in its fastest batched form."""
    samples = clip(channels)

    def contender(form: numpy_scipy.Form) -> Contender:
        run = numpy_scipy.Clip(preset, samples, form)
        return Contender("numpy + scipy", run, run.cells, frames_in(samples, preset), note=str(form))

    return fastest(contender(form) for form in numpy_scipy.candidates(streaming=False))


def fastest(contenders: Iterator[Contender]) -> Contender:
    """The one with the least time: a form that lost by noise lost to one as good."""
    return min(contenders, key=lambda contender: least_time(contender.run))


@cache
def field(preset: Preset, mode: str, channels: int) -> tuple[list[Contender], list[Absent]]:
    """Everyone who can take part in `mode` ("streaming" or "clip"), each checked; and who can't.

    asc-edge comes first.
    """
    from . import peers

    own = (asc_edge_streaming, scipy_streaming) if mode == "streaming" else (asc_edge_clip, scipy_clip)
    present: list[Contender] = []
    absent: list[Absent] = []
    for make in (*own, *peers.MAKERS[mode]):
        try:
            present.append(make(preset, channels))
        except peers.CannotTakePartError as error:
            absent.append(Absent(error.name, error.reason))
    for contender in present:
        contender.check(clip(channels), preset)
    return present, absent
