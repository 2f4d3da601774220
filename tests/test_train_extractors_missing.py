"""Packages that extractors need and that aren't there, or don't fit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from asc_edge.errors import EngineError
from asc_edge_train.extractors.tflite import TfliteNetwork
from asc_edge_train.models import torchvision_shim
from asc_edge_train.models.keras_files import read_layers
from asc_edge_train.models.openl3 import openl3_front_end

# The import itself, without what it has found before.
fresh_import = torchvision_shim.torchvision_models.__wrapped__


def test_missing_torchvision_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    with pytest.raises(EngineError, match="pip install --no-deps torchvision"):
        fresh_import()


def test_missing_h5py_and_litert_say_how_to_install_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(EngineError, match=r"own\.h5 needs h5py; install it with: pip install"):
        read_layers(tmp_path / "own.h5")
    with pytest.raises(EngineError, match=r"own\.tflite needs LiteRT; install it with: pip install"):
        TfliteNetwork(tmp_path / "own.tflite", {})


def test_torchvision_that_fits_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    fitting = ModuleType("torchvision.models")
    monkeypatch.setattr(torchvision_shim, "_import", lambda: fitting)
    monkeypatch.setattr(torchvision_shim, "_define_operators", lambda: pytest.fail("defined operators"))
    assert fresh_import() is fitting


def test_torchvision_that_fails_another_way_is_not_repaired(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> ModuleType:
        raise RuntimeError("needs another libc")

    monkeypatch.setattr(torchvision_shim, "_import", fail)
    with pytest.raises(EngineError, match="doesn't fit this PyTorch: needs another libc"):
        fresh_import()


def test_modules_of_the_image_networks_import_in_any_order() -> None:
    for first in ("models.imagenet", "extractors.deep_spectrum"):
        done = subprocess.run(
            [sys.executable, "-c", f"import asc_edge_train.{first}"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


def test_building_an_extractor_imports_no_network_framework_of_images(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from asc_edge_train.extractors import build_extractor;"
        "build_extractor({'type': 'deep_spectrum', 'weights': 'random'}, Path());"
        "sys.exit(any(name in sys.modules for name in ('torchvision', 'h5py', 'ai_edge_litert')))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_openl3_front_end_has_199_frames_of_a_padded_second() -> None:
    assert openl3_front_end(256).frames(48000 + 2 * 982) == 199
    assert np.isclose(openl3_front_end(256).db_per_unit, 2.0)
