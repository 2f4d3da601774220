"""Spectrograms as colour images, without a plotting library: what image networks are shown.

Tables of 256 colours, the scaling that a plot does, and the resizing of Pillow, to the last bit.

The colours of viridis and magma are those of Matplotlib (by Nathaniel J. Smith, Stefan van der Walt and Eric
Firing), which are in the public domain: CC0 1.0.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from asc_edge._checks import check_dtype, check_whole
from asc_edge.errors import AudioFormatError, ConfigError, NonFiniteError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["RESIZE_FILTERS", "colour_names", "colour_table", "colours_of", "read_colour_table", "resized"]

MAX_PIXELS = 4096

# As a plot has them: rounded. What a colour map itself gives as bytes is cut off, which is another colour in
# half of all cases. Red, green and blue of each, base 85.
_TABLES = {
    "viridis": (
        "L;+Mp0#-!?S49O`Mh99(2wX-AT}BIDM-5;{4q-<SV@DBWM-yd86lX{lXh;`nNEm8J8f-"
        "`#ZAct$NF8rTA8<$@aY!L^NF#JeBy~t7c1R|7NGNznDS1aKdPgjJM=g6tE__EXeMT^TMlyazGk-"
        "=jfJHTdMK^&(ID$kugG4%mL_35-"
        "J%mF(g+f1tLO_N>L54v>he1S#Kt+f^Mu<O0h(Ab)K1qo_N{K#9iakw=Jx+=|Pl`NHi#t(^J5q}}Q;RxOj5$?|IaZ7~Sd2JXj5k"
        "`0H(QN1T#YtejWu44HD8T1V2w0kjWc46Gh>Z1WR5arjxlDAF=vi3XpS&xjxcJDFKdo3Y>qB%jxKJFE^m%4aE>i;jx2GGEOL%4b"
        "B-%?jw^MJDt3-4caAD}jwyMLDSD16dyXi4jwpSOCw`76e~u@BjwXSQCW4M8f{rDFjwOVSC54V8hK?kMjw6VUBZ-"
        "b9ij5+RjUtSVB8`n9j*TIYjUkYYA(4zAl8hjdj3ASYAC!zAm5U#iiyxPZADD|DnTj8piXNMa9-"
        "N6Dorxcwi65VcAE1aIp@<)$haaMcAftvLq=q4-"
        "g(0SeBBzBSsDvY_gCwehC98rZtb!)3fhVnjD6W7huYW4Ae=M<nEwX(svwSbKd@;3qGPZg&ws|$Tc{jLtIJtK^x^_Febv?XvKfH"
        "55y>ddnaYVmxM!;`K!EQ>yZA`*!PQz<Z#A;H-X;j5%R>o&o$7Nc`WL(H&Uddu$%3x#5UuDZ)XUtq_&0B2ET5ir*aL-qB&{lQOR"
        "Cm!+deKpQ(olcXPJz=+gw#uh)k%rfNQ>4+j@Ctx*F%%nL6z7*nAkp>**u-uJD}P*qS`m5+cv1%G^*S(t=urM-"
        "7m7;Ew$b&xZWwc-YC7_Ccxh%!rvps;33H1Aj;t%&EXx;;T+Q98`a_(*y0)5;~CxK7~kU<;^Y|R<QeDW8S3R4?ByHp<s9+l9rWf"
        "N_U0h?<{|s%BmL(k"
    ),
    "magma": (
        "000C500jX71_1#G0s#pE0t*5H4FdxY0|OES1QZ1X76t_v1_c@i1{??n9tj5^3J4+#2_y^&CJhQH4ht&~3oQ{0FA@zg6Ad&J4mK"
        "4II2I2(7!N%e5I-6aLL3l89T7(!5lJ8sOCb?XA`ws|5>q7-RVNZyDG^#K5nL=0Uo8<~FA-xg5oI$FXEYFLHV|t#5NtUQZaWWfJ"
        "r8j|4{|^cbV3hxL=SdF5O+rqcu5d=N)UNW5qeG$druO3Q4)Mo6MR$?eO45GR~3F)6@FS4eq0uRT^D~}7=K_GfMOYdWEy~F8h~d"
        "TfM^_nY8-"
        ")U9f55ffo>jwa36tkAAxfqfpsB)b|HayB7u1#f_o!^d?SK>B!Yk?f`KK0gC>E5CV_@0frux8i70`KDS?bBfsQJHkSc+ZD}j?Mf"
        "RrqNmMnmnEr6LVfSWFVoGyQ!FMpsff1xmbqcDD@F@B~oeW)^hsxy77GkmQye6BQmur+(KHG8u*dbKusw>NpXH+i}^c)U4yy*YQ"
        "kI(NW2cEUS##5{GyJaorBbI3k(%06<;KXJ`KanC?-&_Qp~LT}SUZq-"
        "C>)<taCMQqtdYuiU^+(>EONoe0nXy8m|;!S4bPG#gzWaUs~=Tc+nQ)1~<V(M05>sMgxSYYj1U+!C8?_FN-UtaNGUGidG@?>1|W"
        "nA=UT=Z#N^=n-"
        "AY+UwkT=#HX_i|kLbX@p$T={ri`FUOWdtLf{UiyDt`hj2jgJ1iFVEcz*{E1=wiemhXWBiU}{E%h+l4kvsXZ@CF{g`R}nri)<Yy"
        "O>V{-16Bp>F=8Z~mom{-"
        "<*OsdN6SbpEV%{;qfauz3Emdj7O~{<eJnw|@S)fBw6H{=I_!zl8q5h5o{a{=|s>#)|&PjQ+}v{>+d5&5-"
        "`jlK#<@{?nEI)tCO)nf}<C{o0)U+@Ag3p#9*X{o<qj<E8!Or~T)t{pqUx>#Y3juKez>{P42;^0fT)w*2<E{P(&1`Mdo4z5M;Z"
    ),
}

# Radius in pixels of the smaller image, and weight at a distance: those of Pillow.
_Filter = tuple[float, Callable[["NDArray[np.float64]"], "NDArray[np.float64]"]]
_BITS = 22


def _bilinear(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.maximum(1.0 - np.abs(distance), 0.0)


def _bicubic(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    a, x = -0.5, np.abs(distance)
    near = ((a + 2.0) * x - (a + 3.0)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * a
    return np.where(x < 1.0, near, np.where(x < 2.0, far, 0.0))


_SMOOTH: dict[str, _Filter] = {"bilinear": (1.0, _bilinear), "bicubic": (2.0, _bicubic)}
RESIZE_FILTERS = ("nearest", *_SMOOTH)


def colour_names() -> tuple[str, ...]:
    """Names of the colour maps that are always there."""
    return tuple(_TABLES)


@lru_cache
def colour_table(name: str) -> NDArray[np.uint8]:
    """Colours of a map from its lowest to its highest, of shape ``(256, 3)``.

    Raises
    ------
    ConfigError
        For a map that isn't built in; `read_colour_table` takes any other from a file.

    Examples
    --------
    >>> colour_table("viridis")[[0, 255]]
    array([[ 68,   1,  84],
           [253, 231,  37]], dtype=uint8)
    """
    if name not in _TABLES:
        raise ConfigError(f"colour map {name!r} is not built in: choose one of {', '.join(_TABLES)}")
    return read_colour_table(base64.b85decode("".join(_TABLES[name])))


def read_colour_table(data: bytes) -> NDArray[np.uint8]:
    """Colours, ``(n, 3)``, from three bytes each: red, green and blue of the lowest, and so on.

    Raises
    ------
    ConfigError
        When there are none, or a part of one.
    """
    if not data or len(data) % 3:
        raise ConfigError(f"a colour table of {len(data)} bytes: give three a colour")
    return np.frombuffer(data, np.uint8).reshape(-1, 3)


def colours_of(cells: NDArray[np.float32], table: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Colours of cells from their minimum to their maximum, low bands at the bottom, as a plot has them.

    Parameters
    ----------
    cells
        float32 of shape ``(mels, frames)``. Cells of one level all through have the first colour.
    table
        Of shape ``(n, 3)``, the lowest colour first.

    Returns
    -------
    image of shape ``(mels, frames, 3)``.

    Raises
    ------
    AudioFormatError, NonFiniteError
        If dtype or shape is wrong, there are no cells, or one is NaN or infinite.

    Examples
    --------
    >>> colours_of(np.array([[-80.0, -40.0]], np.float32), colour_table("magma"))
    array([[[  0,   0,   4],
            [252, 253, 191]]], dtype=uint8)
    """
    check_dtype(cells, "cells", ("float32",))
    if cells.ndim != 2 or not cells.size:
        raise AudioFormatError(f"cells have shape {cells.shape}: give (mels, frames), one of each at least")
    low, high = float(cells.min()), float(cells.max())
    if not high - low <= float(np.finfo(np.float32).max):
        raise NonFiniteError("cells hold NaN or infinity, or lie too far apart: look at their front end")
    scaled = (cells - low) / (high - low) if high > low else np.zeros_like(cells)
    entries = np.minimum(scaled[::-1] * len(table), len(table) - 1).astype(np.intp)
    image: NDArray[np.uint8] = table[entries]
    return image


