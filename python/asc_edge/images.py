"""Spectrograms as image networks see them: from a window's cells in dB to the numbers that a network takes.

CRNN + Deep Spectrum + late fusion, section on deep spectrum features: the plot of a mel spectrogram, resized
to what an ImageNet network was trained on. The trainer draws its images with these functions, too, so that
a device's are the same to the last bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from asc_edge._checks import check_dtype, check_whole, is_finite_number
from asc_edge.colour import RESIZE_FILTERS, colour_names, colour_table, colours_of, read_colour_table, resized
from asc_edge.errors import AudioFormatError, ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["PREPROCESSINGS", "ImageSpec", "network_images", "plotted", "preprocessed", "raised"]

# Sixteen channels of such images are 200 MB.
MAX_IMAGE_PIXELS = 1024
MAX_COLOURS = 1 << 16
PREPROCESSINGS = ("torchvision", "bgr", "bgr_centred")
# ImageNet's means and deviations, as Caffe's networks (0 to 255) and torchvision's (0 to 1) have them.
_BGR_MEAN = np.array([103.939, 116.779, 123.68], np.float32)
_RGB_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_RGB_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSpec:
    """How a window's cells become an image.

    The defaults are those of the Deep Spectrum toolkit at the paper's date (version 0.6.9).

    Attributes
    ----------
    colour_map : str
        One of `asc_edge.colour.colour_names`, or the name of a file of the bundle that holds the colours:
        three bytes each, red, green and blue, the lowest first.
    plot_pixels, pixels : int in 1..1024
        Width and height of the plot, and of what the network takes.
    resize : {"nearest", "bilinear", "bicubic"}
        From the one to the other.
    preprocessing : {"torchvision", "bgr", "bgr_centred"}
        Red first, over 255, less ImageNet's mean and over its deviation; or 0 to 255, blue first, without or
        with the mean taken off.
    lowest_db : float
        Absolute level that lower cells are raised to, -1000 to 0.
    floor_db : float < 0, or None
        Level from the window's loudest cell that lower cells are raised to, -1000 at least; None for none.

    Raises
    ------
    ConfigError
        If a value is of the wrong type or can't work.

    Examples
    --------
    >>> ImageSpec(preprocessing="bgr").shape
    (3, 224, 224)
    """

    colour_map: str = "viridis"
    plot_pixels: int = 227
    pixels: int = 224
    resize: str = "bicubic"
    preprocessing: str = "torchvision"
    lowest_db: float = -100.0
    floor_db: float | None = None

    def __post_init__(self) -> None:
        for name in ("plot_pixels", "pixels"):
            object.__setattr__(self, name, check_whole(name, getattr(self, name), 1, MAX_IMAGE_PIXELS))
        for name, known in (("resize", RESIZE_FILTERS), ("preprocessing", PREPROCESSINGS)):
            if getattr(self, name) not in known:
                raise ConfigError(f"{name} is {getattr(self, name)!r}: choose one of {', '.join(known)}")
        if not isinstance(self.colour_map, str) or not self.colour_map or not self.colour_map.isprintable():
            raise ConfigError(f"colour_map is {self.colour_map!r}: give the name of a map or of a file")
        if not is_finite_number(self.lowest_db) or not -1000.0 <= self.lowest_db <= 0.0:
            raise ConfigError(f"lowest_db is {self.lowest_db!r}: give a level from -1000 to 0 dB")
        # 1 and 1.0 are one value, in a manifest too.
        object.__setattr__(self, "lowest_db", float(self.lowest_db))
        if self.floor_db is not None:
            if not is_finite_number(self.floor_db) or not -1000.0 <= self.floor_db < 0.0:
                raise ConfigError(f"floor_db is {self.floor_db!r}: give a level from -1000 to below 0 dB")
            object.__setattr__(self, "floor_db", float(self.floor_db))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ImageSpec:
        """Build from values by name; none may be absent, so that a manifest leaves nothing to guess.

        Raises
        ------
        ConfigError
            If `values` is no mapping, a name is unknown or missing, or a value can't work.
        """
        if not isinstance(values, Mapping):
            raise ConfigError(f"is described by names and values, not by {type(values).__name__}")
        known = [field.name for field in fields(cls)]
        for name in values:
            if name not in known:
                raise ConfigError(f"has no setting {name!r}: choose among {', '.join(known)}")
        for name in known:
            if name not in values:
                raise ConfigError(f"lacks its {name}")
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """All values by name, ready for JSON; `from_dict` takes them back."""
        return asdict(self)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of what a network is fed for one window: (3, pixels, pixels)."""
        return (3, self.pixels, self.pixels)

    @property
    def colour_file(self) -> str | None:
        """File that holds the colours; None for a map that is built in."""
        return None if self.colour_map in colour_names() else self.colour_map

    def colours(self, data: bytes | None = None) -> NDArray[np.uint8]:
        """The map's colours, ``(n, 3)``.

        Parameters
        ----------
        data
            Content of `colour_file`, where there is one.

        Raises
        ------
        ConfigError
            When `data` are no colours, or more than 65536.
        """
        if data is None:
            return colour_table(self.colour_map)
        if len(data) > 3 * MAX_COLOURS:
            raise ConfigError(f"a colour table of {len(data)} bytes: give up to {MAX_COLOURS} colours")
        return read_colour_table(data)


