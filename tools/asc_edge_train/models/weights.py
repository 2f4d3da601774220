"""Files of published weights: where they are, what they are, and loading them without running their code."""

from __future__ import annotations

import hashlib
import pickle
import zipfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from asc_edge.errors import ConfigError

__all__ = ["file_sha256", "find_weights", "half_state", "load_published", "load_state", "read_state"]

_rebuild = np.empty(0).__reduce__()[0]
# Under both names that NumPy has had for its innards.
_ARRAYS: list[Any] = [
    np.ndarray,
    np.dtype,
    *{type(np.dtype(name)) for name in ("bool", "int32", "int64", "float32", "float64")},
    *((_rebuild, f"numpy.{core}.multiarray._reconstruct") for core in ("core", "_core")),
]


def find_weights(name: str, folder: Path | None) -> Path:
    """Path of a weights file that a recipe names: absolute, or within the folder of ``--weights``.

    Raises
    ------
    ConfigError
        When there is none.
    """
    path = Path(name)
    if not path.is_absolute():
        if folder is None:
            raise ConfigError(f"weights {name!r} are needed: name their folder by --weights")
        path = folder / path
    if not path.is_file():
        raise ConfigError(f"{path}: no such weights file; get it and name its folder by --weights")
    return path


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, which isn't read again as long as its size and time stay."""
    status = path.stat()
    return _sha256(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=64)
def _sha256(path: Path, size: int, time_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_state(path: Path) -> dict[str, torch.Tensor]:
    """State dict of a PyTorch checkpoint, bare or below ``model`` or ``state_dict``.

    Raises
    ------
    ConfigError
        When the file is no checkpoint of tensors.
    """
    try:
        # Weights only: a pickle from elsewhere could run anything. Training states beside the weights have
        # arrays in them, which are harmless.
        with torch.serialization.safe_globals(_ARRAYS):
            stored: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError, zipfile.BadZipFile):
        raise ConfigError(f"{path}: is no PyTorch checkpoint of plain tensors; get the file again") from None
    for name in ("model", "state_dict"):
        if isinstance(stored, Mapping) and isinstance(stored.get(name), Mapping):
            stored = stored[name]
    if not isinstance(stored, Mapping) or not all(isinstance(v, torch.Tensor) for v in stored.values()):
        raise ConfigError(f"{path}: holds no state dict; get the file again")
    return dict(stored)


def half_state(network: nn.Module) -> dict[str, torch.Tensor]:
    """Round a network's weights to 16 bits, as they will be kept, and give its state in 16 bits."""
    state = {
        name: value.half() if value.is_floating_point() else value
        for name, value in network.state_dict().items()
    }
    network.load_state_dict(state)
    return state


def load_published(network: nn.Module, path: Path) -> None:
    """Load a checkpoint into a network, by the network's own rules where it has some.

    Raises
    ------
    ConfigError
        When the file is damaged or of another network.
    """
    state = read_state(path)
    adapt = getattr(network, "published_state", None)
    try:
        state = adapt(state) if adapt else state
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    load_state(network, state, path)


def load_state(network: nn.Module, state: Mapping[str, torch.Tensor], path: Path) -> None:
    """Load a state dict that was read from a file.

    Raises
    ------
    ConfigError
        When it is of another network.
    """
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        # The first line names the class, the others every name that doesn't fit.
        detail = " ".join(str(error).splitlines()[1:2]).strip()
        if len(detail) > 200:
            detail = detail[:200] + "..."
        raise ConfigError(f"{path}: weights of another network ({detail})") from None
