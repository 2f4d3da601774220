"""asc-edge: which activity is going on in a home, heard by a microphone array, decided on the device."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from asc_edge.errors import AscEdgeError
from asc_edge.version import __version__

if TYPE_CHECKING:
    from asc_edge.bundle import Bundle
    from asc_edge.frontend import FrameWindow, LogMelConfig, LogMelStream, log_mel
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
    "log_mel",
]

_HOMES = {
    "Bundle": "bundle",
    "Decision": "pipeline",
    "FrameWindow": "frontend",
    "LateFusion": "fusion",
    "LinearSvm": "fusion",
    "LogMelConfig": "frontend",
    "LogMelStream": "frontend",
    "Pipeline": "pipeline",
    "log_mel": "frontend",
}


def __getattr__(name: str) -> object:
    """Import a name's module when it is first asked for: ``asc-edge --help`` shall not wait for numpy."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
