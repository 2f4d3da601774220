"""ONNX Runtime."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asc_edge.errors import EngineError


class OnnxEngine:
    """An ONNX network on the CPU; the batch takes all channels in one call."""

    def __init__(self, file_name: str, data: bytes, threads: int = 1) -> None:
        try:
            import onnxruntime
        except ImportError:
            raise EngineError(
                f"{file_name} needs ONNX Runtime; install it with: pip install onnxruntime"
            ) from None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Spinning threads would heat a Pi between two decisions for nothing.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's own types share no base but Exception
            raise EngineError(f"{file_name}: ONNX Runtime refuses it: {_one_line(error)}") from None
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        if len(inputs) != 1 or len(outputs) != 1 or len(inputs[0].shape) != 4:
            raise EngineError(f"{file_name}: is no network of one picture input and one output")
        self._file_name = file_name
        self._input = inputs[0].name

    def run(self, pictures: NDArray[np.float32]) -> NDArray[np.float32]:
        """See :class:`asc_edge.engines.Engine`."""
        try:
            output: NDArray[np.float32] = self._session.run(None, {self._input: pictures})[0]
        except Exception as error:
            raise EngineError(f"{self._file_name}: {_one_line(error)}") from None
        return output


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
