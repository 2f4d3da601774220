"""From samples to decisions: front ends, windows, members, fusion, and the array's votes.

Decisions fall at fixed sample counts (window, window + hop, window + 2 hop, ...), so they are the same
however the input is cut into blocks, and the first decision on a clip of one window is the trainer's.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from asc_edge.assembly import assemble
from asc_edge.audio.array import ArrayHealth
from asc_edge.audio.samples import Samples
from asc_edge.audio.verdicts import ChannelJudge, Verdict, voters
from asc_edge.bundle import Bundle
from asc_edge.engines import Engine
from asc_edge.errors import AudioFormatError, ConfigError, NonFiniteError
from asc_edge.glimpse import CoarseFrames, Glimpse
from asc_edge.members import ChannelsAs
from asc_edge.streaming import StreamReport

State = Literal["ok", "silent", "no_input"]

# A window may bridge a gap this short; a longer one would show the networks a scene that never was.
MAX_BRIDGED_GAP_S = 0.5


@dataclass(frozen=True)
class Decision:
    """What the system thinks at one moment.

    Attributes
    ----------
    t_s : float
        Seconds of input heard when the decision fell due, counted in samples.
    top : str or None
        Label of the highest posterior; None unless ``state`` is ``"ok"``.
    posterior : dict of str to float
        Calibrated posterior by label, summing to 1; empty unless ``state`` is ``"ok"``.
    state : {"ok", "silent", "no_input"}
        ``silent``: nothing in the window rises above the bundle's silence level. ``no_input``: no channel
        of the array delivers anything that could be sound.
    channels : tuple of str
        Health of every channel, in order (:mod:`asc_edge.audio.verdicts`). Only healthy channels voted; where
        there was none, the least bad.
    latency_ms : float
        Time the decision took, from picture to posterior.
    members : dict of str to tuple of float
        What each member gave to the fusion, averaged over the voting channels.
    """

    t_s: float
    top: str | None
    posterior: dict[str, float]
    state: State
    channels: tuple[str, ...]
    latency_ms: float
    members: dict[str, tuple[float, ...]] = field(default_factory=dict)


class Pipeline:
    """The runner's heart: samples in, decisions out.

    Parameters
    ----------
    bundle : Bundle
    channels : int in 1..16
    hop_s : float > 0, optional
        Seconds between decisions; the bundle's own hop by default.
    threads : int
        How many threads an inference may use.
    cache : bool
        Keep what networks in two parts have computed of frames that are still in the window. The answers are
        the same to 1e-4 without; only the work is more.
    channels_as : {"each", "quietest"}
        Whether each microphone is answered for and the mean is taken, or one picture is made of all: the
        lowest of each cell, since noise of a microphone's own only adds. The networks then run once.

    Attributes
    ----------
    decisions, skipped : int
        Decisions made, and decisions that fell due while ``decide=False`` or in lost audio.

    Raises
    ------
    ConfigError
        When ``hop_s`` is not positive.
    EngineError
        When a network of the bundle can't be run here.

    Examples
    --------
    >>> pipeline = Pipeline(Bundle.open("home.ascb"), channels=4)  # doctest: +SKIP
    >>> for decision in pipeline.push(block):  # doctest: +SKIP
    ...     print(decision.t_s, decision.top)
    """

    def __init__(
        self,
        bundle: Bundle,
        channels: int = 1,
        hop_s: float | None = None,
        threads: int = 1,
        *,
        cache: bool = True,
        channels_as: ChannelsAs = "each",
    ) -> None:
        rate = bundle.sample_rate_hz
        self.bundle = bundle
        self.channels = channels
        self.sample_rate_hz = rate
        self.hop_s = bundle.hop_s if hop_s is None else hop_s
        self._window_samples = round(bundle.window_s * rate)
        self._hop_samples = round(self.hop_s * rate)
        if self._hop_samples < 1:
            raise ConfigError(f"hop_s must be positive, not {hop_s}")
        self._system = assemble(
            bundle,
            channels=channels,
            window_samples=self._window_samples,
            hop_samples=self._hop_samples,
            threads=threads,
            cache=cache,
            channels_as=channels_as,
        )
        self._health = ArrayHealth(channels, rate, bundle.window_s)
        self._coarse = CoarseFrames(self._system.silence)
        self._judge = ChannelJudge(channels, bundle.window_s)
        self.decisions = 0
        self.skipped = 0
        self._position = 0
        self._next_due = self._window_samples

    @property
    def engines(self) -> Mapping[str, Engine]:
        """All loaded networks by their file in the bundle."""
        return self._system.engines

    @property
    def streams(self) -> tuple[StreamReport, ...]:
        """How each member with a network in two parts is computed, and what that has taken so far."""
        return self._system.streams

    def push(self, block: Samples, *, decide: bool = True) -> list[Decision]:
        """Hear a block of samples.

        Parameters
        ----------
        block : np.ndarray [shape=(n, channels), dtype=float32 or int16]
            Any number of samples at the bundle's rate; float32 in [-1, 1].
        decide : bool
            False counts the decisions that fall due as skipped instead of making them.

        Returns
        -------
        list of Decision
            Those that fell due inside this block.

        Raises
        ------
        AudioFormatError
            Wrong dtype, shape or number of channels. Nothing of the block is consumed.
        NonFiniteError
            NaN or infinity in the block. Nothing of the block is consumed.
        """
        self._check(block)
        due: list[Decision] = []
        start = 0
        while start < len(block):
            piece = block[start : start + self._next_due - self._position]
            self._hear(piece)
            start += len(piece)
            if self._position == self._next_due:
                self._next_due += self._hop_samples
                # Also where no decision is made, so that the next one knows how long a fault has been over.
                verdicts = self._judge_channels()
                if decide:
                    self.decisions += 1
                    due.append(self._decide(verdicts))
                else:
                    self.skipped += 1
        return due

    def glimpse(self) -> Glimpse:
        """What may be shown of the sound since the last glimpse."""
        cells_db = self._coarse.take()
        t_s = self._position / self.sample_rate_hz
        return Glimpse(
            t_s=t_s,
            level_db=tuple(channel.rms_db for channel in self._health.statistics().channels),
            status=self._health.status(),
            cells_db=cells_db,
            end_s=t_s - self._coarse.waiting_s,
            column_s=self._coarse.column_s,
            bands_hz=self._coarse.bands_hz,
            skipped=self.skipped,
        )

    def skip(self, samples: int) -> None:
        """Account for samples that were lost: time goes on, and a gap over 0.5 s empties the window.

        Parameters
        ----------
        samples : int >= 0
            How many samples of each channel were lost.
        """
        self._position += samples
        if samples > MAX_BRIDGED_GAP_S * self.sample_rate_hz:
            if self._system.full:
                self.skipped += max(0, 1 + (self._position - self._next_due) // self._hop_samples)
            self._empty()
            self._next_due = self._position + self._window_samples
        elif not self._system.full:
            # The first window waits until it holds as many samples as every other.
            self._next_due += samples
        else:
            while self._next_due <= self._position:
                self._next_due += self._hop_samples
                self.skipped += 1

    def reset(self) -> None:
        """Forget everything heard; counters and time start again at zero."""
        self._empty()
        self.decisions = 0
        self.skipped = 0
        self._position = 0
        self._next_due = self._window_samples

    def _empty(self) -> None:
        self._system.clear()
        self._health = ArrayHealth(self.channels, self.sample_rate_hz, self.bundle.window_s)
        self._judge = ChannelJudge(self.channels, self.bundle.window_s)

    def _judge_channels(self) -> tuple[Verdict, ...]:
        t_s = self._position / self.sample_rate_hz
        silence = self._system.silence
        # A single microphone has nothing to be compared with, and its cells needn't be fetched.
        cells_db = silence.newest(silence.frames) if self.channels > 1 and silence.full else None
        return self._judge.judge(t_s, self._health.status(), self._health.statistics(), cells_db)

    def _check(self, block: Samples) -> None:
        if block.ndim != 2 or block.shape[1] != self.channels:
            raise AudioFormatError(f"block of shape {block.shape}: expected (samples, {self.channels})")
        if block.dtype not in (np.float32, np.int16):
            raise AudioFormatError(f"block of dtype {block.dtype}: expected float32 or int16")
        # The front end checks too, but sees the block in pieces, and would have consumed the first by then.
        if block.dtype == np.float32 and not np.isfinite(block).all():
            raise NonFiniteError("block holds NaN or infinity")

    def _hear(self, piece: Samples) -> None:
        self._health.update(piece)
        if self._system.samples is not None:
            self._system.samples.push(piece)
        for front_end in self._system.front_ends.values():
            front_end.push(piece)
        self._position += len(piece)

    def _decide(self, channels: tuple[Verdict, ...]) -> Decision:
        start = time.perf_counter()
        voting = voters(channels)
        state: State = "ok"
        posterior: dict[str, float] = {}
        outputs: dict[str, NDArray[np.float64]] = {}
        if not voting:
            state = "no_input"
        elif self._is_silent(voting):
            state = "silent"
        else:
            outputs = {member.spec.name: member.outputs(voting) for member in self._system.members}
            stacked = np.concatenate(list(outputs.values()))[np.newaxis]
            values = self.bundle.fusion.predict_proba(stacked)[0]
            posterior = dict(zip(self.bundle.labels, values.tolist(), strict=True))
        return Decision(
            t_s=self._position / self.sample_rate_hz,
            top=max(posterior, key=posterior.__getitem__) if posterior else None,
            posterior=posterior,
            state=state,
            channels=channels,
            latency_ms=1e3 * (time.perf_counter() - start),
            members={name: tuple(values.tolist()) for name, values in outputs.items()},
        )

    def _is_silent(self, voting: Sequence[int]) -> bool:
        """Whether no voting channel has a cell above the bundle's level, in dB re a full-scale sine."""
        return float(np.max(self._system.silence.peaks()[list(voting)])) < self.bundle.silence_db


