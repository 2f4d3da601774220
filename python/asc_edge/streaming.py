"""Members whose network comes in two parts: what was computed for frames that are still in the window stays.

A trunk turns frames into columns, each of which depends on the few frames under it alone; a head turns the
window's columns into an answer. From one decision to the next only the new columns are computed. The answer
is that of the whole-window network, but for the order in which an engine adds up.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asc_edge.engines import Engine
from asc_edge.fusion import LinearSvm
from asc_edge.manifest import MemberSpec, StreamSpec
from asc_edge.members import HeardFrontEnd, Member
from asc_edge.window import level

__all__ = ["StreamReport", "StreamedMember", "why_not_cached"]


@dataclass(frozen=True)
class StreamReport:
    """How a member with a network in two parts has been computed.

    Attributes
    ----------
    member : str
    cached : bool
        Whether old columns are kept.
    reason : str
        Why they aren't; empty where they are.
    columns_computed, columns_needed : int
        Columns that were computed, and columns that the decisions were made of. A window that went through
        the whole-window network counts all its columns as computed.
    """

    member: str
    cached: bool
    reason: str
    columns_computed: int
    columns_needed: int


def why_not_cached(
    stream: StreamSpec, *, hop_samples: int, frame_hop_samples: int, window_frames: int
) -> str:
    """Why a network in two parts is better computed whole at this hop; empty where it isn't."""
    step = frame_hop_samples * stream.stride_frames
    if hop_samples % step:
        hop_frames = hop_samples / frame_hop_samples
        return f"a hop of {hop_frames:g} frames is no multiple of the network's {stream.stride_frames}"
    new_columns = hop_samples // step
    if _trunk_frames(stream, min(new_columns, stream.columns)) >= window_frames:
        return f"{new_columns} new columns a hop cost no less than the window's {stream.columns}"
    return ""


def _chunks(stream: StreamSpec, columns: int) -> int:
    return -(-columns // stream.chunk_columns)


def _trunk_frames(stream: StreamSpec, columns: int) -> int:
    """Frames that go through the trunk for so many new columns."""
    return _chunks(stream, columns) * stream.chunk_frames


class StreamedMember(Member):
    """A member that keeps every channel's columns from one decision to the next.

    Parameters
    ----------
    spec, front_end, svm
        As of :class:`asc_edge.members.Member`.
    engine, trunk, head : Engine
        The whole-window network and its two parts.
    features, channels, hop_frames : int
        Length of a column, channels of the array, and frames between two decisions.

    Notes
    -----
    Each channel remembers how many frames had been heard when its newest column was computed. So channels
    that stop voting, silences and skipped decisions only make the next step longer. A channel whose columns
    lie between the ones that are needed now, after a bridged gap, starts anew.
    """

    def __init__(
        self,
        spec: MemberSpec,
        front_end: HeardFrontEnd,
        engine: Engine,
        svm: LinearSvm | None,
        *,
        trunk: Engine,
        head: Engine,
        features: int,
        channels: int,
        hop_frames: int,
    ) -> None:
        super().__init__(spec, front_end, engine, svm)
        assert spec.stream is not None
        assert spec.floor_db is not None
        assert front_end.ring is not None
        self._stream = spec.stream
        self._floor_db = spec.floor_db
        self._ring = front_end.ring
        self._trunk, self._head = trunk, head
        self._hop_frames = hop_frames
        # Of the lowest cells there is one row, which is another one as soon as others vote.
        self._merges = front_end.channels_as != "each"
        self._voters: tuple[int, ...] = ()
        channels = 1 if self._merges else channels
        self._columns = np.zeros((channels, features, spec.stream.columns), np.float32)
        # Frames heard when a channel's newest column was computed, -1 for a channel without columns.
        self._ends = np.full(channels, -1, np.int64)
        self._decided_at: int | None = None
        self.columns_computed = 0
        self.columns_needed = 0

    def forget(self) -> None:
        """See :meth:`asc_edge.members.Member.forget`."""
        self._ends[:] = -1
        self._decided_at = None

    def rows(self, voters: Sequence[int]) -> NDArray[np.float32]:
        heard = self._ring.heard
        late = self._decided_at is not None and heard - self._decided_at > self._hop_frames
        self._decided_at = heard
        given = voters
        if self._merges:
            if self._voters != tuple(voters):
                self._voters = tuple(voters)
                self._ends[:] = -1
            voters = [0]
        self.columns_needed += self._stream.columns * len(voters)
        whole: list[int] = []
        for missing, channels in self._by_missing_columns(voters).items():
            # When decisions come late one after the other, nothing is gained by columns for the next one.
            if late and _trunk_frames(self._stream, missing) >= self._front_end.frames:
                whole += channels
            elif missing:
                self._advance(channels, missing)
        if not whole:
            return self._head.run(self._columns[list(voters)])
        self.columns_computed += self._stream.columns * len(whole)
        rows = super().rows(given if self._merges else whole)
        kept = [channel for channel in voters if channel not in whole]
        if kept:
            rows = np.concatenate([rows, self._head.run(self._columns[kept])])
        answered = [*whole, *kept]
        # In the voters' order, so that their mean is rounded as ever.
        return rows[[answered.index(channel) for channel in voters]]

    def _by_missing_columns(self, voters: Sequence[int]) -> dict[int, list[int]]:
        """Voting channels by how many new columns they need; all of them, where the old ones don't fit."""
        groups: dict[int, list[int]] = defaultdict(list)
        for channel in voters:
            end = int(self._ends[channel])
            columns, apart = divmod(self._ring.heard - end, self._stream.stride_frames)
            usable = end >= 0 and apart == 0
            groups[min(columns, self._stream.columns) if usable else self._stream.columns].append(channel)
        return groups

    def _advance(self, channels: list[int], missing: int) -> None:
        """Compute the newest ``missing`` columns of some channels, and let as many old ones go."""
        stream = self._stream
        step = stream.chunk_columns * stream.stride_frames
        chunks = _chunks(stream, missing)
        # Counted from the window's end. The oldest chunk is moved up where it would begin before the window:
        # some columns are then computed twice.
        longest = stream.columns * stream.stride_frames + stream.context_frames
        span = min(longest, chunks * step + stream.context_frames)
        starts = [max(0, span - stream.chunk_frames - number * step) for number in range(chunks)]
        heard = self._ring.last(span)
        heard = self._front_end.merged(heard[list(self._voters)]) if self._merges else heard[channels]
        cells = level(heard, self._floor_db)
        pieces = np.concatenate([cells[:, np.newaxis, :, at : at + stream.chunk_frames] for at in starts])
        answers = self._trunk.run(pieces).reshape(chunks, len(channels), -1, stream.chunk_columns)
        computed = (span - stream.context_frames) // stream.stride_frames
        oldest = answers[-1, :, :, : computed - (chunks - 1) * stream.chunk_columns]
        everyone = len(channels) == len(self._columns)
        before = self._columns if everyone else self._columns[channels]
        kept = before[:, :, missing : missing + stream.columns - computed]
        columns = np.concatenate([kept, oldest, *answers[-2::-1]], axis=2)
        if everyone:
            self._columns = columns
        else:
            self._columns[channels] = columns
        self._ends[channels] = self._ring.heard
        self.columns_computed += chunks * stream.chunk_columns * len(channels)
