"""Independent pieces of work side by side: on this machine's processors, or on a Dask cluster.

joblib does the work. Results come back in order, whatever finishes first, so that they don't depend on how
many workers there are.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

import joblib
import torch
from threadpoolctl import threadpool_limits

from asc_edge.errors import UsageError

__all__ = ["SERIAL", "Parallel", "dask_cluster"]

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, eq=False)  # Dask asks for a hash, which a function's own fields may not have
class _OneThread(Generic[Item, Result]):
    """A function that computes with one thread: how many there are changes the last bits of sums."""

    function: Callable[[Item], Result]

    def __call__(self, item: Item) -> Result:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with threadpool_limits(1):
                return self.function(item)
        finally:
            torch.set_num_threads(threads)


@dataclass(frozen=True)
class Parallel:
    """How many pieces are worked on at a time, and where.

    Attributes
    ----------
    jobs : int
        Worker processes on this machine; 1 works in this process.
    dask : bool
        Work on the cluster that `dask_cluster` has connected, whatever ``jobs`` is.
    """

    jobs: int = 1
    dask: bool = False

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """``function(item)`` of every item, in order, as they become ready.

        Function and items are pickled to the workers. Each computes with one thread, in this process too, so
        that results have the same bits on one worker and on many.
        """
        single = _OneThread(function)
        if self.jobs == 1 and not self.dask:
            return map(single, items)
        return self._pooled(single, items)

    def _pooled(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        backend, jobs = ("dask", -1) if self.dask else ("loky", self.jobs)
        with joblib.parallel_config(backend, n_jobs=jobs):
            yield from joblib.Parallel(return_as="generator")(
                joblib.delayed(function)(item) for item in items
            )

    def rest(self) -> None:
        """End this machine's workers until there is more to do: a killed run must not leave them waiting."""
        if self.jobs > 1 and not self.dask:
            from joblib.externals.loky import get_reusable_executor

            get_reusable_executor().shutdown(wait=True)


SERIAL = Parallel()


@contextlib.contextmanager
def dask_cluster(address: str | None) -> Iterator[bool]:
    """Connect to a Dask cluster for as long as the context lasts; False where no address is given.

    Raises
    ------
    UsageError
        When Dask isn't installed, or the scheduler doesn't answer.
    """
    if address is None:
        yield False
        return
    try:
        from dask.distributed import Client
    except ModuleNotFoundError:
        raise UsageError("--dask needs Dask: pip install 'asc-edge[cluster]'") from None
    try:
        client = Client(address, timeout="10s")
    except (OSError, TimeoutError, ValueError) as error:
        reason = (str(error).splitlines() or ["no answer"])[0]
        raise UsageError(f"--dask {address}: no scheduler there: {reason}") from None
    try:
        yield True
    finally:
        client.close()
