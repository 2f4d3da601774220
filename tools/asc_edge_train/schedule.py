"""Learning rates: Keras's time decay, cosine and one cycle, each with a rise and an annealed end."""

from __future__ import annotations

import math

from asc_edge_train.training_config import TrainingConfig

__all__ = ["decayed_rate", "learning_rate"]

# One cycle as torch has it: starts at a 25th of the highest rate, ends at a 10000th of that; without a rise
# of the recipe's own, it rises over three tenths.
_FIRST_PART = 25.0
_LAST_PART = 1e4
_RISE = 0.3


def decayed_rate(rate: float, decay: float, updates: int) -> float:
    """Learning rate after a number of updates: Keras's time decay, ``rate / (1 + decay * updates)``."""
    return rate / (1.0 + decay * updates)


def learning_rate(config: TrainingConfig, updates: int, total: int) -> float:
    """Learning rate after ``updates`` of ``total`` updates.

    ``time_decay`` falls as Keras's does, ``cosine`` along half a cosine to 0 (SGDR, Loshchilov and Hutter
    2017, without restarts); both rise in a straight line first, over the warm-up. ``one_cycle`` rises and
    falls along half cosines (Smith and Topin 2018). Whatever it is, it is annealed at the end.
    """
    rise = total * config.warmup_epochs / config.epochs
    if config.schedule == "one_cycle":
        rate = _one_cycle(config.learning_rate, updates, total, rise or _RISE * total)
    elif config.schedule == "cosine":
        rate = _cosine(config.learning_rate, 0.0, (updates - rise) / max(1.0, total - rise))
    else:
        rate = decayed_rate(config.learning_rate, config.lr_decay, updates)
    if config.schedule != "one_cycle" and updates < rise:
        rate *= min(1.0, (updates + 1) / rise)
    annealed = total * config.anneal_epochs // config.epochs
    return rate * min(1.0, (total - updates) / annealed) if annealed else rate


def _one_cycle(highest: float, updates: int, total: int, rise: float) -> float:
    first, peak = highest / _FIRST_PART, max(1e-9, rise - 1.0)
    if updates <= peak:
        return _cosine(first, highest, updates / peak)
    return _cosine(highest, first / _LAST_PART, (updates - peak) / max(1e-9, total - 1 - peak))


def _cosine(first: float, last: float, done: float) -> float:
    """Half a cosine from one value to another; ``done`` is clipped to 0 and 1."""
    return last + (first - last) * 0.5 * (1.0 + math.cos(math.pi * min(1.0, max(0.0, done))))
