"""Several processes that run the same command, started by ``torchrun``: each trains some of the networks.

A network is trained by one process, so that it has the same bits however many there are; the grid points and
folds of a run keep as many processors or GPUs busy.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch

__all__ = ["ALONE", "Ranks", "torchrun_ranks"]

Item = TypeVar("Item")

# Networks differ in how long they take, and whoever is done first waits for the others.
_PATIENCE = timedelta(days=30)


@dataclass(frozen=True)
class Ranks:
    """This process among all of them.

    Attributes
    ----------
    number, count : int
        From 0; rank 0 does everything but training alone.
    """

    number: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        return self.number == 0

    def share(self, items: Sequence[Item]) -> list[Item]:
        """What this process works on."""
        return list(items[self.number :: self.count])

    def wait(self) -> None:
        """Go on when all processes are here."""
        if self.count > 1:
            torch.distributed.barrier()


ALONE = Ranks()


@contextmanager
def torchrun_ranks() -> Iterator[Ranks]:
    """The processes that ``torchrun`` started, or this one alone."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield ALONE
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
    torch.distributed.init_process_group("gloo", timeout=_PATIENCE)
    try:
        yield Ranks(torch.distributed.get_rank(), count)
    finally:
        torch.distributed.destroy_process_group()
