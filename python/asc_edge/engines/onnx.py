"""ONNX Runtime, set for a small computer: one thread by default, no spinning, no memory kept for patterns."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from asc_edge.engines._common import Shape, one_line
from asc_edge.errors import EngineError

_FLOAT = "tensor(float)"


class OnnxEngine:
    """An ONNX network on the CPU; the batch takes all channels in one call."""

    load_ms = 0.0
    warm_up_ms = 0.0

    def __init__(self, file_name: str, data: bytes, threads: int = 1) -> None:
        try:
            import onnxruntime
        except ImportError:
            raise EngineError(
                f"{file_name} needs ONNX Runtime; install it with: pip install onnxruntime"
            ) from None
        self.file_name = file_name
        self.runtime = f"ONNX Runtime {onnxruntime.__version__}"
        try:
            self._session = onnxruntime.InferenceSession(
                data, _options(onnxruntime, threads), providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime's own types share no base but Exception
            raise EngineError(
                f"{file_name}: {self.runtime} refuses it: {one_line(error)}; upgrade onnxruntime, or ask for "
                "another bundle"
            ) from None
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        # Four dimensions are pictures', three those of the columns that the head of a network in parts takes.
        if len(inputs) != 1 or len(outputs) != 1 or len(inputs[0].shape) not in (3, 4):
            raise EngineError(f"{file_name}: is no network of one picture input and one output")
        if inputs[0].type != _FLOAT or outputs[0].type != _FLOAT:
            raise EngineError(
                f"{file_name}: takes {inputs[0].type} and gives {outputs[0].type}, not {_FLOAT}"
            )
        self.takes: Shape = _sizes(inputs[0].shape[1:])
        self.gives: Shape = _sizes(outputs[0].shape[1:])
        self._input = inputs[0].name

    def run(self, pictures: NDArray[np.float32]) -> NDArray[np.float32]:
        """See :class:`asc_edge.engines.Engine`."""
        try:
            output: NDArray[np.float32] = self._session.run(None, {self._input: pictures})[0]
        except Exception as error:
            raise EngineError(f"{self.file_name}: {one_line(error)}") from None
        return output


def _options(onnxruntime: Any, threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    # Spinning threads would heat a Pi between two decisions for nothing.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Memory laid out in advance for each number of channels that ever voted: 10 MB of a peak of 34 for the
    # bundle `home` and four channels, and no time gained. Without the arena every tensor is asked of the
    # system: nothing gained either, and slower where memory patterns are off.
    options.enable_mem_pattern = False
    options.enable_cpu_mem_arena = True
    return options


def _sizes(shape: list[int | str | None]) -> Shape:
    """Names of dimensions, which ONNX leaves open, become None."""
    return tuple(size if isinstance(size, int) else None for size in shape)
