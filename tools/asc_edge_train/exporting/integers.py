"""Numbers in 8 bits: weights by rows, activations by the range that they were seen in."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = ["LIMIT", "Affine", "affine", "balanced_rows", "quantise_rows"]

# Eight bits with nothing held back. x86 processors without VNNI add pairs of products in 16 bits, where two
# of the largest don't fit; weights of 7 bits would be safe there, at two or three times the error everywhere.
# ARM processors add exactly.
LIMIT = 127
# A row sums to zero if its sum is this small beside its absolute values' sum.
_BALANCED = 1e-5


class Affine(NamedTuple):
    """``value = scale * (code - zero_point)`` with codes from 0 to 255."""

    scale: np.float32
    zero_point: np.uint8


def affine(low: float, high: float) -> Affine:
    """Codes for values from low to high. 0 has a code of its own: zeros at the edges of maps stay zeros."""
    low, high = min(float(low), 0.0), max(float(high), 0.0)
    scale = np.float32((high - low) / 255.0) if high > low else np.float32(1.0)
    return Affine(scale, np.uint8(np.clip(np.round(-low / scale), 0, 255)))


def quantise_rows(weights: np.ndarray, axis: int = 0, limit: int = LIMIT) -> tuple[np.ndarray, np.ndarray]:
    """Weights as int8 from -limit to limit, and the scale of each entry of ``axis``, float32.

    The largest weight of a row becomes ``limit``; a row of zeros has the scale 1. Where the weights of a row
    sum to zero, its codes do: such a row answers to differences alone, and what its roundings add up to would
    answer to what all of its inputs have in common.
    """
    others = tuple(other for other in range(weights.ndim) if other != axis)
    largest = np.max(np.abs(weights), axis=others, keepdims=True)
    scale = np.where(largest > 0, largest / limit, 1.0).astype(np.float32)
    exact = weights / scale
    codes = np.clip(np.round(exact), -limit, limit)
    for row in balanced_rows(weights, axis):
        place = tuple(row if other == axis else slice(None) for other in range(weights.ndim))
        codes[place] = _balanced(exact[place], codes[place])
    return codes.astype(np.int8), scale.reshape(-1)


def balanced_rows(weights: np.ndarray, axis: int = 0) -> np.ndarray:
    """Entries of ``axis`` whose weights sum to zero, as far as float32 goes."""
    others = tuple(other for other in range(weights.ndim) if other != axis % weights.ndim)
    size = np.sum(np.abs(weights), axis=others)
    rows: np.ndarray = np.flatnonzero((size > 0) & (np.abs(np.sum(weights, axis=others)) <= _BALANCED * size))
    return rows


def _balanced(exact: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Codes that sum to zero: those that lay nearest to the other side go there. The largest stay."""
    excess = int(codes.sum())
    step = int(np.sign(excess))
    # How far each code lies beyond its weight, towards the excess.
    beyond = np.where(np.abs(exact) < np.abs(exact).max(), (codes - exact) * step, -np.inf).ravel()
    moved = codes.ravel().copy()
    moved[np.argsort(-beyond, kind="stable")[: abs(excess)]] -= step
    return moved.reshape(codes.shape)
