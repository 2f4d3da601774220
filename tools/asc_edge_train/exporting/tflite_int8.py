"""TFLite in 8 bits, by ai-edge-quantizer."""

from __future__ import annotations

from typing import Any

import numpy as np

from asc_edge.errors import ConfigError, EngineError
from asc_edge_train.exporting.integers import balanced_rows, quantise_rows
from asc_edge_train.exporting.onnx_float import ExportError
from asc_edge_train.exporting.quiet import quietly
from asc_edge_train.exporting.sessions import run_tflite

__all__ = ["CALIBRATED", "TFLITE_SCHEMES", "quantise_tflite"]

# From the fastest to the most faithful, and last what is fast on microcontrollers only.
TFLITE_SCHEMES = ("mixed", "dynamic", "weight_only", "full")
# Those whose ranges come from examples.
CALIBRATED = ("mixed", "full")


def quantise_tflite(data: bytes, scheme: str = "mixed", examples: np.ndarray | None = None) -> bytes:
    """A float network of `module_to_tflite` in 8 bits; it takes and gives float32 as before.

    Parameters
    ----------
    scheme : {"mixed", "dynamic", "weight_only", "full"}
        Convolutions by ranges seen on ``examples`` and matrices (an unrolled GRU is all matrices) by the
        range of each call; both by the range of each call; only weights kept in 8 bits; everything by ranges
        seen. The last re-quantises a GRU's state at every step, which adds up.
    examples : ndarray (n, ...), float32
        What the network will hear, never clips that it is judged by. Needed by ``"mixed"`` and ``"full"``.

    Raises
    ------
    ConfigError
        For an unknown scheme, or one that lacks its examples.
    EngineError
        When ai-edge-quantizer isn't installed.
    ExportError
        When what comes out doesn't run, or gives no numbers.
    """
    if scheme not in TFLITE_SCHEMES:
        raise ConfigError(f"quantisation {scheme!r}: choose one of {', '.join(TFLITE_SCHEMES)}")
    if scheme in CALIBRATED and (examples is None or not len(examples)):
        raise ConfigError(f"quantisation {scheme!r} needs examples of what the network will hear")
    library = _library()
    try:
        with quietly():
            candidates = _quantise(library, _on_balanced_codes(data), scheme, examples)
    except Exception as error:  # the library raises whatever its parts do
        reason = " ".join(str(error).split())[:300]
        raise ExportError(f"the network can't be quantised ({scheme}): {reason}") from None
    if examples is None:
        return candidates[0]
    expected = run_tflite(data, examples)
    distances = [float(np.mean((run_tflite(each, examples) - expected) ** 2)) for each in candidates]
    if not np.isfinite(distances).all():
        raise ExportError(f"the 8-bit network ({scheme}) doesn't answer with numbers")
    return candidates[int(np.argmin(distances))]


def _on_balanced_codes(data: bytes) -> bytes:
    """The network with kernels that sum to zero moved to 8-bit codes that do: see `quantise_rows`.

    The library rounds each weight by itself, and finds these where they are.
    """
    from ai_edge_litert import schema_py_generated as schema

    # A convolution of one map is written as one by map, whose filters come last.
    filters = {schema.BuiltinOperator.CONV_2D: 0, schema.BuiltinOperator.DEPTHWISE_CONV_2D: 3}
    moved = bytearray(data)
    model = schema.Model.GetRootAs(moved, 0)
    for graph in (model.Subgraphs(number) for number in range(model.SubgraphsLength())):
        for operator in (graph.Operators(number) for number in range(graph.OperatorsLength())):
            axis = filters.get(model.OperatorCodes(operator.OpcodeIndex()).BuiltinCode())
            if axis is None:
                continue
            tensor = graph.Tensors(operator.Inputs(1))
            stored = model.Buffers(tensor.Buffer())
            if tensor.Type() != schema.TensorType.FLOAT32 or not stored.DataLength():
                continue
            weights = stored.DataAsNumpy().view(np.float32).reshape(tensor.ShapeAsNumpy())
            codes, scale = quantise_rows(weights, axis)
            # A view, so that what is written goes into the file.
            weights, codes = np.moveaxis(weights, axis, -1), np.moveaxis(codes, axis, -1)
            rows = balanced_rows(weights, -1)
            weights[..., rows] = codes[..., rows] * scale[rows]
    return bytes(moved)


def _quantise(library: Any, data: bytes, scheme: str, examples: np.ndarray | None) -> list[bytes]:
    """The network in 8 bits, once for each way to find ranges on the examples."""
    quantizer = library.quantizer.Quantizer(bytearray(data))
    operation = library.qtyping.TFLOperationName
    convolutions = (operation.CONV_2D, operation.DEPTHWISE_CONV_2D)
    if scheme == "mixed":
        quantizer.add_dynamic_config(".*", operation.FULLY_CONNECTED, num_bits=8)
        for name in convolutions:
            quantizer.add_static_config(".*", name, activation_num_bits=8, weight_num_bits=8)
    elif scheme == "full":
        quantizer.add_static_config(".*", operation.ALL_SUPPORTED, activation_num_bits=8, weight_num_bits=8)
        # The doors stay float32: the caller needn't know in which range the network was calibrated.
        for name in (operation.INPUT, operation.OUTPUT):
            quantizer.update_quantization_recipe(".*", name, algorithm_key="no_quantize")
    else:
        add = quantizer.add_dynamic_config if scheme == "dynamic" else quantizer.add_weight_only_config
        for name in (*convolutions, operation.FULLY_CONNECTED):
            add(".*", name, num_bits=8)
    if not quantizer.need_calibration:
        return [bytes(quantizer.quantize().quantized_model)]
    assert examples is not None
    # The library's own ranges are a moving average that starts with the first example: they cut off much.
    updates = (_widest, library.utils.qsv_utils.moving_average_update)
    recipe = quantizer.get_quantization_recipe()
    return [
        bytes(quantizer.quantize(_seen(library, data, recipe, examples, update)).quantized_model)
        for update in updates
    ]


def _seen(library: Any, data: bytes, recipe: Any, examples: np.ndarray, update: Any) -> Any:
    """Ranges of all values on the examples."""
    manager = library.recipe_manager.RecipeManager()
    manager.load_quantization_recipe(recipe)
    calibrator = library.calibrator.Calibrator(bytearray(data), num_threads=1, qsv_update_func=update)
    signature, name = _signature(data)
    feeds = [{name: example[np.newaxis]} for example in examples.astype(np.float32, copy=False)]
    calibrator.calibrate({signature: feeds}, manager)
    return calibrator.get_model_qsvs()


def _widest(seen: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    return {"min": np.minimum(seen["min"], new["min"]), "max": np.maximum(seen["max"], new["max"])}


def _signature(data: bytes) -> tuple[str, str]:
    """Names of the network's only signature and of its only input."""
    from ai_edge_litert.interpreter import Interpreter

    signatures = Interpreter(model_content=data).get_signature_list()
    signature = next(iter(signatures))
    return signature, signatures[signature]["inputs"][0]


def _library() -> Any:
    try:
        with quietly():
            import ai_edge_quantizer.calibrator
            import ai_edge_quantizer.quantizer
            import ai_edge_quantizer.utils.qsv_utils
    except ImportError as error:
        raise EngineError(
            f"quantising TFLite needs {error.name or 'ai-edge-quantizer'}: "
            "pip install 'asc-edge[train-tflite]' (x86-64 only), or leave the tflite variants out: --variants"
        ) from None
    return ai_edge_quantizer
