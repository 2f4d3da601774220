"""From sound to examples: what a bundle's networks make of every window and channel; the sound is let go."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from asc_edge.audio.channels import select_channels, take_channels
from asc_edge.audio.resample import StreamResampler
from asc_edge.audio.samples import Samples, as_float32
from asc_edge.errors import TeachingError
from asc_edge.pipeline import Decision, Pipeline, fit_to_window
from asc_edge.teaching.refit import Examples

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from asc_edge.audio.sources import Source
    from asc_edge.audio.verdicts import Verdict
    from asc_edge.bundle import Bundle

__all__ = ["Heard", "check_heard", "examples_of", "hear"]

# One to learn from, one to calibrate on and one to test on: so many recordings, or pieces, there must be.
FEWEST_GROUPS = 3
# A recording is cut into pieces of at least so long for cross-validation, where there are few recordings.
PIECE_S = 10.0
FEWEST_SECONDS = 20.0
# Rows of one lesson: more would make each refit slower and hardly better.
MOST_ROWS = 400
_MOST_CLIPPED = 0.2
_INT16 = 32767.0


@dataclass(frozen=True)
class Heard:
    """One recording, as the networks see it.

    Attributes
    ----------
    name : str
        What to call it in messages.
    recording : str
        Names its sound: the same samples have the same one.
    duration_s : float
    windows, silent, no_input, clipped : int
        Windows heard, and those of them that can't be learnt from.
    ends_s : ndarray (n,)
        When each row's window ended.
    rows : dict of str to ndarray (n, outputs)
        By member: embeddings where it has an SVM, else posteriors. A row for every good window and channel.
    """

    name: str
    recording: str
    duration_s: float
    windows: int
    silent: int
    no_input: int
    clipped: int
    ends_s: NDArray[np.float64]
    rows: dict[str, NDArray[np.float64]]

    @property
    def usable_s(self) -> float:
        """Seconds of sound that can be learnt from."""
        bad = self.silent + self.no_input + self.clipped
        return self.duration_s * (1.0 - bad / self.windows) if self.windows else 0.0


class _Listener(Pipeline):
    """A pipeline that keeps what its networks answer, instead of what the fusion makes of it."""

    def __init__(self, bundle: Bundle, channels: int) -> None:
        super().__init__(bundle, channels=channels)
        self.clipped = 0
        self.ends_s: list[float] = []
        self.kept: dict[str, list[NDArray[np.float32]]] = {member.name: [] for member in bundle.members}

    def _decide(self, channels: tuple[Verdict, ...]) -> Decision:
        decision = super()._decide(channels)
        if decision.state != "ok":
            return decision
        good = [number for number, verdict in enumerate(channels) if verdict == "ok"]
        if not good:
            self.clipped += 1
            return decision
        for member in self._system.members:
            self.kept[member.spec.name].append(member.rows(good))
        self.ends_s += [decision.t_s] * len(good)
        return decision


def hear(
    bundle: Bundle,
    source: Source,
    *,
    channel_map: Sequence[int] | None = None,
    duration_s: float | None = None,
    progress: Callable[[float], None] = lambda seconds: None,
    stopped: Callable[[], bool] = lambda: False,
) -> Heard:
    """Listen to a source to its end, and keep what the networks answer.

    Parameters
    ----------
    channel_map : sequence of int, optional
        Indices (from 0) of the channels that are microphones; all by default.
    duration_s : float, optional
        Hear no more than so much.
    progress : callable
        Told how many seconds have been heard.
    stopped : callable
        Asked after every block whether it is enough.

    Raises
    ------
    AscEdgeError
        When the source fails.
    """
    selected = select_channels(channel_map, source.channels, source.name)
    rate_hz = bundle.sample_rate_hz
    resampler = StreamResampler(source.sample_rate_hz, rate_hz, len(selected))
    listener = _Listener(bundle, len(selected))
    decisions: list[Decision] = []
    digest = hashlib.sha256()
    samples_heard, first = 0, None
    window = round(bundle.window_s * rate_hz)

    def push(samples: Samples) -> None:
        nonlocal samples_heard, first
        if not len(samples):
            return
        digest.update(np.round(as_float32(samples) * _INT16).astype("<i2").tobytes())
        if samples_heard < window:
            first = samples.copy() if first is None else np.concatenate([first, samples])
        samples_heard += len(samples)
        decisions.extend(listener.push(samples))

    for block in source.blocks():
        if source.lost_frames:
            listener.skip(round(source.lost_frames * rate_hz / source.sample_rate_hz))
        push(resampler.push(take_channels(block, selected)))
        progress(samples_heard / rate_hz)
        if stopped() or (duration_s is not None and samples_heard >= duration_s * rate_hz):
            break
    push(resampler.flush())
    if first is not None and samples_heard < window:
        # A clip shorter than a window, repeated as the trainer repeats it.
        listener.reset()
        decisions = listener.push(fit_to_window(first, window))
    states = [decision.state for decision in decisions]
    return Heard(
        name=source.name,
        recording=digest.hexdigest()[:16],
        duration_s=samples_heard / rate_hz,
        windows=len(states),
        silent=states.count("silent"),
        no_input=states.count("no_input"),
        clipped=listener.clipped,
        ends_s=np.array(listener.ends_s),
        rows={name: _stacked(rows) for name, rows in listener.kept.items()},
    )


def _stacked(rows: list[NDArray[np.float32]]) -> NDArray[np.float64]:
    return np.concatenate(rows).astype(np.float64) if rows else np.zeros((0, 0))


def check_heard(heard: Sequence[Heard]) -> None:
    """Refuse recordings that nothing can be learnt from.

    Raises
    ------
    TeachingError
        One line that says what is wrong with them.
    """
    for one in heard:
        if one.windows and one.no_input == one.windows:
            raise TeachingError(f"{one.name}: no microphone delivered sound; see: asc-edge devices")
        if one.windows and one.silent == one.windows:
            raise TeachingError(f"{one.name}: is silent all the time; teach where the sound can be heard")
    windows, clipped = sum(one.windows for one in heard), sum(one.clipped for one in heard)
    if clipped > _MOST_CLIPPED * max(1, windows):
        raise TeachingError(
            f"{clipped} of {windows} windows clip: turn the microphone's gain down, or go further away"
        )
    usable_s = sum(one.usable_s for one in heard)
    if usable_s < FEWEST_SECONDS:
        silent = sum(one.silent for one in heard)
        why = f" ({silent} of {windows} windows are silent)" if silent else ""
        raise TeachingError(
            f"{usable_s:.0f} s of sound can be learnt from{why}; "
            f"teach at least {FEWEST_SECONDS:.0f} s, better one or two minutes"
        )


def examples_of(label: str, heard: Sequence[Heard], window_s: float) -> Examples:
    """Rows of all recordings with their groups: recordings, or pieces of them where these are under three.

    Windows that lie in two pieces are left out, so that no piece hears another.

    Raises
    ------
    TeachingError
        When there are fewer than three groups: then nobody could tell whether anything was learnt.
    """
    piece_s = max(PIECE_S, 2.0 * window_s) if len(heard) < FEWEST_GROUPS else None
    groups: list[str] = []
    kept: list[NDArray[np.bool_]] = []
    for one in heard:
        piece = np.zeros(len(one.ends_s), dtype=np.int64)
        whole = np.ones(len(one.ends_s), dtype=bool)
        if piece_s is not None:
            # A moment's tolerance: a window that ends with its piece belongs to it.
            piece = np.floor((one.ends_s - 1e-6) / piece_s).astype(np.int64)
            whole = np.floor((one.ends_s - window_s + 1e-6) / piece_s).astype(np.int64) == piece
        groups += [f"{one.recording}/{number}" for number in piece[whole]]
        kept.append(whole)
    if len(set(groups)) < FEWEST_GROUPS:
        raise TeachingError(
            "a short recording or two can't be taught: nothing would be left to test on; give three "
            f"recordings, or one of {FEWEST_GROUPS * max(PIECE_S, 2.0 * window_s):.0f} s or more"
        )
    rows = {
        member: np.concatenate(
            [one.rows[member][whole] for one, whole in zip(heard, kept, strict=True) if whole.any()]
        )
        for member in heard[0].rows
    }
    some = np.unique(np.linspace(0, len(groups) - 1, min(len(groups), MOST_ROWS)).round().astype(int))
    return Examples(
        label, tuple(groups[n] for n in some), {member: values[some] for member, values in rows.items()}
    )
