"""Inference engines behind one small protocol: a network is a function from windows to rows of numbers.

A network is loaded once: `load_engine` holds its shapes against those that the bundle promises, and runs it,
so that a bundle which doesn't fit is refused before anything is heard, and the first decision is as quick as
any.
"""

from __future__ import annotations

import time
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from asc_edge.engines._common import Shape
from asc_edge.errors import EngineError

__all__ = ["Engine", "Shape", "load_engine"]


class Engine(Protocol):
    """A loaded network.

    Attributes
    ----------
    file_name : str
        The network's name in its bundle, for errors.
    runtime : str
        What runs it, with its version: ``"ONNX Runtime 1.31.1"``.
    takes, gives : tuple of int or None
        Shapes that the network declares for each window, without the batch; those found once it is warmed up.
    load_ms, warm_up_ms : float
        How long loading took, and the run that warmed it up (0.0 where there was none).
    """

    file_name: str
    runtime: str
    takes: Shape
    gives: Shape
    load_ms: float
    warm_up_ms: float

    def run(self, pictures: NDArray[np.float32]) -> NDArray[np.float32]:
        """Score a batch: all channels in one call, where the network allows it.

        Parameters
        ----------
        pictures : np.ndarray [shape=(n, 1, mels, frames), dtype=float32]
            What the member's input says; (n, features, columns) for the head of a network in two parts.

        Returns
        -------
        np.ndarray [shape=(n, outputs), dtype=float32]
            Or (n, features, columns) of a trunk. Never the engine's own memory.

        Raises
        ------
        EngineError
            When the network doesn't take pictures of this shape.
        """
        ...


def load_engine(
    file_name: str,
    data: bytes,
    threads: int = 1,
    *,
    takes: Shape | None = None,
    gives: Shape | None = None,
    channels: int = 1,
) -> Engine:
    """Load a network with the engine that its file name's ending asks for.

    Parameters
    ----------
    file_name : str
        ``*.onnx`` or ``*.tflite``.
    data : bytes
        The network. Only bytes of a verified bundle belong here.
    threads : int
        How many threads one inference may use.
    takes, gives : tuple of int, optional
        What the bundle will hand to it and wants back for each window, such as ``(1, mels, frames)`` and
        ``(outputs,)``; ``gives`` may leave a size open, with None. Given both, the network is held
        against them and warmed up.
    channels : int
        How many windows it is warmed up for.

    Raises
    ------
    EngineError
        When no engine for it is installed, the network is refused, or its shapes are others.
    """
    start = time.perf_counter()
    engine = _load(file_name, data, threads)
    engine.load_ms = 1e3 * (time.perf_counter() - start)
    if takes is not None and gives is not None:
        _check_declared(engine, takes, gives)
        start = time.perf_counter()
        _warm_up(engine, takes, gives, channels)
        engine.warm_up_ms = 1e3 * (time.perf_counter() - start)
    return engine


def _load(file_name: str, data: bytes, threads: int) -> Engine:
    if file_name.endswith(".onnx"):
        from asc_edge.engines.onnx import OnnxEngine

        return OnnxEngine(file_name, data, threads)
    if file_name.endswith(".tflite"):
        from asc_edge.engines.litert import LiteRtEngine

        return LiteRtEngine(file_name, data, threads)
    raise EngineError(f"{file_name}: no engine runs this kind of network; upgrade asc-edge to use it")


def _check_declared(engine: Engine, takes: Shape, gives: Shape) -> None:
    if not _fits(engine.takes, takes):
        raise EngineError(
            f"{engine.file_name}: takes windows of shape {_words(engine.takes)}, its front end gives "
            f"{_words(takes)}; they don't belong together: ask for another bundle"
        )
    if not _fits(engine.gives, gives):
        raise _wrong_output(engine, engine.gives, gives)


def _warm_up(engine: Engine, takes: Shape, gives: Shape, channels: int) -> None:
    """Run once as every decision will: what an engine sets up on the way is there afterwards."""
    sizes = [size for size in takes if size is not None]
    answer = engine.run(np.zeros((channels, *sizes), np.float32))
    if answer.shape[:1] != (channels,) or not _fits(answer.shape[1:], gives):
        raise _wrong_output(engine, answer.shape[1:], gives)
    engine.takes, engine.gives = takes, answer.shape[1:]


def _wrong_output(engine: Engine, found: Shape, gives: Shape) -> EngineError:
    return EngineError(
        f"{engine.file_name}: gives {_words(found)} for each window, its manifest says {_words(gives)}; "
        "they don't belong together: ask for another bundle"
    )


def _fits(found: Shape, wanted: Shape) -> bool:
    return len(found) == len(wanted) and all(
        size is None or want is None or size == want for size, want in zip(found, wanted, strict=True)
    )


def _words(shape: Shape) -> str:
    return f"({', '.join('any' if size is None else str(size) for size in shape)})"
