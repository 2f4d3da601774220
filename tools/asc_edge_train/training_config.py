"""How a network is trained: the `[members.training]` table of a recipe."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["TrainingConfig"]


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How one network is trained.

    Attributes
    ----------
    balance : float
        0 draws classes as often as they come, 1 draws all equally often.
    mixing : float
        Share of batches that are mixed between classes.
    lr_decay : float
        Keras's time decay per update: ``lr / (1 + lr_decay * updates)``.
    anneal_epochs : int
        Over so many last epochs the rate falls in a straight line towards 0 as well, so that the network that
        ships doesn't depend on which batch came last.
    noise_floor_db : list of float
        White noise at a random level relative to the loudest cell, or empty for none.
    autocast : str
        ``"bfloat16"`` where the processor does it fast, or ``"none"``.
    """

    epochs: int
    samples_per_epoch: int
    batch: int = 64
    learning_rate: float = 0.001
    lr_decay: float = 0.002
    anneal_epochs: int = 0
    weight_decay: float = 0.0
    balance: float = 1.0
    mixing: float = 0.0
    time_shift: bool = False
    frequency_masks: int = 0
    frequency_mask_mels: int = 8
    noise_floor_db: list[float] = field(default_factory=list)
    autocast: str = "none"
