"""LiteRT (TensorFlow Lite), by ai-edge-litert or, where that is what is installed, the old tflite-runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from asc_edge.errors import EngineError


class LiteRtEngine:
    """A TFLite network on the CPU. Its shapes are fixed, so the channels of a batch go through one by one."""

    def __init__(self, file_name: str, data: bytes, threads: int = 1) -> None:
        interpreter_class = _interpreter_class(file_name)
        try:
            self._interpreter = interpreter_class(model_content=data, num_threads=threads)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError, SystemError) as error:
            # tflite-runtime 2.14 under numpy 2 imports cleanly and fails just here, with a SystemError.
            hint = "; tflite-runtime needs numpy<2" if isinstance(error, SystemError) else ""
            raise EngineError(
                f"{file_name}: LiteRT refuses it: {' '.join(str(error).split())[:300]}{hint}"
            ) from None
        inputs, outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        if len(inputs) != 1 or len(outputs) != 1 or len(inputs[0]["shape"]) != 4:
            raise EngineError(f"{file_name}: is no network of one picture input and one output")
        self._file_name = file_name
        self._shape = tuple(int(size) for size in inputs[0]["shape"])
        self._input, self._output = inputs[0]["index"], outputs[0]["index"]

    def run(self, pictures: NDArray[np.float32]) -> NDArray[np.float32]:
        """See :class:`asc_edge.engines.Engine`."""
        if self._shape[0] != 1 or pictures.shape[1:] != self._shape[1:]:
            raise EngineError(
                f"{self._file_name}: takes pictures of shape {self._shape}, not {pictures.shape}"
            )
        rows = []
        for picture in pictures:
            self._interpreter.set_tensor(self._input, picture[np.newaxis])
            self._interpreter.invoke()
            rows.append(self._interpreter.get_tensor(self._output).reshape(-1))
        return np.stack(rows).astype(np.float32, copy=False)


def _interpreter_class(file_name: str) -> Any:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        try:
            from tflite_runtime.interpreter import Interpreter
        except ImportError:
            raise EngineError(
                f"{file_name} needs LiteRT; install it with: pip install 'asc-edge[tflite]'"
            ) from None
    return Interpreter