def raised(cells_db: NDArray[np.float32], spec: ImageSpec) -> NDArray[np.float32]:
    """Cells ``(mels, frames)`` with those below the image's floors raised to them."""
    cells = np.maximum(cells_db, np.float32(spec.lowest_db))
    if spec.floor_db is not None:
        cells = np.maximum(cells, cells.max() + np.float32(spec.floor_db))
    return cells


def plotted(cells_db: NDArray[np.float32], colours: NDArray[np.uint8], plot_pixels: int) -> NDArray[np.uint8]:
    """Plot ``(plot_pixels, plot_pixels, 3)`` of cells ``(mels, frames)``: a pixel has the nearest's colour.

    What a plotting library draws, but for rare pixels through which the border of two cells runs.
    """
    return resized(colours_of(cells_db, colours), plot_pixels, "nearest")


def preprocessed(image: NDArray[np.uint8], how: str) -> NDArray[np.float32]:
    """What a network is fed of an image, float32 ``(3, h, w)``.

    Parameters
    ----------
    image
        uint8 of shape ``(h, w, 3)``, red first.
    how
        See `ImageSpec.preprocessing`.

    Raises
    ------
    AudioFormatError
        If dtype or shape of the image is wrong.
    ConfigError
        For another preprocessing.

    Examples
    --------
    >>> preprocessed(np.array([[[10, 20, 30]]], np.uint8), "bgr")[:, 0, 0]
    array([30., 20., 10.], dtype=float32)
    """
    check_dtype(image, "image", ("uint8",))
    if image.ndim != 3 or image.shape[2] != 3:
        raise AudioFormatError(f"image has shape {image.shape}: give (h, w, 3)")
    if how not in PREPROCESSINGS:
        raise ConfigError(f"preprocessing is {how!r}: choose one of {', '.join(PREPROCESSINGS)}")
    pixels = image.astype(np.float32)
    if how == "torchvision":
        pixels = (pixels / np.float32(255) - _RGB_MEAN) / _RGB_DEVIATION
    else:
        pixels = pixels[..., ::-1] - (_BGR_MEAN if how == "bgr_centred" else np.float32(0))
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def network_images(
    cells_db: NDArray[np.float32], spec: ImageSpec, colours: NDArray[np.uint8]
) -> NDArray[np.float32]:
    """What a network is fed of several windows, ``(n, 3, pixels, pixels)``.

    Parameters
    ----------
    cells_db
        float32 of shape ``(n, mels, frames)``, bare, as from `asc_edge.log_mel`.
    colours
        Of `ImageSpec.colours`.

    Raises
    ------
    AudioFormatError, NonFiniteError
        As `asc_edge.colour.colours_of`.
    """
    images = np.empty((len(cells_db), *spec.shape), np.float32)
    for image, cells in zip(images, cells_db, strict=True):
        plot = plotted(raised(cells, spec), colours, spec.plot_pixels)
        image[:] = preprocessed(resized(plot, spec.pixels, spec.resize), spec.preprocessing)
    return images
