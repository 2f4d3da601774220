"""Deltas: how log-mel cells change from frame to frame, as further planes of a network's input."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asc_edge import _core
from asc_edge._checks import check_cells, check_whole
from asc_edge.errors import AudioFormatError, ConfigError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_WIDTH_FRAMES = 1025
# Higher derivatives of log-mel cells are noise.
MAX_ORDER = 4

_EDGES = {"interp": _core.DeltaEdge.interp, "nearest": _core.DeltaEdge.nearest}


def deltas(
    cells: NDArray[np.float32], width: int = 9, order: int = 1, mode: str = "interp"
) -> NDArray[np.float32]:
    """Derivative of `cells` along the frames, as ``librosa.feature.delta``: the deltas, or delta-deltas.

    It is that of the polynomial of degree `order` that fits `width` frames best (Savitzky and Golay 1964).

    Parameters
    ----------
    cells
        float32 of shape ``(channels, mels, frames)``, as from `log_mel`.
    width
        Number of frames of a fit, odd, 3 to 1025.
    order
        1 for deltas, 2 for delta-deltas, up to 4 and below `width`.
    mode
        What to do in the outermost ``width // 2`` frames: ``"interp"`` goes on with the fit of the outermost
        whole window, ``"nearest"`` with the outermost frame.

    Returns
    -------
    deltas of the same shape, in the cells' unit per frame (per frame squared for `order` 2, and so on).

    Raises
    ------
    AudioFormatError, NonFiniteError
        If dtype or shape is wrong, there are fewer frames than `width` (``"interp"``) or none, or a cell is
        NaN or infinite.
    ConfigError
        If `width`, `order` or `mode` can't work.

    Examples
    --------
    >>> import numpy as np
    >>> rising = np.arange(12, dtype=np.float32).reshape(1, 1, 12)
    >>> deltas(3 * rising)[0, 0, :3]
    array([3., 3., 3.], dtype=float32)
    """
    width = check_whole("width", width, 3, MAX_WIDTH_FRAMES)
    if width % 2 == 0:
        raise ConfigError(f"width is {width}: give an odd number of frames")
    order = check_whole("order", order, 1, min(MAX_ORDER, width - 1))
    if mode not in tuple(_EDGES):
        raise ConfigError(f"mode is {mode!r}: choose one of {', '.join(_EDGES)}")
    cells = check_cells(cells, "cells")
    least = width if mode == "interp" else 1
    if cells.shape[2] < least:
        raise AudioFormatError(
            f"cells have {cells.shape[2]} frames: these deltas need {least}; take more, or mode 'nearest'"
        )
    return _core.deltas(cells, width=width, order=order, edge=_EDGES[mode])
