"""A finished run as one bundle for each fold: what never heard the fold, for what is made from its clips."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from asc_edge_train.bundling import float_networks, shipped_tasks, write_system
from asc_edge_train.card import model_card
from asc_edge_train.exporting.judging import FoldJudge
from asc_edge_train.recipe import fingerprint
from asc_edge_train.stages import FusedRun
from asc_edge_train.storage import is_stamped, stamp

__all__ = ["fold_bundles"]

# Raised when what such a bundle holds changes.
_VERSION = 1


def fold_bundles(
    fused_run: FusedRun, folder: Path, progress: Callable[[int], None] = lambda bundles: None
) -> dict[int, Path]:
    """Write a bundle for each fold of a finished run, unless it is there; returns the paths by fold.

    Networks, SVMs and fusion are those that the run scored the fold with: fitted on the other folds' clips.
    They are for measuring; what ships has heard all folds.

    Parameters
    ----------
    fused_run : FusedRun
        Of a run that ships something.
    """
    run = fused_run.run
    recipe, system = run.recipe, run.recipe.fusions[0]
    members, fused = fused_run.members, fused_run.fusions[system.name]
    folds = range(1, recipe.folds + 1)
    by_fold = {fold: shipped_tasks(run, members, fused, fold) for fold in folds}
    judge = FoldJudge(
        run,
        system,
        members,
        fused,
        {name: [by_fold[fold][name] for fold in folds] for name in system.members},
    )
    paths = {}
    for fold, tasks in by_fold.items():
        path = folder / f"{recipe.name}-fold{fold}.ascb"
        key = fingerprint(_VERSION, fused.key, fold, [task.key for task in tasks.values()])
        if not is_stamped(path, key):
            own = {
                name: members[name]
                if members[name].svm is None
                else replace(members[name], svm=judge.svm(tasks[name]))
                for name in system.members
            }
            folder.mkdir(parents=True, exist_ok=True)
            write_system(
                path,
                run,
                own,
                replace(fused, fusion=judge.fusions[fold]),
                networks=float_networks(run, tasks),
                card=model_card(run, fused),
                fold=fold,
            )
            stamp(path, key)
        paths[fold] = path
        progress(1)
    return paths
