"""Deltas against librosa."""

from __future__ import annotations

import librosa
import numpy as np
import pytest
from numpy.typing import NDArray

from asc_edge.errors import AudioFormatError, ConfigError, NonFiniteError
from asc_edge.frontend import deltas


# Wrong weights, a wrong order of the axes, wrong edges, or single precision in the sum.
@pytest.mark.parametrize("mode", ["interp", "nearest"])
@pytest.mark.parametrize(("width", "order"), [(9, 1), (9, 2), (3, 1), (3, 2), (5, 3), (29, 1), (29, 4)])
def test_deltas_are_librosas(width: int, order: int, mode: str, rng: np.random.Generator) -> None:
    cells = (20 * rng.standard_normal((2, 5, 30)) - 60).astype(np.float32)
    expected = librosa.feature.delta(cells.astype(np.float64), width=width, order=order, mode=mode)
    np.testing.assert_allclose(deltas(cells, width, order, mode), expected, rtol=1e-6, atol=1e-6)


def test_the_defaults_are_librosas(rng: np.random.Generator) -> None:
    cells = rng.standard_normal((1, 4, 12)).astype(np.float32)
    np.testing.assert_allclose(deltas(cells), librosa.feature.delta(cells), rtol=0, atol=1e-6)


# Strides that are ignored.
def test_any_memory_layout_is_read_right(rng: np.random.Generator) -> None:
    cells = rng.standard_normal((2, 3, 20)).astype(np.float32)
    expected = deltas(cells)
    for layout in (np.asfortranarray(cells), cells[:, :, ::-1].copy()[:, :, ::-1]):
        np.testing.assert_array_equal(deltas(layout), expected)


# Fewer frames than the edges read.
def test_few_frames() -> None:
    cells = np.ones((1, 2, 8), np.float32)
    with pytest.raises(AudioFormatError, match=r"8 frames.*need 9.*nearest"):
        deltas(cells)
    np.testing.assert_allclose(deltas(cells, mode="nearest"), 0.0, atol=1e-6)
    np.testing.assert_allclose(deltas(cells[:, :, :1], mode="nearest"), 0.0, atol=1e-6)
    with pytest.raises(AudioFormatError, match="0 frames"):
        deltas(cells[:, :, :0], mode="nearest")
    assert deltas(np.ones((0, 2, 9), np.float32)).shape == (0, 2, 9)


@pytest.mark.parametrize(
    ("settings", "advice"),
    [
        ({"width": 8}, "odd"),
        ({"width": 1}, "width"),
        ({"width": 10**6 + 1}, "width"),
        ({"width": 9.0}, "width"),
        ({"order": 0}, "order"),
        ({"order": 5}, "order"),
        ({"width": 3, "order": 3}, "order"),
        ({"order": True}, "order"),
        ({"mode": "mirror"}, "mode.*interp, nearest"),
        ({"mode": None}, "mode"),
        ({"mode": ["interp"]}, "mode"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, object], advice: str) -> None:
    with pytest.raises(ConfigError, match=advice) as caught:
        deltas(np.ones((1, 2, 9), np.float32), **settings)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "cells", [np.ones((2, 9), np.float32), np.ones((1, 2, 9)), np.ones((1, 2, 9), np.int16), [[[1.0] * 9]]]
)
def test_wrong_cells_are_refused(cells: NDArray[np.float32]) -> None:
    with pytest.raises(AudioFormatError):
        deltas(cells)


def test_cells_that_are_not_finite_are_refused() -> None:
    cells = np.ones((1, 2, 9), np.float32)
    cells[0, 1, 4] = np.nan
    with pytest.raises(NonFiniteError):
        deltas(cells)
