"""The last frames of a stream, and the picture of them that networks see."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from asc_edge import _core
from asc_edge._checks import (
    MAX_CHANNELS,
    MAX_MELS,
    check_cells,
    check_dtype,
    check_floor_db,
    check_whole,
    not_shared,
)
from asc_edge.errors import AudioFormatError, UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_FRAMES = 1 << 16
# Brings what microphones give, some 80 dB wide, to the range that networks like.
LEVEL_DB_PER_UNIT = 20.0


class FrameWindow:
    """The last frames of a stream, and the picture of them that networks see.

    Parameters
    ----------
    channels, mels
        Those of the stream.
    frames
        Length of the window in frames.

    Raises
    ------
    ConfigError
        If a dimension is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> window = FrameWindow(channels=1, mels=2, frames=2)
    >>> window.push(np.array([[[-70.0, -10.0]], [[-40.0, -25.0]]], np.float32))
    >>> window.full
    True
    >>> window.picture(floor_db=-60.0)
    array([[[0.  , 0.5 ],
            [1.  , 0.75]]], dtype=float32)
    """

    def __init__(self, channels: int, mels: int, frames: int) -> None:
        channels = check_whole("channels", channels, 1, MAX_CHANNELS)
        mels = check_whole("mels", mels, 1, MAX_MELS)
        frames = check_whole("frames", frames, 1, MAX_FRAMES)
        self._shape = (channels, mels, frames)
        self._core = _core.FrameWindow(channels=channels, mels=mels, frames=frames)

    @property
    def full(self) -> bool:
        """Whether the window holds all its frames."""
        return self._core.held == self._shape[2]

    def push(self, frames_db: NDArray[np.float32]) -> None:
        """Take frames of shape ``(k, channels, mels)`` in dB; the oldest make room.

        Raises
        ------
        AudioFormatError
            If dtype or shape is wrong; nothing is taken.
        NonFiniteError
            If a cell is NaN or infinite; nothing is taken.
        UsageError
            If another thread is using the same window.
        """
        frames_db = check_cells(frames_db, "frames_db")
        channels, mels, _ = self._shape
        if frames_db.shape[1:] != (channels, mels):
            raise AudioFormatError(
                f"frames have shape {frames_db.shape}: this window takes (k, {channels}, {mels})"
            )
        with not_shared("window"):
            self._core.push(frames_db)

    def clear(self) -> None:
        """Forget all frames."""
        with not_shared("window"):
            self._core.clear()

    def peak_db(self) -> NDArray[np.float32]:
        """Loudest cell of each channel in dB, of shape ``(channels,)``; minus infinity without a frame."""
        with not_shared("window"):
            return self._core.peak_db()

    def picture(self, floor_db: float) -> NDArray[np.float32]:
        """Draw the window as networks see it; see the function `picture`.

        Parameters
        ----------
        floor_db
            Level below each channel's loudest cell, negative, in dB, that becomes 0.

        Returns
        -------
        picture of shape ``(channels, mels, frames)`` in [0, 1], oldest frame first.

        Raises
        ------
        ConfigError
            If `floor_db` is not a level from -1000 to -1 dB.
        UsageError
            If the window is not full yet, or another thread is using it.
        """
        floor_db = check_floor_db(floor_db)
        if not self.full:
            raise UsageError(
                f"the window holds {self._core.held} of {self._shape[2]} frames: push more before drawing it"
            )
        with not_shared("window"):
            return self._core.picture(floor_db)


def picture(frames_db: NDArray[np.float32], floor_db: float) -> NDArray[np.float32]:
    """Turn log-mel cells into what networks see: ``(max(dB - peak, floor_db) - floor_db) / -floor_db``.

    The peak is each channel's loudest cell (the paper's shift to 0 dB and clipping at -30, -45, -60 or
    -80 dB), so that the level of the recording does not matter.

    Parameters
    ----------
    frames_db
        float32 of shape ``(channels, mels, frames)`` in dB, as from `log_mel`.
    floor_db
        Level below the peak, negative, in dB, that becomes 0.

    Returns
    -------
    picture of the same shape, in [0, 1].

    Raises
    ------
    AudioFormatError, NonFiniteError
        If dtype or shape is wrong, or a cell is NaN or infinite.
    ConfigError
        If `floor_db` is not a level from -1000 to -1 dB.

    Examples
    --------
    >>> import numpy as np
    >>> picture(np.array([[[-70.0, -40.0, -10.0]]], np.float32), floor_db=-30.0)
    array([[[0., 0., 1.]]], dtype=float32)
    """
    frames_db = check_cells(frames_db, "frames_db")
    return _core.picture(frames_db, check_floor_db(floor_db))


def level(frames_db: NDArray[np.float32], floor_db: float) -> NDArray[np.float32]:
    """Turn log-mel cells into levels: ``max(dB, floor_db) / 20``.

    Unlike in a picture a cell depends on no other, so that what a network has computed of a frame stays true
    for as long as the frame is in the window. How loud the recording is does matter.

    Parameters
    ----------
    frames_db
        float32 in dB, of any shape.
    floor_db
        Absolute level in dB, negative, to which lower cells are raised.

    Returns
    -------
    levels of the same shape.

    Raises
    ------
    AudioFormatError
        If the dtype is wrong.
    ConfigError
        If `floor_db` is not a level from -1000 to -1 dB.

    Examples
    --------
    >>> level(np.array([-140.0, -40.0, 0.0], np.float32), floor_db=-100.0)
    array([-5., -2.,  0.], dtype=float32)
    """
    check_dtype(frames_db, "frames_db", ("float32",))
    levels = np.maximum(frames_db, np.float32(check_floor_db(floor_db)))
    levels /= np.float32(LEVEL_DB_PER_UNIT)
    return levels
