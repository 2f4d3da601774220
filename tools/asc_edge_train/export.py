"""The float exporters under the name that the trainer has always had for them; see `exporting`."""

from asc_edge_train.exporting.onnx_float import ExportError, Shipped, export_onnx

__all__ = ["ExportError", "Shipped", "export_onnx"]
