"""Inference engines behind one small protocol: a network is a function from pictures to rows of numbers."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from asc_edge.errors import EngineError

__all__ = ["Engine", "load_engine"]


class Engine(Protocol):
    """A loaded network."""

    def run(self, pictures: NDArray[np.float32]) -> NDArray[np.float32]:
        """Score a batch.

        Parameters
        ----------
        pictures : np.ndarray [shape=(n, 1, mels, frames), dtype=float32]
            Windows scaled to [0, 1].

        Returns
        -------
        np.ndarray [shape=(n, outputs), dtype=float32]

        Raises
        ------
        EngineError
            When the network doesn't take pictures of this shape.
        """
        ...


def load_engine(file_name: str, data: bytes, threads: int = 1) -> Engine:
    """Load a network with the engine that its file name's ending asks for.

    Parameters
    ----------
    file_name : str
        ``*.onnx`` or ``*.tflite``.
    data : bytes
        The network. Only bytes of a verified bundle belong here.
    threads : int
        How many threads one inference may use.

    Raises
    ------
    EngineError
        When no engine for it is installed, or the network is refused.
    """
    if file_name.endswith(".onnx"):
        from asc_edge.engines.onnx import OnnxEngine

        return OnnxEngine(file_name, data, threads)
    if file_name.endswith(".tflite"):
        from asc_edge.engines.litert import LiteRtEngine

        return LiteRtEngine(file_name, data, threads)
    raise EngineError(f"{file_name}: no engine runs this kind of network; upgrade asc-edge to use it")
