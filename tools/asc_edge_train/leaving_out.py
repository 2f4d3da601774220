"""Frozen members with a corpus or a recordist held out: SVMs alone are fitted, so that it takes minutes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from asc_edge.errors import UsageError
from asc_edge_train.content import clip_keys
from asc_edge_train.crossval import choose_c, metric_score
from asc_edge_train.labels import build_table, table_labels
from asc_edge_train.parallel import Parallel
from asc_edge_train.recipe import Recipe, fingerprint
from asc_edge_train.run import Run, RunOptions, frozen_embedding, progress_bar
from asc_edge_train.splits import held_out_figures, make_split, pooled_figures
from asc_edge_train.storage import is_stamped, load_arrays, save_arrays, stamp, write_json
from asc_edge_train.svm import decision_values, fit_linear_svm

__all__ = ["C_GRID", "leave_out", "leave_out_text"]

# What SVMs over frozen embeddings come out at lies in here; larger ones take ten times as long.
C_GRID = (1e-4, 1e-3, 1e-2)
_VERSION = 2


def leave_out(
    recipe: Recipe, options: RunOptions, by: str, *, only: list[str] | None = None, c: float | None = None
) -> dict[str, Any]:
    """Figures of each frozen member with each corpus or recordist held out; what is fitted is kept.

    Each SVM's C comes from a fold by recording inside its own training clips. Beside each figure stands the
    one of folds by recording, on the same clips and labels, by SVMs that were fitted in the same way.

    Parameters
    ----------
    by : {"corpus", "recordist"}
    only : list of str, optional
        Members; all frozen ones by default.
    c : float, optional
        Of all SVMs, instead of choosing one for each.

    Raises
    ------
    UsageError, AscEdgeError
        When there is no such member, or the data can't be read.
    """
    frozen = [member for member in recipe.members if not member.trained]
    chosen = [member for member in frozen if only is None or member.name in only]
    if not chosen or (only is not None and len(chosen) < len(set(only))):
        known = ", ".join(member.name for member in frozen) or "none"
        raise UsageError(f"recipe {recipe.name}: --member: its frozen members are {known}")
    clips = [clip for clip in build_table(recipe, options.data) if clip.part == "development"]
    recipe = replace(recipe, labels=table_labels(recipe, clips))
    seed = recipe.seed if options.seed is None else options.seed
    split = make_split(clips, by, folds=recipe.folds, seed=seed)
    content = clip_keys(clips, options.cache_folder / "content.json")
    run = Run(recipe, options, seed, clips, content, {}, [])
    result: dict[str, Any] = {
        "recipe": recipe.name,
        "version": recipe.version,
        "by": by,
        "c": c,
        "members": {},
    }
    for member in chosen:
        with progress_bar(len(clips), f"embeddings {member.name}", "clip", options.quiet) as bar:
            embedding, key = frozen_embedding(run, member, bar.update)
        with progress_bar(len(split.names) + recipe.folds, member.name, "SVM", options.quiet) as bar:
            result["members"][member.name] = _member_figures(
                run,
                member.name,
                np.asarray(embedding),
                key,
                names=split.names,
                units=split.folds,
                grid=C_GRID if c is None else (c,),
                progress=bar.update,
            )
    write_json(options.out / f"leave-out-{by}.json", result)
    return result


def _member_figures(
    run: Run,
    name: str,
    embedding: np.ndarray,
    key: str,
    *,
    names: tuple[str, ...],
    units: np.ndarray,
    grid: tuple[float, ...],
    progress: Callable[[int], None],
) -> dict[str, Any]:
    clips, labels = run.clips, run.recipe.labels
    truth = np.array([labels.index(clip.label) for clip in clips])
    groups = np.unique([clip.group for clip in clips], return_inverse=True)[1]
    usual = np.array([clip.fold for clip in clips])
    left = _answers(run, name, embedding, key, truth=truth, units=units, grid=grid, progress=progress)
    plain = _answers(run, name, embedding, key, truth=truth, units=usual, grid=grid, progress=progress)
    rows, possible = [], np.zeros(len(clips), dtype=bool)
    for number, unit in enumerate(names, start=1):
        test = units == number
        figures = held_out_figures(truth, left, groups, test, labels)
        trained = np.unique(truth[~test])
        possible |= test & np.isin(truth, trained)
        same = held_out_figures(truth, plain, groups, test, labels, trained=trained)
        rows.append({"held_out": unit, **figures, "by_recording": same})
    everything = pooled_figures(truth, left, groups, possible, labels)
    everything["by_recording"] = pooled_figures(truth, plain, groups, possible, labels)
    return {"units": rows, "all": everything}


def _answers(
    run: Run,
    name: str,
    embedding: np.ndarray,
    key: str,
    *,
    truth: np.ndarray,
    units: np.ndarray,
    grid: tuple[float, ...],
    progress: Callable[[int], None],
) -> np.ndarray:
    """Class numbers of all clips, each by an SVM that never heard the clip's unit; a unit at a time is "
    "kept."""
    usual = np.array([clip.fold for clip in run.clips])
    predicted = np.full(len(truth), len(run.recipe.labels))
    wanted = [unit for unit in np.unique(units) if unit > 0]
    pieces, paths = [], []
    for unit in wanted:
        stamped = fingerprint(_VERSION, key, truth.tolist(), usual.tolist(), (units == unit).tolist(), grid)
        path = run.options.out / "leave-out" / f"{name}-{stamped[:16]}.npz"
        paths.append((unit, path, stamped))
        if not is_stamped(path, stamped):
            weight, metric = run.recipe.fusion.class_weight, run.recipe.metric
            pieces.append((embedding, truth, usual, units == unit, grid, weight, metric))
    todo = [(path, stamped) for _, path, stamped in paths if not is_stamped(path, stamped)]
    progress(len(wanted) - len(todo))
    parallel: Parallel = run.options.parallel
    for (path, stamped), (c, found) in zip(todo, parallel.map(_fit_unit, pieces), strict=True):
        save_arrays(path, predicted=found, c=np.array(c))
        stamp(path, stamped)
        progress(1)
    for unit, path, _ in paths:
        predicted[units == unit] = load_arrays(path)["predicted"]
    return predicted


