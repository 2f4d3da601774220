"""What a network costs: parameters and multiply-accumulates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

__all__ = ["multiply_accumulates", "parameter_count"]


def parameter_count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def multiply_accumulates(network: nn.Module, mels: int, frames: int) -> int:
    """Multiply-accumulates of convolutions, GRUs and linear layers for one picture."""
    return operation_count(network, (1, mels, frames))


@torch.inference_mode()
def operation_count(network: nn.Module, shape: Sequence[int]) -> int:
    """The same for one example of any shape, given without the batch."""
    counts: list[int] = []

    def count(module: nn.Module, _inputs: Any, output: Any) -> None:
        weights = sum(p.numel() for name, p in module.named_parameters() if "weight" in name)
        if isinstance(module, nn.Conv2d):
            counts.append(weights * output.shape[2] * output.shape[3])
        elif isinstance(module, nn.GRU):
            counts.append(weights * output[0].shape[1])
        elif isinstance(module, nn.Linear):
            counts.append(weights)

    handles = [module.register_forward_hook(count) for module in network.modules()]
    try:
        network.eval()(torch.zeros(1, *shape))
    finally:
        for handle in handles:
            handle.remove()
    return sum(counts)
