"""TFLite networks, read out at any tensor on their way."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from asc_edge.errors import ConfigError, EngineError

__all__ = ["TfliteNetwork"]


class TfliteNetwork:
    """A TFLite network of one input, on one thread, with chosen tensors as its answers.

    Raises
    ------
    EngineError
        If LiteRT is not installed.
    ConfigError
        If the file is no TFLite network, or has no tensor of that name and length.
    """

    def __init__(self, path: Path, tensors: dict[str, int]) -> None:
        try:
            from ai_edge_litert.interpreter import Interpreter, OpResolverType
        except ImportError:
            raise EngineError(
                f"{path.name} needs LiteRT; install it with: pip install 'asc-edge[tflite]'"
            ) from None
        try:
            # The default delegate would fuse inner tensors away.
            self._interpreter = Interpreter(
                str(path),
                num_threads=1,
                experimental_preserve_all_tensors=True,
                experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            )
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ConfigError(f"{path}: LiteRT refuses it: {' '.join(str(error).split())[:200]}") from None
        details = self._interpreter.get_input_details()[0]
        self._input, self.dtype = int(details["index"]), details["dtype"]
        self.shape = tuple(int(size) for size in details["shape"])
        self._tensors = [self._find(path, suffix, size) for suffix, size in tensors.items()]

    def _find(self, path: Path, suffix: str, size: int) -> tuple[int, float, int]:
        for tensor in self._interpreter.get_tensor_details():
            name = str(tensor["name"]).split(":")[0]
            if name.endswith(suffix) and int(np.prod(tensor["shape"])) == size:
                scale, zero_point = tensor["quantization"]
                return int(tensor["index"]), float(scale), int(zero_point)
        raise ConfigError(f"{path}: has no tensor {suffix!r} of {size} numbers; it is another network")

    def run(self, value: np.ndarray) -> list[np.ndarray]:
        """The chosen tensors, each float32 (size,), for an input of the network's shape and dtype."""
        self._interpreter.set_tensor(self._input, np.ascontiguousarray(value, self.dtype))
        self._interpreter.invoke()
        answers = []
        for index, scale, zero_point in self._tensors:
            cells = self._interpreter.get_tensor(index).reshape(-1).astype(np.float32)
            answers.append((cells - zero_point) * np.float32(scale) if scale else cells)
        return answers
