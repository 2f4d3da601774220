"""From trained networks to the files that a device runs: ONNX and TFLite, in 32 bits and in 8.

Every file is checked against torch, or runs before it is kept, in the engine that the device has. Whether
8 bits still answer well is the gate's to say, on clips that the networks never heard.
"""

from asc_edge_train.exporting.onnx_float import ExportError, Shipped, export_onnx, module_to_onnx
from asc_edge_train.exporting.onnx_int8 import ONNX_SCHEMES, quantise_onnx
from asc_edge_train.exporting.tflite_float import export_tflite, module_to_tflite
from asc_edge_train.exporting.tflite_int8 import TFLITE_SCHEMES, quantise_tflite

__all__ = [
    "ONNX_SCHEMES",
    "TFLITE_SCHEMES",
    "ExportError",
    "Shipped",
    "export_onnx",
    "export_tflite",
    "module_to_onnx",
    "module_to_tflite",
    "quantise_onnx",
    "quantise_tflite",
]
