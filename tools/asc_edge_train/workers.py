"""Training networks in worker processes, with progress, and an end that leaves nothing half done."""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, Future, ProcessPoolExecutor, wait
from typing import Any

import torch

from asc_edge_train.networks import NetworkTask, train_task

__all__ = ["train_all"]

_POLL_S = 0.5
_reports: Any = None


def train_all(tasks: list[NetworkTask], jobs: int, progress: Callable[[int], None]) -> None:
    """Train every network that isn't trained yet, ``jobs`` at a time with one thread each.

    One thread per network: a network gets the same bits whatever ``jobs`` is.

    Raises
    ------
    KeyboardInterrupt
        After the workers are gone. Their checkpoints are whole, since they are written atomically.
    """
    todo = [task for task in tasks if not task.done]
    progress(sum(task.member.training.epochs for task in tasks if task.done))
    if jobs == 1 or len(todo) <= 1:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            for task in todo:
                train_task(task, progress)
        finally:
            torch.set_num_threads(threads)
        return
    context = multiprocessing.get_context("spawn")
    reports = context.Queue()
    with ProcessPoolExecutor(jobs, context, initializer=_start_worker, initargs=(reports,)) as pool:
        futures = [pool.submit(_work, task) for task in todo]
        try:
            _follow(futures, reports, progress)
        except BaseException:
            for process in list((pool._processes or {}).values()):
                process.terminate()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _follow(futures: list[Future[None]], reports: Any, progress: Callable[[int], None]) -> None:
    pending: set[Future[None]] = set(futures)
    while pending:
        done, pending = wait(pending, timeout=_POLL_S, return_when=FIRST_EXCEPTION)
        try:
            while True:
                progress(reports.get_nowait())
        except queue.Empty:
            pass
        for future in done:
            future.result()


def _start_worker(reports: Any) -> None:
    global _reports  # noqa: PLW0603  the only way into a pool's worker
    _reports = reports
    # Ctrl-C reaches the whole process group; the parent decides what happens.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)


def _work(task: NetworkTask) -> None:
    train_task(task, _report)


def _report(epochs: int) -> None:
    """Tell the parent, or leave where there is none any more: a killed run must not train on in the dark."""
    parent = multiprocessing.parent_process()
    if parent is not None and not parent.is_alive():
        os._exit(1)
    _reports.put(epochs)
