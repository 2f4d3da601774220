"""asc-edge: which activity is going on in a home, heard by a microphone array, decided on the device."""

import importlib
import os
from typing import TYPE_CHECKING

from asc_edge.version import __version__

if TYPE_CHECKING:
    from asc_edge.bundle import Bundle
    from asc_edge.errors import AscEdgeError
    from asc_edge.frontend import FrameWindow, LogMelConfig, LogMelStream, deltas, log_mel
    from asc_edge.fusion import LateFusion, LinearSvm
    from asc_edge.pipeline import Decision, Pipeline

__all__ = [
    "AscEdgeError",
    "Bundle",
    "Decision",
    "FrameWindow",
    "LateFusion",
    "LinearSvm",
    "LogMelConfig",
    "LogMelStream",
    "Pipeline",
    "__version__",
    "deltas",
    "log_mel",
]

# ONNX Runtime sends telemetry from version 1.29 on, and keeps an identifier of the machine in the home
# folder, unless this is set before it is loaded. What runs in a home is nobody else's business.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

_HOMES = {
    "AscEdgeError": "errors",
    "Bundle": "bundle",
    "Decision": "pipeline",
    "FrameWindow": "frontend",
    "LateFusion": "fusion",
    "LinearSvm": "fusion",
    "LogMelConfig": "frontend",
    "LogMelStream": "frontend",
    "Pipeline": "pipeline",
    "deltas": "frontend",
    "log_mel": "frontend",
}


def __getattr__(name: str) -> object:
    # Late, so that `asc-edge --help` on a Pi doesn't wait for numpy and the core.
    if name not in _HOMES:
        raise AttributeError(f"module 'asc_edge' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"asc_edge.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
