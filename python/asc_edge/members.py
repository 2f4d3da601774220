"""A bundle's members on a stream: what each network is fed at a decision, and what it gives to the fusion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from asc_edge.audio.samples import Samples
from asc_edge.engines import Engine
from asc_edge.frontend import FrameWindow, LogMelConfig, LogMelStream, log_mel
from asc_edge.fusion import LinearSvm
from asc_edge.images import network_images
from asc_edge.manifest import MemberInput, MemberSpec
from asc_edge.rings import FrameRing, SampleRing
from asc_edge.window import level, picture

__all__ = ["ChannelsAs", "HeardFrontEnd", "Member", "needs_samples", "silence_front_end"]

ChannelsAs = Literal["each", "quietest"]

# The paper's window, for bundles that have no front end in dB.
_SILENCE_WINDOW_S = 0.32
# No cell lies this far below another one: the floor of the logarithm is at -160 dB.
_DEEPEST_DB = -300.0


class HeardFrontEnd:
    """One front end of a stream, shared by all members that ask for the same configuration.

    Parameters
    ----------
    config : LogMelConfig
    inputs : set of {"picture", "frames", "level", "image"}
        What its members are fed: decides what of the last window is kept.
    channels, window_samples : int
    samples : SampleRing
        The stream's last window of samples. Frames of a centred front end depend on where the window ends, as
        the signal is reflected there: they are computed from these anew at each decision. So are those of
        images, whose grid begins with the window: beside an image network they cost little, and the image is
        the very one that the trainer draws of these samples. All others come out of the stream once.
    channels_as : {"each", "quietest"}
        What networks are fed: the cells of each voting channel, or of each cell the lowest among them.
    """

    def __init__(
        self,
        config: LogMelConfig,
        inputs: set[MemberInput],
        *,
        channels: int,
        window_samples: int,
        samples: SampleRing | None,
        channels_as: ChannelsAs = "each",
    ) -> None:
        self.config = config
        self.channels = channels
        self.channels_as = channels_as
        self.frames = config.frames(window_samples)
        # Frames of the stream since the start, or since it was emptied.
        self.heard = 0
        self.window: FrameWindow | None = None
        self.ring: FrameRing | None = None
        self._samples = samples if needs_samples(config, inputs) else None
        streamed = set() if config.centred else inputs - {"image"}
        self._stream = LogMelStream(config, channels) if streamed else None
        if "picture" in streamed:
            self.window = FrameWindow(channels, config.mels, self.frames)
        if streamed - {"picture"}:
            self.ring = FrameRing(channels, config.mels, self.frames)
        # Cells of the decision that is being made, by what they depend on.
        self._anew: tuple[object, NDArray[np.float32]] | None = None

    @property
    def full(self) -> bool:
        """Whether a whole window has been heard."""
        held = self.window or self.ring or self._samples
        return held is not None and held.full

    def push(self, piece: Samples) -> None:
        """Hear samples of shape ``(n, channels)``."""
        if self._stream is None:
            return
        frames = self._stream.push(piece)
        self.heard += len(frames)
        if self.window is not None:
            self.window.push(frames)
        if self.ring is not None:
            self.ring.push(frames)

    def clear(self) -> None:
        """Forget everything heard."""
        if self._stream is not None:
            self._stream.reset()
        for kept in (self.window, self.ring):
            if kept is not None:
                kept.clear()
        self.heard = 0
        self._anew = None

    def peaks(self) -> NDArray[np.float32]:
        """Loudest cell of each channel in the window, ``(channels,)``."""
        if self.window is not None:
            return self.window.peak_db()
        assert self.ring is not None
        return self.ring.peaks()

    def newest(self, count: int) -> NDArray[np.float32]:
        """The last frames of a full window that is streamed, in dB: ``(channels, mels, count)``."""
        if self.ring is not None:
            return self.ring.last(count)
        assert self.window is not None
        below_peak = _DEEPEST_DB * (1.0 - self.window.picture(_DEEPEST_DB)[:, :, self.frames - count :])
        return self.window.peak_db()[:, np.newaxis, np.newaxis] + below_peak

    def network_input(
        self, spec: MemberSpec, voters: Sequence[int], colours: NDArray[np.uint8] | None = None
    ) -> NDArray[np.float32]:
        """What the voting channels' window is to a member's network: ``(voters or 1, *input_shape)``.

        Parameters
        ----------
        colours
            Of a member that is fed images.
        """
        if spec.image is not None:
            assert colours is not None
            return network_images(self.merged(self._cells_anew(voters)), spec.image, colours)
        if spec.input == "picture":
            assert self.window is not None
            assert spec.floor_db is not None
            # A channel that is alone needn't be merged, and stays what it is to the last bit.
            if self.channels_as == "each" or len(voters) == 1:
                cells = self.window.picture(spec.floor_db)[list(voters)]
            else:
                cells = picture(self.merged(self.newest(self.frames)[list(voters)]), spec.floor_db)
        else:
            cells = self.merged(self._cells(voters))
            if spec.input == "level":
                assert spec.floor_db is not None
                cells = level(cells, spec.floor_db)
        return np.ascontiguousarray(cells[:, np.newaxis])

    def merged(self, cells: NDArray[np.float32]) -> NDArray[np.float32]:
        """Cells of voting channels, ``(voters, mels, frames)``, as networks are fed them.

        The lowest of a cell depends on no other frame, so that columns of networks in two parts stay true.
        """
        return cells if self.channels_as == "each" else cells.min(axis=0, keepdims=True)

    def input_shape(self, spec: MemberSpec) -> tuple[int, int, int]:
        """Shape of what a member's network is fed for one channel."""
        return (1, self.config.mels, self.frames) if spec.image is None else spec.image.shape

    def _cells(self, voters: Sequence[int]) -> NDArray[np.float32]:
        """Bare cells of the window's voting channels, ``(voters, mels, frames)``."""
        if self.ring is not None:
            return self.ring.last(self.frames)[list(voters)]
        return self._cells_anew(voters)

    def _cells_anew(self, voters: Sequence[int]) -> NDArray[np.float32]:
        """The same from the window's samples, once a decision: its frames begin where the window does."""
        assert self._samples is not None
        key = (self._samples.heard, tuple(voters))
        if self._anew is None or self._anew[0] != key:
            samples = np.ascontiguousarray(self._samples.window()[:, list(voters)])
            self._anew = (key, log_mel(samples, self.config))
        return self._anew[1]


