"""What the device wing pulls in: nothing of the workstation's, and nothing that runs code out of data."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

import asc_edge
from command import environment

from tiny_system import band_noise

PACKAGE = Path(asc_edge.__file__).parent
WORKSTATION = {
    *("torch", "torchvision", "sklearn", "scipy", "librosa", "matplotlib", "pandas", "tqdm", "onnx"),
    *("joblib", "asc_edge_train"),
}
UNSAFE = {"pickle", "joblib", "marshal", "shelve", "dill", "cloudpickle"}
MODULES = sorted(PACKAGE.rglob("*.py"))

# Runs a command and then says which modules it has brought in.
_RUNNER = """
import sys
before = set(sys.modules)
from asc_edge.cli import main
try:
    code = main(sys.argv[1:])
except SystemExit as leaving:
    code = leaving.code
import json
print(json.dumps(sorted(set(sys.modules) - before)), file=sys.stderr)
sys.exit(code)
"""


def _imported_by(*args: str | Path) -> set[str]:
    command = [sys.executable, "-c", _RUNNER, *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment(), timeout=60)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "x.wav"
    soundfile.write(path, band_noise("mid", 2.0, rate=48000), 48000)
    return path


COMMANDS = {
    "devices": ["devices"],
    "listen": ["listen", "--input", "CLIP", "--bundle", "BUNDLE"],
    "listen demo": ["listen", "--demo", "--speed", "max", "--duration-s", "1.5", "--bundle", "BUNDLE"],
    "classify": ["classify", "CLIP", "--bundle", "BUNDLE", "--format", "csv"],
    "bundle show": ["bundle", "show", "BUNDLE"],
    "bundle verify": ["bundle", "verify", "BUNDLE"],
    "bench": ["bench", "--bundle", "BUNDLE", "--decisions", "1", "--starts", "0"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_imports_the_workstation(name: str, clip: Path, tiny_bundle: Path) -> None:
    """Catches an import that costs a Raspberry Pi a gigabyte."""
    places: dict[str, str | Path] = {"CLIP": clip, "BUNDLE": tiny_bundle}
    imported = _imported_by(*(places.get(arg, arg) for arg in COMMANDS[name]))
    roots = {module.partition(".")[0] for module in imported}
    assert "asc_edge" in roots
    assert not roots & WORKSTATION


@pytest.mark.parametrize(
    "args", [["--help"], ["--version"], ["listen", "--help"], ["bundle", "show", "--help"]]
)
def test_help_does_not_wait_for_anything_heavy(args: list[str]) -> None:
    heavy = {
        "numpy",
        "onnxruntime",
        "sounddevice",
        "soundfile",
        "soxr",
        "asc_edge._core",
        "asc_edge.pipeline",
    }
    assert not _imported_by(*args) & heavy


def _imports(path: Path) -> set[str]:
    """Roots of the modules that a file imports, anywhere in it."""
    roots = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            roots |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            roots.add(node.module.partition(".")[0])
    return roots


@pytest.mark.parametrize("path", MODULES, ids=[str(path.relative_to(PACKAGE)) for path in MODULES])
def test_no_module_can_run_code_out_of_data(path: Path) -> None:
    """Catches a bundle that could be a program: numpy itself imports pickle, so the source is read."""
    text = path.read_text(encoding="utf-8")
    assert not _imports(path) & (UNSAFE | WORKSTATION)
    assert "allow_pickle=True" not in text.replace(" ", "")
    calls = {
        node.func.id
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not calls & {"eval", "exec", "__import__"}


# From the outermost room inwards; a room may import what stands to the right of it.
_ROOMS = [
    "cli",
    "bench",
    "monitor",
    "watches",
    "web",
    "sinks",
    "false_events",
    "teaching",
    "presence",
    "events",
    "pipeline",
    "engines",
    "bundle",
    "manifest",
]


def _asc_edge_imports(path: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("asc_edge."):
            rooms.add(node.module.split(".")[1])
    return rooms


@pytest.mark.parametrize("path", MODULES, ids=[str(path.relative_to(PACKAGE)) for path in MODULES])
def test_imports_point_one_way(path: Path) -> None:
    """Catches a pipeline that knows of the command line."""
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if room in _ROOMS:
        outer = set(_ROOMS[: _ROOMS.index(room)])
        assert not _asc_edge_imports(path) & outer
    elif room != "__init__":
        assert not _asc_edge_imports(path) & {"cli", "monitor", "sinks", "events", "pipeline"}
