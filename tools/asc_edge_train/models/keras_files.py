"""Weights in Keras's HDF5 files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from asc_edge.errors import ConfigError, EngineError

__all__ = ["KERAS_SUFFIXES", "convolution_kernel", "read_layers"]

KERAS_SUFFIXES = (".h5", ".hdf5")


def read_layers(path: Path) -> dict[str, dict[str, np.ndarray]]:
    """Arrays of every layer that has some, by the names in the file, in the network's order.

    Raises
    ------
    ConfigError
        When the file is no HDF5 file of Keras.
    EngineError
        When h5py is not installed.
    """
    try:
        import h5py
    except ImportError:
        raise EngineError(f"{path.name} needs h5py; install it with: pip install 'asc-edge[train]'") from None
    layers: dict[str, dict[str, np.ndarray]] = {}
    try:
        with h5py.File(path) as file:
            # Whole models have their weights below a group, weights alone don't.
            top = file.get("model_weights", file)
            for layer in map(_text, top.attrs["layer_names"]):
                arrays = {
                    _text(name): top[layer][_text(name)][()] for name in top[layer].attrs["weight_names"]
                }
                if arrays:
                    layers[layer] = arrays
    except (OSError, KeyError, AttributeError):
        raise ConfigError(f"{path}: is no HDF5 file of Keras weights; get the file again") from None
    return layers


def convolution_kernel(kernel: np.ndarray) -> torch.Tensor:
    """PyTorch's kernel (out, in, height, width) of Keras's (height, width, in, out)."""
    return torch.from_numpy(np.ascontiguousarray(kernel.transpose(3, 2, 0, 1)))


def _text(name: bytes | str) -> str:
    return name.decode() if isinstance(name, bytes) else name