def needs_samples(config: LogMelConfig, inputs: set[MemberInput]) -> bool:
    """Whether a front end computes frames from the window's samples, for members that are fed ``inputs``."""
    return config.centred or "image" in inputs


class Member:
    """A network on a stream that looks at the whole window at each decision."""

    def __init__(
        self,
        spec: MemberSpec,
        front_end: HeardFrontEnd,
        engine: Engine,
        svm: LinearSvm | None,
        colours: NDArray[np.uint8] | None = None,
    ) -> None:
        self.spec = spec
        self._front_end = front_end
        self._engine = engine
        self._svm = svm
        self._colours = colours

    def outputs(self, voters: Sequence[int]) -> NDArray[np.float64]:
        """Mean over the voting channels of this member's posteriors or decision values, shape (outputs,)."""
        rows: NDArray[np.float64] = self.rows(voters).astype(np.float64)
        if self._svm is not None:
            rows = self._svm.decision_function(rows)
        mean: NDArray[np.float64] = rows.mean(axis=0)
        return mean

    def forget(self) -> None:
        """The stream has been emptied: nothing that was computed before holds any longer."""

    def rows(self, voters: Sequence[int]) -> NDArray[np.float32]:
        """What the network answers for each voting channel, ``(voters, outputs or embedding)``."""
        return self._engine.run(self._front_end.network_input(self.spec, voters, self._colours))


def silence_front_end(sample_rate_hz: int, window_samples: int) -> LogMelConfig:
    """Front end by whose loudest cell silence is judged where no member has one in plain dB.

    The paper's, but for a window of a power of two, which can be computed at any rate.
    """
    longest = min(round(_SILENCE_WINDOW_S * sample_rate_hz), window_samples)
    window_s = (1 << (longest.bit_length() - 1)) / sample_rate_hz
    return LogMelConfig(sample_rate_hz=sample_rate_hz, window_s=window_s, hop_s=window_s / 2)
