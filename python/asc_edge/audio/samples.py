"""The two forms in which samples travel, and the one way from the first to the second."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Samples: TypeAlias = NDArray[np.float32] | NDArray[np.int16]
"""np.ndarray [shape=(n, channels)]: float32 in [-1, 1], or int16 as converters deliver it."""

INT16_SCALE = np.float32(1.0 / 32768.0)


def as_float32(samples: Samples) -> NDArray[np.float32]:
    """Samples in [-1, 1], scaled exactly as the front end scales int16; float32 passes through uncopied.

    Parameters
    ----------
    samples : np.ndarray [shape=(n, channels), dtype=float32 or int16]

    Returns
    -------
    np.ndarray [shape=(n, channels), dtype=float32]
    """
    if samples.dtype == np.int16:
        return samples.astype(np.float32) * INT16_SCALE
    return samples.astype(np.float32, copy=False)