def _fit_unit(
    piece: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, tuple[float, ...], str, str],
) -> tuple[float, np.ndarray]:
    """C, and class numbers of the held-out clips, by an SVM of all others."""
    embedding, truth, usual, test, grid, class_weight, metric = piece
    train = np.flatnonzero(~test)

    def score(c: float, fold: int) -> float:
        inner, other = train[usual[train] != fold], train[usual[train] == fold]
        return metric_score(
            metric, truth[other], _classes(embedding, truth, inner, other, c=c, class_weight=class_weight)
        )

    # One of the folds by recording is enough to tell powers of ten apart, and four take four times as long.
    inner_fold = usual[train].min()
    c = grid[0] if len(grid) == 1 else choose_c(grid, np.array([inner_fold]), score)[0]
    return c, _classes(embedding, truth, train, np.flatnonzero(test), c=c, class_weight=class_weight)


def _classes(
    embedding: np.ndarray,
    truth: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
    *,
    c: float,
    class_weight: str,
) -> np.ndarray:
    fitted = fit_linear_svm(embedding[train], truth[train], c, class_weight)
    values = decision_values(fitted, embedding[test])
    place = (values[:, 0] > 0).astype(int) if values.shape[1] == 1 else values.argmax(axis=1)
    # Not all labels need be in the training clips.
    return np.asarray(fitted[-1].classes_[place])


def leave_out_text(result: dict[str, Any]) -> list[str]:
    """The figures as lines of text."""
    lines = [
        f"{result['recipe']} {result['version']}, one {result['by']} held out at a time: macro-F1 % over "
        "the labels "
        "that it has and that training still has",
        "in brackets: 95 % interval from resampled recordings (– of a single one); last: the same clips "
        "and labels "
        "by folds by recording",
    ]
    for name, member in result["members"].items():
        lines += ["", f"{name} + SVM"]
        for row in [*member["units"], {"held_out": "all of these", **member["all"]}]:
            lacking = f", {row['impossible']} more of labels that only it has" if row["impossible"] else ""
            lines.append(
                f"  {row['held_out']:<26} {_with_interval(row)}   by recording "
                f"{_with_interval(row['by_recording'])}"
                f"   {row['clips']} clips of {len(row['labels'])} labels{lacking}"
            )
    return lines


def _with_interval(row: dict[str, Any]) -> str:
    value, interval = row["macro_f1"], row["macro_f1_interval"]
    text = "–" if value is None else f"{100 * value:.1f}"
    return f"{text:>5} ({100 * interval[0]:.1f}–{100 * interval[1]:.1f})" if interval else f"{text:>5} (–)"
