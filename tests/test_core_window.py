"""The window of frames and its picture, against numpy."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from asc_edge.errors import AudioFormatError, ConfigError, NonFiniteError, UsageError
from asc_edge.frontend import FrameWindow, LogMelConfig, LogMelStream, log_mel, picture


def reference_picture(cells: NDArray[np.float32], floor_db: float) -> NDArray[np.float64]:
    below_peak = cells.astype(np.float64) - cells.max(axis=(1, 2), keepdims=True)
    return (np.maximum(below_peak, floor_db) - floor_db) / -floor_db


def some_frames(
    rng: np.random.Generator, count: int, channels: int = 3, mels: int = 5
) -> NDArray[np.float32]:
    loudness = 10.0 * np.arange(channels)[:, np.newaxis]
    return (20 * rng.standard_normal((count, channels, mels)) - 60 + loudness).astype(np.float32)


# A peak shared by the channels, a wrong floor or scale.
@pytest.mark.parametrize("floor_db", [-30.0, -45.0, -60, -80.0])
def test_picture_is_shifted_clipped_and_scaled(floor_db: float, rng: np.random.Generator) -> None:
    cells = some_frames(rng, 4, 7, 11)
    drawn = picture(cells, floor_db)
    np.testing.assert_allclose(drawn, reference_picture(cells, floor_db), rtol=0, atol=1e-6)
    assert drawn.dtype == np.float32
    assert drawn.min() == 0.0
    assert (drawn.max(axis=(1, 2)) == 1.0).all()


# A ring that hands out old frames, a wrong order, or mixes channels; blocks longer than the window too.
@pytest.mark.parametrize("block", [1, 2, 5, 6, 7, 30])
def test_window_draws_its_last_frames(block: int, rng: np.random.Generator) -> None:
    frames = some_frames(rng, 60)
    window = FrameWindow(channels=3, mels=5, frames=6)
    for start in range(0, 60, block):
        window.push(frames[start : start + block])
        heard = frames[: start + block][-6:]
        assert window.full == (len(heard) == 6)
        np.testing.assert_array_equal(window.peak_db(), heard.max(axis=(0, 2)))
        if window.full:
            np.testing.assert_array_equal(window.picture(-60.0), picture(heard.transpose(1, 2, 0), -60.0))


# A stream's window and the offline picture of the same samples: training and running must agree to the bit.
def test_window_of_a_stream_draws_the_offline_picture(rng: np.random.Generator) -> None:
    config = LogMelConfig()
    samples = rng.standard_normal((5 * 16000, 2)).astype(np.float32)
    stream, window = LogMelStream(config, channels=2), FrameWindow(2, 128, 30)
    for block in np.array_split(samples, 37):
        window.push(stream.push(block))
    np.testing.assert_array_equal(window.picture(-45.0), picture(log_mel(samples, config), -45.0))


def test_a_cleared_window_is_a_new_window(rng: np.random.Generator) -> None:
    frames = some_frames(rng, 10)
    window = FrameWindow(3, 5, 6)
    window.push(frames + np.float32(100))
    window.clear()
    assert not window.full
    assert (window.peak_db() == -np.inf).all()
    window.push(frames[:6])
    np.testing.assert_array_equal(window.picture(-60.0), picture(frames[:6].transpose(1, 2, 0), -60.0))


def test_a_window_that_is_not_full_has_no_picture(rng: np.random.Generator) -> None:
    window = FrameWindow(3, 5, 6)
    window.push(some_frames(rng, 5))
    with pytest.raises(UsageError, match="5 of 6 frames"):
        window.picture(-60.0)


# Strides that are ignored.
def test_any_memory_layout_is_read_right(rng: np.random.Generator) -> None:
    cells = some_frames(rng, 3, 6, 5)
    expected = picture(cells, -60.0)
    read_only = cells.copy()
    read_only.flags.writeable = False
    unaligned = np.frombuffer(b"x" + cells.tobytes(), np.uint8)[1:].view(np.float32).reshape(3, 6, 5)
    for layout in (np.asfortranarray(cells), cells[:, ::-1].copy()[:, ::-1], read_only, unaligned):
        np.testing.assert_array_equal(picture(layout, -60.0), expected)
        window = FrameWindow(6, 5, 3)
        window.push(layout)
        np.testing.assert_array_equal(window.picture(-60.0), picture(cells.transpose(1, 2, 0), -60.0))


def test_empty_cells_give_an_empty_picture() -> None:
    assert picture(np.zeros((2, 128, 0), np.float32), -60.0).shape == (2, 128, 0)
    window = FrameWindow(2, 128, 4)
    window.push(np.zeros((0, 2, 128), np.float32))
    assert not window.full


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_cells_that_are_not_finite_are_refused(bad: float) -> None:
    cells = np.zeros((2, 1, 4), np.float32)
    window = FrameWindow(1, 4, 2)
    window.push(cells[:1])
    cells[1, 0, 2] = bad
    with pytest.raises(NonFiniteError):
        window.push(cells)
    assert not window.full
    with pytest.raises(NonFiniteError):
        picture(cells, -60.0)


@pytest.mark.parametrize(
    "cells",
    [
        np.zeros((2, 3, 5)),
        np.zeros((2, 3, 5), ">f4"),
        np.zeros((2, 3, 5), np.int16),
        np.zeros((3, 5), np.float32),
        [[[0.0]]],
    ],
)
def test_wrong_arrays_are_refused(cells: NDArray[np.float32]) -> None:
    with pytest.raises(AudioFormatError):
        FrameWindow(3, 5, 2).push(cells)
    with pytest.raises(AudioFormatError):
        picture(cells, -60.0)


def test_frames_of_another_stream_are_refused() -> None:
    window = FrameWindow(3, 5, 2)
    for shape in ((2, 5, 3), (2, 3, 4), (2, 4, 5)):
        with pytest.raises(AudioFormatError, match=r"takes \(k, 3, 5\)"):
            window.push(np.zeros(shape, np.float32))


@pytest.mark.parametrize("floor_db", [0.0, 30.0, np.nan, -np.inf, -1e-30, "low", None, True])
def test_wrong_floors_are_refused(floor_db: float) -> None:
    window = FrameWindow(1, 1, 1)
    window.push(np.zeros((1, 1, 1), np.float32))
    with pytest.raises(ConfigError, match="floor_db"):
        window.picture(floor_db)
    with pytest.raises(ConfigError, match="floor_db"):
        picture(np.zeros((1, 1, 1), np.float32), floor_db)


@pytest.mark.parametrize("shape", [(0, 1, 1), (17, 1, 1), (1, 0, 1), (1, 1, 0), (1, 1, -1), (1, 1, 2.0)])
def test_windows_that_cannot_be_are_refused(shape: tuple[int, int, int]) -> None:
    with pytest.raises(ConfigError):
        FrameWindow(*shape)
