"""Folders of finished runs, read back and checked."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from asc_edge.errors import UsageError
from asc_edge_train.clips import DataError
from asc_edge_train.storage import load_arrays

__all__ = ["FinishedRun", "load_report", "load_run"]

_ARRAYS = ("clip_ids", "groups", "folds", "truth", "part", "subset")


@dataclass(frozen=True)
class FinishedRun:
    """What a run's folder says.

    Attributes
    ----------
    folder : Path
    report : dict
        ``report.json``, version 2.
    predictions : dict of ndarray
        ``predictions.npz``.
    recipe : dict or None
        ``recipe.json``, where there is one.
    """

    folder: Path
    report: dict[str, Any]
    predictions: dict[str, np.ndarray]
    recipe: dict[str, Any] | None

    @property
    def labels(self) -> list[str]:
        return list(self.report["labels"])

    @property
    def systems(self) -> list[str]:
        """Names of the systems that have scores, in the report's order."""
        names = [system["name"] for system in self.report["systems"]]
        return [name for name in names if f"scores:{name}" in self.predictions]

    def title(self, system: str) -> str:
        found = (one.get("title") for one in self.report["systems"] if one["name"] == system)
        return str(next(found, None) or system)


def load_report(folder: Path) -> dict[str, Any]:
    """The report of a finished run.

    Raises
    ------
    UsageError
        When the folder holds none.
    """
    path = folder / "report.json"
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(f"{path}: no such report; finish the run with asc-edge-train run first") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: not a readable report: {error}") from None
    if not isinstance(report, dict) or not isinstance(report.get("systems"), list) or not report["systems"]:
        raise UsageError(f"{path}: not a report of asc-edge-train run; make it again with run --out {folder}")
    return report


def load_run(folder: Path) -> FinishedRun:
    """Report, predictions and recipe of a finished run.

    Raises
    ------
    UsageError
        When the folder is no finished run.
    DataError
        When its predictions are damaged, or not those of its report.
    """
    report = load_report(folder)
    path = folder / "predictions.npz"
    try:
        # Opened here: numpy leaves a file open that ends before its list of arrays.
        with path.open("rb") as stream:
            predictions = load_arrays(stream)
    except FileNotFoundError:
        raise UsageError(
            f"{path}: no such predictions; finish the run with asc-edge-train run first"
        ) from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: not readable: {error}; make the run again") from None
    _check(path, predictions, len(report["labels"]))
    return FinishedRun(folder, report, predictions, _recipe(folder))


def _check(path: Path, predictions: dict[str, np.ndarray], labels: int) -> None:
    missing = [name for name in _ARRAYS if name not in predictions]
    if missing:
        raise DataError(f"{path}: has no array {missing[0]!r}; make the run again")
    clips = len(predictions["clip_ids"])
    for name, array in predictions.items():
        expected = (clips, labels) if name.startswith("scores:") else (clips,)
        if array.shape != expected:
            raise DataError(f"{path}: array {name!r} has shape {array.shape} instead of {expected}")
    if len(np.unique(predictions["clip_ids"])) != clips:
        raise DataError(f"{path}: a clip stands twice in clip_ids; make the run again")
    truth = predictions["truth"]
    if clips and (truth.min() < 0 or truth.max() >= labels):
        raise DataError(f"{path}: truth has numbers outside the report's {labels} labels; make the run again")


def _recipe(folder: Path) -> dict[str, Any] | None:
    path = folder / "recipe.json"
    try:
        recipe = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a readable recipe: {error}") from None
    return recipe if isinstance(recipe, dict) else None
