"""Spectrograms as colour images: as the Deep Spectrum toolkit draws them, and the same without drawing.

CRNN + Deep Spectrum + late fusion, section on deep spectrum features: the plot of a mel spectrogram in dB,
227 pixels square, without axes, low frequencies at the bottom, colours from the clip's minimum to maximum.
"""

from __future__ import annotations

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from asc_edge.colour import RESIZE_FILTERS, resized
from asc_edge.images import plotted

__all__ = [
    "IMAGE_PIXELS",
    "RENDERERS",
    "RESIZE_FILTERS",
    "colour_table_of",
    "drawn_image",
    "resized",
    "table_image",
]

# The toolkit's plot: one inch at this resolution.
IMAGE_PIXELS = 227


def table_image(cells_db: np.ndarray, colour_map: str) -> np.ndarray:
    """Image (227, 227, 3) uint8 of cells (mels, frames): colours by table, nearest cell per pixel.

    What `drawn_image` draws, but for rare pixels through which the border of two cells runs.
    """
    return plotted(cells_db, colour_table_of(colour_map), IMAGE_PIXELS)


def colour_table_of(colour_map: str) -> np.ndarray:
    """Colours (n, 3) of any of matplotlib's maps, as the device has those of its own."""
    colours = matplotlib.colormaps[colour_map]
    # Rounded, as a plot's colours are; the colour map's own bytes are cut off.
    return np.round(colours(np.arange(colours.N))[:, :3] * 255).astype(np.uint8)


def drawn_image(cells_db: np.ndarray, colour_map: str) -> np.ndarray:
    """Image (227, 227, 3) uint8 of cells (mels, frames), drawn as the toolkit draws it.

    Rows are evenly spaced. The toolkit's axis of Hz on a mel-like scale differs from that by parts of a row.
    """
    figure = Figure(figsize=(1, 1), dpi=IMAGE_PIXELS)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1), frameon=False)
    axes.axis("off")
    axes.pcolormesh(cells_db, cmap=colour_map, vmin=cells_db.min(), vmax=cells_db.max())
    axes.set_xlim(0, cells_db.shape[1])
    axes.set_ylim(0, cells_db.shape[0])
    canvas.draw()
    return np.array(canvas.buffer_rgba())[..., :3]


RENDERERS = {"table": table_image, "matplotlib": drawn_image}
