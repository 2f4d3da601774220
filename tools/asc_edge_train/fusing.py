"""Late fusions of a run: each stacks the scores of its members, and is cross-validated as a whole."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from asc_edge.atomic import write_atomically
from asc_edge.errors import ConfigError
from asc_edge.fusion import LateFusion
from asc_edge_train.clips import Clip
from asc_edge_train.members import MemberScores
from asc_edge_train.parallel import SERIAL, Parallel
from asc_edge_train.recipe import FusionConfig, Recipe, SystemConfig, fingerprint
from asc_edge_train.stacking import choose_fusion_c, fit_fusion, nested_scores, stack
from asc_edge_train.storage import is_stamped, load_arrays, read_json, save_arrays, stamp, write_json

__all__ = ["FusedScores", "fit_count", "fuse", "fusion_path"]

# Raised when the arithmetic in here changes, so that results of an older trainer are made again.
_VERSION = 2


@dataclass(frozen=True)
class FusedScores:
    """What a late fusion says about every clip of the table.

    Attributes
    ----------
    posteriors : ndarray of shape (clips, labels)
        On the development part by fusions that never saw the clip's fold; on the evaluation part by
        ``fusion``.
    fusion : LateFusion
        Fitted on the out-of-fold scores of the whole development part.
    notes : dict
        ``c``, ``c_by_fold``, ``score_by_c``, ``log_loss`` (development), ``seconds``.
    """

    name: str
    posteriors: np.ndarray
    fusion: LateFusion
    key: str
    notes: dict[str, Any] = field(default_factory=dict)


def fuse(
    recipe: Recipe,
    system: SystemConfig,
    clips: Sequence[Clip],
    members: dict[str, MemberScores],
    *,
    folder: Path,
    parallel: Parallel = SERIAL,
    progress: Callable[[int], None] = lambda folds: None,
) -> FusedScores:
    """One late fusion; read back where it stands already.

    Parameters
    ----------
    members : dict
        The scores of the recipe's members, by name.
    folder : Path
        Where the results are kept.
    """
    own = [members[name] for name in system.members]
    config = recipe.fusion_of(system)
    key = fingerprint(_VERSION, [member.key for member in own], recipe.metric, vars(config))
    path, notes_path = (folder / f"{_file_name(system.name)}{end}" for end in (".npz", ".json"))
    if not is_stamped(path, key):
        start = time.monotonic()
        truth = np.array([recipe.labels.index(clip.label) for clip in clips])
        folds = np.array([clip.fold for clip in clips])
        kinds = [recipe.member(name).kind for name in system.members]
        if config.weights == "shared" and any(m.scores.shape[1] != len(recipe.labels) for m in own):
            raise ConfigError(
                f"fusions.{system.name}: shared weights need a score per label from every member; "
                "of two labels an SVM gives one"
            )
        stacked = stack([member.scores for member in own], kinds, config.weights)
        posteriors, fusion, notes = _fuse(
            config, recipe.metric, stacked, truth, folds, parallel=parallel, progress=progress
        )
        notes["seconds"] = round(time.monotonic() - start, 1)
        write_atomically(fusion_path(folder, system.name), fusion.to_npz())
        save_arrays(path, posteriors=posteriors)
        write_json(notes_path, notes)
        stamp(path, key)
    else:
        progress(recipe.folds)
    fusion = LateFusion.from_npz(fusion_path(folder, system.name).read_bytes())
    return FusedScores(system.name, load_arrays(path)["posteriors"], fusion, key, read_json(notes_path))


def fusion_path(folder: Path, name: str) -> Path:
    """File of the fusion that answers for new clips."""
    return folder / f"{_file_name(name)}.fusion.npz"


def _file_name(name: str) -> str:
    return name.replace("/", "-")


def _fuse(
    config: FusionConfig,
    metric: str,
    stacked: np.ndarray,
    truth: np.ndarray,
    folds: np.ndarray,
    *,
    parallel: Parallel,
    progress: Callable[[int], None],
) -> tuple[np.ndarray, LateFusion, dict[str, Any]]:
    development, evaluation = folds > 0, folds == 0
    x, y, f = stacked[development], truth[development], folds[development]
    nested = nested_scores(x, y, f, config=config, metric=metric, parallel=parallel, progress=progress)
    c, scores = choose_fusion_c(x, y, f, config, metric)
    fusion = fit_fusion(x, y, f, c, config)
    posteriors = np.empty((len(stacked), nested.posteriors.shape[1]))
    posteriors[development] = nested.posteriors
    if evaluation.any():
        posteriors[evaluation] = fusion.predict_proba(stacked[evaluation])
    notes = {
        "c": c,
        "c_by_fold": {str(fold): value for fold, value in nested.c_by_fold.items()},
        "score_by_c": {f"{value:g}": score for value, score in scores.items()},
        "log_loss": _log_loss(nested.posteriors, y),
    }
    return posteriors, fusion, notes


def _log_loss(posteriors: np.ndarray, truth: np.ndarray) -> float:
    return float(-np.mean(np.log(np.maximum(posteriors[np.arange(len(truth)), truth], 1e-12))))


def fit_count(recipe: Recipe) -> int:
    """Steps that scoring the members and fusing them report."""
    members = sum(member.kind != "posterior" for member in recipe.members)
    return members * recipe.folds * len(recipe.fusion.c_grid) + recipe.folds * len(recipe.fusions)
