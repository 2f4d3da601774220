"""Where a network is trained and in which numbers: device, mixed precision, determinism."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from asc_edge.errors import ConfigError

__all__ = ["Precision", "deterministic", "pick_device", "pick_precision"]


@dataclass(frozen=True)
class Precision:
    """Numbers that a training step computes in.

    Attributes
    ----------
    device : str
        Type of the device.
    dtype : torch.dtype or None
        Numbers of convolutions and matrix products; None for 32-bit floats.
    scaled : bool
        Whether the loss is scaled up, so that small gradients don't fall under what 16 bits can hold.
    """

    device: str
    dtype: torch.dtype | None
    scaled: bool

    def autocast(self) -> torch.autocast:
        return torch.autocast(self.device, self.dtype or torch.bfloat16, enabled=self.dtype is not None)

    def scaler(self) -> torch.amp.GradScaler:
        """Loss scaler; without ``scaled`` it hands through."""
        return torch.amp.GradScaler(self.device, enabled=self.scaled)


def pick_device(name: str) -> torch.device:
    """Device of a recipe's ``device``: ``auto`` is CUDA where there is one.

    Raises
    ------
    ConfigError
        When CUDA is asked for and isn't there.
    """
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise ConfigError('training: device is "cuda", and torch finds none; take "auto" or "cpu"')
    return torch.device("cuda" if there and name != "cpu" else "cpu")


def pick_precision(autocast: str, device: torch.device) -> Precision:
    """Precision of a recipe's ``autocast`` on a device.

    ``float16`` is for CUDA; on a CPU, which does it no faster, 32-bit floats take its place.
    """
    if autocast == "bfloat16":
        return Precision(device.type, torch.bfloat16, scaled=False)
    if autocast == "float16" and device.type == "cuda":
        return Precision(device.type, torch.float16, scaled=True)
    return Precision(device.type, None, scaled=False)


@contextmanager
def deterministic(device: torch.device) -> Iterator[None]:
    """Have CUDA sum in the same order every time, where it can. A CPU with one thread does anyway."""
    if device.type != "cuda":
        yield
        return
    # cuBLAS reads it when it is first used; without it, its sums depend on which stream was free.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    enabled, warns = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    fills, benchmark = torch.utils.deterministic.fill_uninitialized_memory, torch.backends.cudnn.benchmark
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False
    torch.backends.cudnn.benchmark = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(enabled, warn_only=warns)
        torch.utils.deterministic.fill_uninitialized_memory = fills
        torch.backends.cudnn.benchmark = benchmark
