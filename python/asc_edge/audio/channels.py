"""The channel map: which channels of an input are the array's microphones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np

from asc_edge._checks import MAX_CHANNELS
from asc_edge.audio.samples import Samples
from asc_edge.errors import ChannelMapError


def parse_channel_map(text: str) -> tuple[int, ...]:
    """Read a map like ``"1,2,3,4"``, counted from 1 as on the device, into indices from 0.

    Raises
    ------
    ChannelMapError
        When it is no list of different numbers from 1 on, or longer than 16.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and int(part) > 0 for part in parts):
        raise ChannelMapError(f"channel map {text!r} is not a list like 1,2,3,4 (the first channel is 1)")
    indices = tuple(int(part) - 1 for part in parts)
    if len(set(indices)) != len(indices):
        raise ChannelMapError(f"channel map {text!r} names a channel twice")
    if len(indices) > MAX_CHANNELS:
        raise ChannelMapError(f"channel map {text!r} is too long; at most {MAX_CHANNELS} channels can vote")
    return indices


def select_channels(wanted: Sequence[int] | None, available: int, input_name: str) -> tuple[int, ...]:
    """Indices to use of an input that has ``available`` channels; all of them where no map was given.

    Raises
    ------
    ChannelMapError
        When the map names a channel that the input doesn't have, or there are too many without a map.
    """
    has = f"{input_name} has {available} channel" + ("s" if available != 1 else "")
    if wanted is None:
        if available > MAX_CHANNELS:
            raise ChannelMapError(f"{has}; choose up to {MAX_CHANNELS} of them with --channels")
        return tuple(range(available))
    missing = [index + 1 for index in wanted if index >= available]
    if missing:
        names = ", ".join(map(str, missing))
        raise ChannelMapError(f"{has}, the channel map asks for {names}; give a map with --channels")
    return tuple(wanted)


def take_channels(samples: Samples, indices: Sequence[int]) -> Samples:
    """The chosen columns, shape (n, channels) -> (n, len(indices)), contiguous."""
    return cast(Samples, np.take(samples, indices, axis=1))
