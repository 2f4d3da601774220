"""Fixtures that several rooms' tests share."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from tiny_system import write_tiny_bundle

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real recordings; tests that need it skip where there is none."""
    folder = Path(os.environ.get("ASC_EDGE_DATA", ROOT / ".." / "shared" / "data")).resolve()
    if not (folder / "esc50").is_dir():
        pytest.skip(f"no real recordings in {folder} (set ASC_EDGE_DATA)")
    return folder


@pytest.fixture(scope="session")
def shared_weights() -> Path:
    """Folder of other people's trained networks; tests that need it skip where there is none."""
    folder = Path(os.environ.get("ASC_EDGE_WEIGHTS", ROOT / ".." / "shared" / "weights")).resolve()
    if not folder.is_dir():
        pytest.skip(f"no weights in {folder} (set ASC_EDGE_WEIGHTS)")
    return folder


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that tells low, mid and high noise bands apart: window 1 s, hop 0.5 s, 16 kHz, two members."""
    path = tmp_path_factory.mktemp("bundle") / "tiny.ascb"
    write_tiny_bundle(path)
    return path


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20240229)


@pytest.fixture(scope="session")
def home_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generated recordings in all the layouts that the recipe ``home`` reads."""
    from train_trees import write_home_tree

    return write_home_tree(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def smoke(home_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a finished smoke run of the recipe ``home``."""
    from asc_edge_train.cli import main

    out = tmp_path_factory.mktemp("run")
    # Teachers stay away, also on a machine that has their weights.
    where = ["--data", str(home_data), "--weights", str(home_data), "--out", str(out)]
    assert main(["run", "home", "--smoke", *where, "--jobs", "1", "--quiet"]) == 0
    return out
