"""The convolution block that both networks are built of."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import nn

from asc_edge.errors import ConfigError

__all__ = ["BlockDropout", "conv_blocks", "initialise", "rows_left"]

_ACTIVATIONS: dict[str, type[nn.Module]] = {"elu": nn.ELU, "relu": nn.ReLU, "silu": nn.SiLU}
# Weight of the newest batch in the running statistics, and epsilon. Keras calls the first 1 - momentum.
_BATCH_NORMS = {"mixed": (0.1, 1e-3), "keras": (0.01, 1e-3), "torch": (0.1, 1e-5)}
_INITIALISERS = ("torch", "keras")
_STEPS = 1 << 16


class BlockDropout(nn.Dropout):
    """Dropout of whole maps' cells, with a mask made of 16-bit noise.

    What torch draws on a CPU, one double at a time, takes a fifth of a training step. The probability is
    rounded to 1/65536; the mask depends on torch's seed alone, as torch's own does.
    """

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Maps of the same shape; as they are in evaluation."""
        if not self.training or self.p == 0.0 or maps.device.type != "cpu":
            return super().forward(maps)
        dropped = round(self.p * _STEPS)
        seed = int(torch.randint(1 << 62, ()))
        count = maps.numel()
        # Raw 64-bit words are four times as fast as drawing what they hold.
        noise = np.random.SFC64(seed).random_raw(-(-count // 4)).view(np.int16)[:count]
        kept = torch.from_numpy(noise) >= dropped - _STEPS // 2
        scale = kept.to(maps.dtype).mul_(_STEPS / (_STEPS - dropped))
        batch, channels, rows, columns = maps.shape
        # In the order in which the maps lie in memory.
        return maps * scale.view(batch, rows, columns, channels).permute(0, 3, 1, 2)


class SymmetricInput(nn.Module):
    """Pictures in [0, 1] to [-1, 1]; part of the network, so that it ships with it."""

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        return 2.0 * picture - 1.0


def conv_blocks(
    filters: Sequence[int],
    kernels: Sequence[int],
    pools: Sequence[Sequence[int]],
    *,
    strides: Sequence[Sequence[int]] | None = None,
    dropout: float = 0.0,
    activation: str = "elu",
    batch_norm: str = "mixed",
    conv_bias: bool = False,
    input_scaling: str = "unit",
    pool_first: bool = False,
) -> nn.Sequential:
    """Blocks of convolution, batch norm on the channel axis, ELU, max-pool (mels, frames) and dropout.

    CRNN paper, section on convolutional recurrent networks; everything that has a field here, but for the
    order of the layers and ELU, is not in the paper.

    Parameters
    ----------
    filters, kernels, pools, strides
        One entry per block. Maps keep their size but for strides and pools, which round down what a pool
        doesn't fill. A stride in the first block, in place of its pool, halves the cost of training: its
        maps are the largest by far.
    dropout : float
        After every block.
    activation : {"elu", "relu", "silu"}
    batch_norm : {"mixed", "keras", "torch"}
        ``keras``: momentum 0.99, epsilon 1e-3. ``torch``: momentum 0.1 in torch's sense (Keras's 0.9),
        epsilon 1e-5. ``mixed``: torch's momentum, for few updates, with Keras's epsilon.
    conv_bias : bool
        A bias that batch norm takes out again; Keras has one by default.
    input_scaling : {"unit", "symmetric"}
        Pictures as they come, in [0, 1], or moved to [-1, 1], as auDeep does.
    pool_first : bool
        Pool before the activation: the same answers, since the maximum commutes with what never falls, for
        a quarter of the activation's cost. Gradients of cells that tie may go to the other cell.

    Raises
    ------
    ConfigError
        For lists of different lengths, or an unknown choice.
    """
    strides = strides or [(1, 1)] * len(filters)
    if not len(filters) == len(kernels) == len(pools) == len(strides):
        raise ConfigError("network: filters, kernels, pools and strides must be of one length")
    _check_choice("activation", activation, _ACTIVATIONS)
    _check_choice("batch_norm", batch_norm, _BATCH_NORMS)
    _check_choice("input_scaling", input_scaling, ("unit", "symmetric"))
    if pool_first and activation == "silu":
        raise ConfigError("network: pool_first is for elu and relu: silu falls before it rises")
    momentum, epsilon = _BATCH_NORMS[batch_norm]
    blocks: list[nn.Module] = [SymmetricInput()] if input_scaling == "symmetric" else []
    shapes = zip(pairwise([1, *filters]), kernels, pools, strides, strict=True)
    for (before, after), kernel, pool, stride in shapes:
        convolution = _convolution(before, after, kernel, stride, bias=conv_bias)
        blocks += [*convolution, nn.BatchNorm2d(after, eps=epsilon, momentum=momentum)]
        last: list[nn.Module] = [_ACTIVATIONS[activation]()]
        if max(pool) > 1:
            last.insert(0 if pool_first else 1, nn.MaxPool2d((int(pool[0]), int(pool[1]))))
        blocks += last
        if dropout > 0:
            blocks.append(BlockDropout(dropout))
    return nn.Sequential(*blocks)


def _convolution(
    before: int, after: int, kernel: int, stride: Sequence[int], *, bias: bool
) -> list[nn.Module]:
    """Convolution that keeps the maps' size but for its stride."""
    step = (int(stride[0]), int(stride[1]))
    if kernel % 2:
        return [nn.Conv2d(before, after, kernel, step, kernel // 2, bias=bias)]
    # An even kernel has no centre: one row less before than after, as Keras's "same" padding does.
    edges = (kernel // 2 - 1, kernel // 2, kernel // 2 - 1, kernel // 2)
    return [nn.ZeroPad2d(edges), nn.Conv2d(before, after, kernel, step, 0, bias=bias)]


def initialise(network: nn.Module, initialiser: str) -> None:
    """Set a new network's weights as a framework does.

    ``torch`` leaves them as they were made. ``keras``: kernels Glorot-uniform (a GRU's three gates as the one
    matrix that Keras keeps), recurrent kernels orthogonal, biases 0.

    Raises
    ------
    ConfigError
        For another initialiser.
    """
    _check_choice("initialiser", initialiser, _INITIALISERS)
    if initialiser == "torch":
        return
    for module in network.modules():
        if not isinstance(module, (nn.Conv2d, nn.Linear, nn.GRU)):
            continue
        for name, parameter in module.named_parameters():
            if "bias" in name:
                nn.init.zeros_(parameter)
            elif "weight_hh" in name:
                nn.init.orthogonal_(parameter)
            else:
                nn.init.xavier_uniform_(parameter)


def rows_left(mels: int, pools: Sequence[Sequence[int]], strides: Sequence[Sequence[int]] | None) -> int:
    """Rows of the frequency axis after all blocks.

    Raises
    ------
    ConfigError
        When nothing is left.
    """
    if strides is not None and len(strides) != len(pools):
        raise ConfigError("network: filters, kernels, pools and strides must be of one length")
    rows = mels
    for pool, stride in zip(pools, strides or [(1, 1)] * len(pools), strict=True):
        rows = -(-rows // int(stride[0])) // int(pool[0])
    if rows < 1:
        raise ConfigError(f"network: pools and strides leave nothing of {mels} mel bands")
    return rows


def _check_choice(name: str, value: str, known: Sequence[str] | dict[str, object]) -> None:
    if value not in known:
        raise ConfigError(f"network: {name} is one of {', '.join(known)}, not {value!r}")
