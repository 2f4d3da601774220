"""TFLite networks small enough to write down, without any converter."""

from __future__ import annotations

from typing import NamedTuple

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray


class Outside(NamedTuple):
    """How a fully quantised network stores its input or output: real = scale * (whole - zero_point)."""

    scale: float
    zero_point: int


def tflite_linear(
    weights: NDArray[np.float32],
    shape: tuple[int, ...],
    *,
    open_batch: bool = False,
    quantised: tuple[Outside, Outside] | None = None,
) -> bytes:
    """One fully connected layer as TFLite: flattens its input and multiplies by (outputs, inputs).

    ``quantised`` makes input, weights (of whole numbers, scale 1/64) and output int8.
    """
    tensors, buffers = [], [schema.BufferT()]
    of_weights = Outside(1 / 64, 0)
    scales = (quantised[0], of_weights, quantised[1]) if quantised else (None, None, None)
    for (name, dimensions, data), scale in zip(
        [("picture", shape, None), ("weights", weights.shape, weights), ("output", (1, len(weights)), None)],
        scales,
        strict=True,
    ):
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type = name, list(dimensions), schema.TensorType.FLOAT32
        if open_batch and data is None:
            tensor.shapeSignature = [-1, *dimensions[1:]]
        if scale is not None:
            tensor.type = schema.TensorType.INT8
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale, tensor.quantization.zeroPoint = [scale.scale], [scale.zero_point]
        if data is not None:
            stored = data.astype("<f4") if scale is None else np.rint(data / scale.scale).astype(np.int8)
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(stored.tobytes(), dtype=np.uint8)
            tensor.buffer = len(buffers)
            buffers.append(buffer)
        tensors.append(tensor)
    operator = schema.OperatorT()
    operator.inputs, operator.outputs = [0, 1, -1], [2]
    operator.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
    operator.builtinOptions = schema.FullyConnectedOptionsT()
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.FULLY_CONNECTED
    code.version = 4 if quantised else 1
    graph = schema.SubGraphT()
    graph.tensors, graph.inputs, graph.outputs, graph.operators = tensors, [0], [2], [operator]
    model = schema.ModelT()
    model.version, model.operatorCodes, model.subgraphs, model.buffers = 3, [code], [graph], buffers
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())
