"""The examples in the docstrings run as printed."""

from __future__ import annotations

import doctest
import importlib

import pytest

MODULES = [
    "asc_edge.frontend",
    "asc_edge.frontend_config",
    "asc_edge.delta_features",
    "asc_edge.window",
    "asc_edge.fusion",
    "asc_edge.audio.array",
    "asc_edge.audio.verdicts",
    "asc_edge.presence",
    "asc_edge.events",
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert result.attempted > 0
    assert result.failed == 0