def resized(image: NDArray[np.uint8], pixels: int, how: str) -> NDArray[np.uint8]:
    """Image of shape ``(h, w, 3)`` resized to ``(pixels, pixels, 3)``: Pillow's answer to the last bit.

    Width first, then height. Pillow since version 13 takes the height first where it falls much more than the
    width, which is a bit or so of a difference, and none for square images.

    Parameters
    ----------
    image
        uint8.
    how
        ``"nearest"``, ``"bilinear"`` or ``"bicubic"``; a smaller image is averaged over what a pixel covers.

    Raises
    ------
    AudioFormatError
        If dtype or shape of the image is wrong.
    ConfigError
        For another filter, or a size out of range.
    """
    check_dtype(image, "image", ("uint8",))
    if image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise AudioFormatError(f"image has shape {image.shape}: give (h, w, 3)")
    pixels = check_whole("pixels", pixels, 1, MAX_PIXELS)
    if how not in RESIZE_FILTERS:
        raise ConfigError(f"resize is {how!r}: choose one of {', '.join(RESIZE_FILTERS)}")
    if how == "nearest":
        rows, columns = (_nearest(size, pixels) for size in image.shape[:2])
        return image[rows[:, np.newaxis], columns]
    # Rounded in between, as in Pillow.
    across = _resample(image.swapaxes(0, 1), pixels, how).swapaxes(0, 1)
    return np.ascontiguousarray(_resample(across, pixels, how))


