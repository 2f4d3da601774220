"""LiteRT (TensorFlow Lite), by ai-edge-litert or, where that is what is installed, the old tflite-runtime."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asc_edge.engines._common import Shape, one_line
from asc_edge.errors import EngineError

_INSTALL = "pip install 'asc-edge[tflite]'"
# The last release; the extension in it was built for numpy 1.
_OLD_RUNTIME = (2, 14)
_STDERR = 2


@dataclass(frozen=True)
class _Tensor:
    """An input or output: where it is, and how its whole numbers stand for real ones.

    Attributes
    ----------
    index : int
    shape : tuple of int
        With the batch.
    dtype : np.dtype
        float32, or the whole numbers of a fully quantised network.
    scale, zero_point : float, int
        ``real = scale * (whole - zero_point)``; unused with float32.
    """

    index: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    scale: float
    zero_point: int

    @classmethod
    def of(cls, details: dict[str, Any], file_name: str) -> _Tensor:
        """Read what the interpreter says of a tensor; EngineError where it is of another kind."""
        dtype = np.dtype(details["dtype"])
        scale, zero_point = details["quantization"]
        if dtype != np.float32 and not (dtype.kind in "iu" and dtype.itemsize <= 2 and scale > 0.0):
            raise EngineError(
                f"{file_name}: has a {dtype} tensor outside, which is neither float nor quantised"
            )
        shape = tuple(int(size) for size in details["shape"])
        return cls(details["index"], shape, dtype, float(scale), int(zero_point))

    def to_stored(self, values: NDArray[np.float32]) -> NDArray[Any]:
        """What the network takes for these numbers."""
        if self.dtype == np.float32:
            return values
        limits = np.iinfo(self.dtype)
        whole = np.rint(values / np.float32(self.scale)) + self.zero_point
        clipped: NDArray[Any] = np.clip(whole, limits.min, limits.max)
        return clipped.astype(self.dtype)

    def to_real(self, stored: NDArray[Any]) -> NDArray[np.float32]:
        """The numbers that the network's answer stands for."""
        if self.dtype == np.float32:
            return stored.astype(np.float32, copy=False)
        real: NDArray[np.float32] = stored.astype(np.float32) - np.float32(self.zero_point)
        real *= np.float32(self.scale)
        return real


class LiteRtEngine:
    """A TFLite network on the CPU, by XNNPACK where that is built in.

    The channels go through one by one: torch's networks are converted for a batch of one. Where a network
    leaves its batch open, all channels go through in one call.
    """

    load_ms = 0.0
    warm_up_ms = 0.0

    def __init__(self, file_name: str, data: bytes, threads: int = 1) -> None:
        interpreter_class, self.runtime = _interpreter_class(file_name)
        self.file_name = file_name
        try:
            with _without_remarks():
                self._interpreter = interpreter_class(model_content=data, num_threads=threads)
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError, SystemError, MemoryError) as error:
            raise EngineError(
                f"{file_name}: {self.runtime} refuses it: {one_line(error)}; upgrade it, or ask for another "
                "bundle"
            ) from None
        inputs, outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        # Four dimensions are pictures', three those of the columns that the head of a network in parts takes.
        if len(inputs) != 1 or len(outputs) != 1 or len(inputs[0]["shape"]) not in (3, 4):
            raise EngineError(f"{file_name}: is no network of one picture input and one output")
        self._input, self._output = (_Tensor.of(details[0], file_name) for details in (inputs, outputs))
        declared = inputs[0].get("shape_signature", inputs[0]["shape"])
        self._open_batch = len(declared) > 0 and int(declared[0]) == -1
        if self._input.shape[0] != 1:
            raise EngineError(f"{file_name}: takes {self._input.shape[0]} windows at a time, not one")
        self._batch = 1
        self.takes: Shape = self._input.shape[1:]
        self.gives: Shape = self._output.shape[1:]

    def run(self, pictures: NDArray[np.float32]) -> NDArray[np.float32]:
        """See :class:`asc_edge.engines.Engine`."""
        if pictures.shape[1:] != self.takes:
            raise EngineError(
                f"{self.file_name}: takes pictures of shape {self.takes}, not {pictures.shape[1:]}"
            )
        stored = self._input.to_stored(pictures)
        batch = len(pictures) if self._open_batch else 1
        try:
            if batch != self._batch:
                self._resize(batch)
            answers = [self._invoke(stored[start : start + batch]) for start in range(0, len(stored), batch)]
        except (ValueError, RuntimeError) as error:
            raise EngineError(f"{self.file_name}: {self.runtime}: {one_line(error)}") from None
        return self._output.to_real(np.concatenate(answers))

    def _resize(self, batch: int) -> None:
        self._batch = 0  # whatever stops it halfway, the next run begins anew
        with _without_remarks():
            self._interpreter.resize_tensor_input(self._input.index, (batch, *self.takes))
            self._interpreter.allocate_tensors()
        self._batch = batch

    def _invoke(self, stored: NDArray[Any]) -> NDArray[Any]:
        self._interpreter.set_tensor(self._input.index, stored)
        self._interpreter.invoke()
        answer: NDArray[Any] = self._interpreter.get_tensor(self._output.index)  # a copy
        return answer


def _interpreter_class(file_name: str) -> tuple[Any, str]:
    """The interpreter, and its name with the version of what brought it."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        return _old_interpreter_class(file_name)
    return Interpreter, f"LiteRT {_version('ai-edge-litert')}"


def _old_interpreter_class(file_name: str) -> tuple[Any, str]:
    try:
        import tflite_runtime
    except ImportError:
        raise EngineError(f"{file_name} needs LiteRT; install it with: {_INSTALL}") from None
    release = str(getattr(tflite_runtime, "__version__", ""))
    # Asked in advance: by itself it imports cleanly, prints two screens of numpy's warnings and then fails.
    if np.lib.NumpyVersion(np.__version__) >= "2.0.0" and _is_old(release):
        raise EngineError(
            f"{file_name}: tflite-runtime {release} doesn't run with numpy {np.__version__}; install the "
            f"engine that followed it with: {_INSTALL}, or numpy<2"
        )
    try:
        from tflite_runtime.interpreter import Interpreter
    except ImportError as error:
        raise EngineError(
            f"{file_name}: tflite-runtime can't be loaded: {one_line(error)}; install {_INSTALL}"
        ) from None
    return Interpreter, f"tflite-runtime {release or _version('tflite-runtime')}"


def _is_old(release: str) -> bool:
    parts = release.split(".")[:2]
    return all(part.isdecimal() for part in parts) and tuple(map(int, parts)) <= _OLD_RUNTIME


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "of unknown version"


@contextmanager
def _without_remarks() -> Iterator[None]:
    """Keep LiteRT's remarks, such as that it uses XNNPACK, off standard error; all else is passed on.

    They are written past Python, into the file descriptor, and nothing outside the library turns them off.
    """
    try:
        held, stderr = os.memfd_create("remarks"), os.dup(_STDERR)
    except (AttributeError, OSError):  # another system than Linux, or standard error is closed
        yield
        return
    os.dup2(held, _STDERR)
    try:
        yield
    finally:
        os.dup2(stderr, _STDERR)
        with os.fdopen(held, "rb") as lines, os.fdopen(stderr, "wb") as passed_on, suppress(OSError):
            lines.seek(0)
            passed_on.writelines(line for line in lines if not line.startswith(b"INFO: "))
