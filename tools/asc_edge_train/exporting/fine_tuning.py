"""Networks that learn to live with 8 bits, for those that lose too much when they are merely rounded.

A copy of the trained network, whose convolutions round weights and activations as the device will, learns
to give the trained network's own answers again (Jacob et al. 2018, section 3; gradients pass the rounding as
if it weren't there). It hears clips of the network's training folds alone. No labels are needed, and what
stands behind the network, an SVM say, needn't be fitted again.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.utils import parametrize
from torch.nn.utils.fusion import fuse_conv_bn_eval

from asc_edge_train.arithmetic import deterministic
from asc_edge_train.exporting.integers import LIMIT, affine
from asc_edge_train.exporting.onnx_float import Shipped
from asc_edge_train.recipe import MemberConfig

__all__ = ["EPOCHS", "fine_tune", "fold_batch_norms"]

EPOCHS = 4
# Of the rate that the network was trained with. At ten times as much it forgets more than it learns.
_RATE = 0.01

Batches = Callable[[np.random.Generator], Any]


def fold_batch_norms(network: nn.Module) -> nn.Module:
    """A copy for inference whose convolutions hold the batch norms behind them: what a device rounds."""
    folded = copy.deepcopy(network).eval()
    for part in list(folded.modules()):
        if not isinstance(part, nn.Sequential):
            continue
        for before, after in pairwise(range(len(part))):
            if isinstance(part[before], nn.Conv2d) and isinstance(part[after], nn.BatchNorm2d):
                part[before] = fuse_conv_bn_eval(part[before], part[after])
                part[after] = nn.Identity()
    return folded


def fine_tune(
    network: nn.Module,
    member: MemberConfig,
    windows: np.ndarray,
    batches: Batches,
    seed: list[int],
    *,
    epochs: int = EPOCHS,
) -> nn.Module:
    """A network with folded batch norms that gives ``network``'s answers after it is rounded to 8 bits.

    Parameters
    ----------
    network : nn.Module
        Trained.
    windows : ndarray (n, 1, mels, frames)
        What activations' ranges are taken from.
    batches : callable
        From a generator of random numbers to the batches (n, 1, mels, frames) of one epoch.
    seed : list of int
    """
    assert member.training is not None
    teacher = Shipped(network.eval(), member.kind)
    tuned = fold_batch_norms(network)
    student = Shipped(tuned, member.kind)
    convolutions = [part for part in tuned.modules() if isinstance(part, nn.Conv2d)]
    handles = [handle for part in convolutions for handle in _round_activations(part, student, windows)]
    for part in convolutions:
        parametrize.register_parametrization(part, "weight", _RoundedWeight())
    optimiser = torch.optim.Adam(tuned.parameters(), lr=_RATE * member.training.learning_rate)
    with deterministic(torch.device("cpu")):
        for epoch in range(epochs):
            for batch in batches(np.random.default_rng([*seed, epoch])):
                heard = torch.from_numpy(batch)
                with torch.no_grad():
                    wanted = teacher(heard)
                optimiser.zero_grad()
                _loss(student(heard), wanted, member.kind).backward()
                optimiser.step()
    for handle in handles:
        handle.remove()
    for part in convolutions:
        parametrize.remove_parametrizations(part, "weight", leave_parametrized=False)
    return tuned.eval()


def _loss(answer: torch.Tensor, wanted: torch.Tensor, kind: str) -> torch.Tensor:
    """Relative entropy of posteriors, or squared error of embeddings over their spread."""
    if kind == "posterior":
        tiny = torch.finfo(answer.dtype).tiny
        return torch.sum(wanted * (wanted.clamp_min(tiny).log() - answer.clamp_min(tiny).log()), dim=1).mean()
    spread = wanted.var(dim=0, unbiased=False).mean().clamp_min(torch.finfo(answer.dtype).eps)
    return torch.mean((answer - wanted) ** 2) / spread


class _RoundedWeight(nn.Module):
    """Weights as their codes stand for them, a scale for each output channel."""

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        largest = weight.detach().abs().amax(dim=(1, 2, 3))
        scale = torch.where(largest > 0, largest / LIMIT, torch.ones_like(largest))
        zeros = torch.zeros(len(scale), dtype=torch.int32)
        return torch.fake_quantize_per_channel_affine(weight, scale, zeros, 0, -LIMIT, LIMIT)


def _round_activations(part: nn.Conv2d, student: nn.Module, windows: np.ndarray) -> list[Any]:
    """Hooks that round what a convolution takes and gives, in the ranges that it has on some windows."""
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    handle = part.register_forward_hook(lambda _, taken, given: seen.append((taken[0], given)))
    with torch.inference_mode():
        student(torch.from_numpy(windows))
    handle.remove()
    taken, given = (affine(float(value.min()), float(value.max())) for value in seen[0])

    def rounded(value: torch.Tensor, codes: Any) -> torch.Tensor:
        scale, zero = float(codes.scale), int(codes.zero_point)
        return torch.fake_quantize_per_tensor_affine(value, scale, zero, 0, 255)

    return [
        part.register_forward_pre_hook(lambda _, values: (rounded(values[0], taken),)),
        part.register_forward_hook(lambda _, __, value: rounded(value, given)),
    ]