@lru_cache
def _nearest(size: int, pixels: int) -> NDArray[np.intp]:
    """Which of ``size`` pixels each of the new ones shows."""
    step = size / pixels
    # Added up one by one, for the same roundings.
    places = np.cumsum(np.r_[0.5 * step, np.full(pixels - 1, step)])
    return np.minimum(places.astype(np.intp), size - 1)


@lru_cache
def _weights(size: int, pixels: int, how: str) -> tuple[NDArray[np.intp], NDArray[np.int32]]:
    """First pixel that counts, and weights of it and the next ones in 22 bits, ``(taps, pixels)``."""
    radius, weight = _SMOOTH[how]
    step = size / pixels
    shrink = max(step, 1.0)
    reach = radius * shrink
    centre = (np.arange(pixels) + 0.5) * step
    first = np.maximum((centre - reach + 0.5).astype(np.intp), 0)
    last = np.minimum((centre + reach + 0.5).astype(np.intp), size)
    taps = np.arange(int((last - first).max()))[:, np.newaxis]
    values = weight((taps + first - centre + 0.5) * (1.0 / shrink))
    values = np.where(taps < last - first, values, 0.0)
    total = np.zeros(pixels)
    for row in values:
        total += row
    values /= total
    rounded = np.where(values < 0, -0.5, 0.5) + values * (1 << _BITS)
    return first, rounded.astype(np.int32)


def _resample(image: NDArray[np.uint8], pixels: int, how: str) -> NDArray[np.uint8]:
    """Resize the first axis."""
    size = image.shape[0]
    if size == pixels:
        return image
    first, weights = _weights(size, pixels, how)
    total = np.full((pixels, *image.shape[1:]), 1 << (_BITS - 1), np.int32)
    for tap, weight in enumerate(weights):
        # Beyond the last pixel the weight is 0.
        total += image[np.minimum(first + tap, size - 1)] * weight[:, np.newaxis, np.newaxis]
    resampled: NDArray[np.uint8] = np.clip(total >> _BITS, 0, 255).astype(np.uint8)
    return resampled