def fit_to_window(samples: Samples, window_samples: int) -> Samples:
    """Make a clip exactly one window long: a longer one is cut, a shorter one repeated.

    Repeating keeps the statistics of the sound; a tail of zeros would be a picture that no microphone gives.

    Parameters
    ----------
    samples : np.ndarray [shape=(n, channels)]
    window_samples : int

    Returns
    -------
    np.ndarray [shape=(window_samples, channels)]

    Raises
    ------
    AudioFormatError
        When the clip is empty.
    """
    if len(samples) == 0:
        raise AudioFormatError("clip has no samples")
    positions = np.arange(window_samples) % len(samples)
    fitted: Samples = samples[positions]
    return fitted


def classify_clip(system: Bundle | Pipeline, samples: Samples) -> Decision:
    """Decide on a whole clip: the mean posterior of its windows.

    Parameters
    ----------
    system : Bundle or Pipeline
        A pipeline is reset first, and spares loading the networks again for each clip.
    samples : np.ndarray [shape=(n, channels)]
        At the bundle's sample rate. A clip shorter than the window is repeated to fill it.

    Returns
    -------
    Decision
        ``t_s`` is the clip's length. Without one ``ok`` window, the last window's state is given.

    Raises
    ------
    AudioFormatError
        When the clip is empty or its channels are not the pipeline's.
    """
    if samples.ndim != 2:
        raise AudioFormatError(f"clip of shape {samples.shape}: expected (samples, channels)")
    pipeline = Pipeline(system, channels=samples.shape[1]) if isinstance(system, Bundle) else system
    pipeline.reset()
    window_samples = round(pipeline.bundle.window_s * pipeline.sample_rate_hz)
    whole = samples if len(samples) >= window_samples else fit_to_window(samples, window_samples)
    decisions = pipeline.push(whole)
    heard = [decision for decision in decisions if decision.state == "ok"] or decisions[-1:]
    posterior = {
        label: float(np.mean([decision.posterior[label] for decision in heard]))
        for label in heard[0].posterior
    }
    return Decision(
        t_s=len(samples) / pipeline.sample_rate_hz,
        top=max(posterior, key=posterior.__getitem__) if posterior else None,
        posterior=posterior,
        state=heard[0].state,
        channels=heard[-1].channels,
        latency_ms=sum(decision.latency_ms for decision in decisions),
        members={
            name: tuple(np.mean([decision.members[name] for decision in heard], axis=0).tolist())
            for name in heard[0].members
        },
    )
