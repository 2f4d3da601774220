"""All that changes while a network is trained, and how it is kept on disk: a run resumes exactly."""

from __future__ import annotations

import copy
import io
from pathlib import Path
from typing import Any

import torch
from torch import nn

from asc_edge.atomic import write_atomically
from asc_edge_train.arithmetic import Precision
from asc_edge_train.training_config import TrainingConfig

__all__ = ["FitState", "WeightAverage", "build_optimiser"]


# Layers behind the embedding, by the names that the networks give them.
_HEAD = "classif"


class WeightAverage:
    """Exponential moving average of a network: weights and batch-norm statistics.

    It follows more closely at first, ``min(decay, (1 + updates) / (10 + updates))``, so that the first
    weights, which are random, are soon forgotten.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        for module in self.network.modules():
            if isinstance(module, nn.RNNBase):
                module.flatten_parameters()  # CUDA wants them side by side, which a copy's are not
        self.decay = decay
        self.updates = 0

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Take in the network's weights after an update."""
        self.updates += 1
        decay = min(self.decay, (1.0 + self.updates) / (10.0 + self.updates))
        averaged, newest = self.network.state_dict(), network.state_dict()
        for name, value in averaged.items():
            if value.is_floating_point():
                value.lerp_(newest[name], 1.0 - decay)
            else:  # counts of batches
                value.copy_(newest[name])

    def state_dict(self) -> dict[str, Any]:
        return {"network": self.network.state_dict(), "updates": self.updates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        self.updates = int(state["updates"])


def build_optimiser(network: nn.Module, config: TrainingConfig) -> torch.optim.Optimizer:
    """Adam with Keras's and torch's usual betas, or AdamW, which lets biases and batch norm be.

    Each group of parameters has a ``share`` of the learning rate: 1, or ``head_rate`` for the layers behind
    the embedding, which a network that starts from published weights has to learn anew.
    """
    rate, decay = config.learning_rate, config.weight_decay
    named = list(network.named_parameters())
    parts = [(1.0, [parameter for _, parameter in named])]
    if config.head_rate != 1.0:
        head = [parameter for name, parameter in named if name.startswith(_HEAD)]
        parts = [
            (1.0, [parameter for name, parameter in named if not name.startswith(_HEAD)]),
            (config.head_rate, head),
        ]
    if config.optimiser == "adam":
        adam = [{"params": members, "share": share, "lr": share * rate} for share, members in parts]
        return torch.optim.Adam(adam, lr=rate, weight_decay=decay)
    groups = []
    for share, members in parts:
        kernels = [parameter for parameter in members if parameter.ndim > 1]
        others = [parameter for parameter in members if parameter.ndim <= 1]
        groups.append({"params": kernels, "weight_decay": decay, "share": share, "lr": share * rate})
        groups.append({"params": others, "weight_decay": 0.0, "share": share, "lr": share * rate})
    return torch.optim.AdamW(groups, lr=rate)


class FitState:
    """Network, optimiser, loss scaler, weight average and history of a training run."""

    def __init__(self, network: nn.Module, config: TrainingConfig, precision: Precision) -> None:
        self.network = network
        self.optimiser = build_optimiser(network, config)
        self.scaler = precision.scaler()
        self.average = WeightAverage(network, config.ema_decay) if config.ema_decay else None
        self.history: list[dict[str, Any]] = []

    @property
    def answering(self) -> nn.Module:
        """The network that answers: the average where there is one."""
        return self.network if self.average is None else self.average.network

    def step(self, loss: torch.Tensor, clip_norm: float) -> None:
        """One update along the loss's gradient."""
        self.optimiser.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        if clip_norm:
            self.scaler.unscale_(self.optimiser)
            nn.utils.clip_grad_norm_(self.network.parameters(), clip_norm)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        if self.average is not None:
            self.average.update(self.network)

    def save(self, path: Path) -> None:
        """Write a checkpoint; one that was there is replaced at once or not at all."""
        state = {name: part.state_dict() for name, part in self._parts().items()}
        buffer = io.BytesIO()
        torch.save({**state, "history": self.history}, buffer)
        write_atomically(path, buffer.getvalue())

    def resume(self, path: Path | None) -> None:
        """Go on from a checkpoint, where there is one."""
        if path is None or not path.exists():
            return
        # weights_only: a checkpoint is read as data; it can't run code.
        state = torch.load(path, map_location="cpu", weights_only=True)
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        self.history = list(state["history"])

    def _parts(self) -> dict[str, Any]:
        parts = {"network": self.network, "optimiser": self.optimiser, "scaler": self.scaler}
        return parts if self.average is None else {**parts, "average": self.average}
