"""The devices' engines as the exporters use them: one call, one thread."""

from __future__ import annotations

from typing import Any

import numpy as np

from asc_edge_train.exporting.quiet import quietly

__all__ = ["onnx_session", "run_onnx", "run_tflite"]


def onnx_session(data: bytes) -> Any:
    """A quiet session of onnxruntime on one thread: sums in one order, so that answers have the same bits."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def run_onnx(data: bytes, batch: np.ndarray) -> np.ndarray:
    """The only output of a network of one input, for a batch."""
    session = onnx_session(data)
    answer: np.ndarray = session.run(None, {session.get_inputs()[0].name: batch})[0]
    return answer


def run_tflite(data: bytes, batch: np.ndarray) -> np.ndarray:
    """The only output of a network of one input and batch 1, example by example."""
    from asc_edge.engines import load_engine

    with quietly():  # the first network of a process has its engine say hello
        engine = load_engine("network.tflite", data)
    return engine.run(np.ascontiguousarray(batch, dtype=np.float32))
