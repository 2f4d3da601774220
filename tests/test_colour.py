"""Colour images without a plotting library, against matplotlib and Pillow: the same to the last bit."""

from __future__ import annotations

import matplotlib
import numpy as np
import pytest
from PIL import Image

from asc_edge.colour import (
    RESIZE_FILTERS,
    colour_names,
    colour_table,
    colours_of,
    read_colour_table,
    resized,
)
from asc_edge.errors import AudioFormatError, ConfigError, NonFiniteError
from asc_edge_train.extractors.spectrum_image import colour_table_of, drawn_image, table_image

PILLOW = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}


def matplotlib_colours(cells: np.ndarray, name: str) -> np.ndarray:
    """What matplotlib's own scaling and colour map make of cells, as bytes of a plot."""
    scaled = matplotlib.colors.Normalize(cells.min(), cells.max())(cells[::-1])
    return np.round(matplotlib.colormaps[name](scaled)[..., :3] * 255).astype(np.uint8)


def pillows(image: np.ndarray, pixels: int, how: str) -> np.ndarray:
    """Pillow's answer, width first: in one go the order depends on its version."""
    wide = Image.fromarray(image).resize((pixels, image.shape[0]), PILLOW[how])
    return np.asarray(wide.resize((pixels, pixels), PILLOW[how]))


# Catches: a table that was cut off instead of rounded, is of another map, or was typed wrongly.
@pytest.mark.parametrize("name", colour_names())
def test_tables_are_matplotlibs(name: str) -> None:
    np.testing.assert_array_equal(colour_table(name), colour_table_of(name))
    # Those that the map gives as bytes differ by the rounding, and by no more.
    cut = matplotlib.colormaps[name](np.arange(256), bytes=True)[:, :3]
    difference = colour_table(name).astype(int) - cut.astype(int)
    assert set(np.unique(difference)) == {0, 1}


# Catches: entries that are one off where a cell lies on the border of two colours, or at either end.
@pytest.mark.parametrize("name", [*colour_names(), "tab20"])
def test_cells_have_the_colours_that_matplotlib_gives_them(name: str, rng: np.random.Generator) -> None:
    table = colour_table_of(name)
    exact = (np.arange(4 * 257, dtype=np.float32) / 256 - 80).reshape(4, 257)
    for cells in (
        (20 * rng.standard_normal((64, 311)) - 60).astype(np.float32),
        exact,
        np.nextafter(exact, np.float32(0)),
        np.array([[-160.0, 0.0]], np.float32),
        np.array([[-1e30, 1e30, 0.0]], np.float32),
        np.array([[1e-38, 2e-38]], np.float32),
        np.linspace(-100, 40, 100_000, dtype=np.float32).reshape(10, -1),
    ):
        np.testing.assert_array_equal(colours_of(cells, table), matplotlib_colours(cells, name))


@pytest.mark.parametrize("name", colour_names())
def test_a_plot_of_as_many_cells_as_pixels_is_the_same_image(name: str, rng: np.random.Generator) -> None:
    cells = (20 * rng.standard_normal((227, 227)) - 60).astype(np.float32)
    drawn = drawn_image(cells, name)
    np.testing.assert_array_equal(colours_of(cells, colour_table(name)), drawn)
    np.testing.assert_array_equal(table_image(cells, name), drawn)


def test_one_level_all_through_is_the_first_colour() -> None:
    for level_db in (-160.0, 0.0, 7.0):
        image = colours_of(np.full((3, 4), level_db, np.float32), colour_table("viridis"))
        assert (image == colour_table("viridis")[0]).all()


# Catches: weights that are rounded otherwise, taps that are left out at the edges, passes in another order.
@pytest.mark.parametrize("how", RESIZE_FILTERS)
@pytest.mark.parametrize(
    ("rows", "columns", "pixels"),
    [
        (227, 227, 224),
        (128, 311, 227),
        (64, 64, 224),
        (224, 224, 224),
        (5, 900, 96),
        (1, 1, 7),
        (300, 2, 1),
        (3, 224, 224),
    ],
)
def test_resizing_is_pillows(
    how: str, rows: int, columns: int, pixels: int, rng: np.random.Generator
) -> None:
    noise = rng.integers(0, 256, (rows, columns, 3), dtype=np.uint8)
    # Only black and white makes bicubic weights reach beyond both ends.
    for image in (
        noise,
        (noise > 127) * np.uint8(255),
        colours_of(noise[..., 0].astype(np.float32), colour_table("magma")),
    ):
        answer = resized(image, pixels, how)
        np.testing.assert_array_equal(answer, pillows(image, pixels, how))
        if rows == columns:
            at_once = Image.fromarray(image).resize((pixels, pixels), PILLOW[how])
            np.testing.assert_array_equal(answer, np.asarray(at_once))
        assert (answer.dtype, answer.flags.c_contiguous) == (np.uint8, True)


def test_resizing_is_pillows_at_any_size(rng: np.random.Generator) -> None:
    for _ in range(40):
        rows, columns, pixels = (int(size) for size in rng.integers(1, 120, 3))
        image = rng.integers(0, 256, (rows, columns, 3), dtype=np.uint8)
        for how in RESIZE_FILTERS:
            expected = pillows(image, pixels, how)
            np.testing.assert_array_equal(resized(image, pixels, how), expected, err_msg=str(image.shape))


def test_other_maps_come_as_bytes() -> None:
    table = colour_table_of("tab20")
    np.testing.assert_array_equal(read_colour_table(table.tobytes()), table)
    assert not colour_table("viridis").flags.writeable


def test_what_is_wrong_is_said() -> None:
    cells, image = np.zeros((2, 3), np.float32), np.zeros((4, 5, 3), np.uint8)
    table = colour_table("viridis")
    for wrong, error, message in (
        (lambda: colour_table("jet"), ConfigError, "'jet' is not built in: choose one of viridis, magma"),
        (lambda: read_colour_table(b""), ConfigError, "0 bytes"),
        (lambda: read_colour_table(bytes(7)), ConfigError, "7 bytes"),
        (lambda: colours_of(cells.astype(np.float64), table), AudioFormatError, "float64"),
        (lambda: colours_of(cells[0], table), AudioFormatError, r"\(3,\)"),
        (lambda: colours_of(cells[:0], table), AudioFormatError, r"\(0, 3\)"),
        (lambda: colours_of(cells * np.float32(np.nan), table), NonFiniteError, "NaN"),
        (lambda: colours_of(np.array([[-np.inf, 0]], np.float32), table), NonFiniteError, "infinity"),
        (lambda: colours_of(np.array([[-3e38, 3e38]], np.float32), table), NonFiniteError, "too far apart"),
        (lambda: resized(image, 224, "lanczos"), ConfigError, "'lanczos'"),
        (lambda: resized(image, 0, "nearest"), ConfigError, "pixels"),
        (lambda: resized(image[..., 0], 4, "nearest"), AudioFormatError, r"\(4, 5\)"),
        (lambda: resized(image.astype(np.float32), 4, "nearest"), AudioFormatError, "float32"),
    ):
        with pytest.raises(error, match=message) as caught:
            wrong()
        assert "\n" not in str(caught.value)
