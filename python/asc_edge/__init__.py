"""asc-edge: which activity is going on in a home, heard by a microphone array, decided on the device."""

from asc_edge.bundle import Bundle
from asc_edge.errors import AscEdgeError
from asc_edge.frontend import FrameWindow, LogMelConfig, LogMelStream, log_mel
from asc_edge.fusion import LateFusion, LinearSvm
from asc_edge.pipeline import Decision, Pipeline
from asc_edge.version import __version__

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
    "log_mel",
]
