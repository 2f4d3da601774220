"""Linear SVMs over embeddings: C by folds, out-of-fold decision values, export to the device's arrays.

CRNN + Deep Spectrum + late fusion, section on SVMs: features standardised on the training part only, linear
SVM one against the rest, C from a grid by the folds, refit on everything with the best C.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from asc_edge.fusion import LinearSvm
from asc_edge_train.crossval import FoldPart, choose_c, metric_score
from asc_edge_train.parallel import SERIAL, Parallel

__all__ = [
    "EmbeddingSvm",
    "class_scores",
    "decision_values",
    "fit_embedding_svm",
    "fit_fold_svm",
    "fit_linear_svm",
    "linear_svm",
    "predict_labels",
    "to_device",
]

_CLIPS_PER_FEATURE = 10


@dataclass(frozen=True)
class EmbeddingSvm:
    """What `fit_embedding_svm` found.

    Attributes
    ----------
    parts : list of FoldPart
        Decision values of every fold, by an SVM and a network that never heard it.
    c : float
        The C of the SVM that ships, by all folds.
    c_by_fold : dict
        The C of each fold's SVM, by the scores of the other folds.
    scores : dict
        Mean score over all folds by C.
    svm : LinearSvm
        Refit on all clips, on the embedding of the network that ships.
    """

    parts: list[FoldPart]
    c: float
    c_by_fold: dict[int, float]
    scores: dict[float, float]
    svm: LinearSvm


def linear_svm(c: float, class_weight: str, shape: tuple[int, ...] | None = None) -> Pipeline:
    """Standardisation and linear SVM with squared hinge.

    Parameters
    ----------
    shape : (clips, features), optional
        Of what it will be fitted on. The dual problem has the same solution, and for a large C it is found
        up to ten times as fast unless there are many more clips than features. Without a shape scikit-learn
        decides.
    """
    weight = "balanced" if class_weight == "balanced" else None
    dual = "auto" if shape is None else shape[0] < _CLIPS_PER_FEATURE * shape[1]
    svc = LinearSVC(C=c, dual=dual, max_iter=10_000, class_weight=weight, random_state=0)
    return make_pipeline(StandardScaler(), svc)


def fit_linear_svm(x: np.ndarray, truth: np.ndarray, c: float, class_weight: str) -> Pipeline:
    """`linear_svm` fitted on embeddings, wide ones in the space that their clips span.

    A few hundred clips span a small part of 4096 dimensions. A rotation into that part leaves all inner
    products, and so the solution, as they are, and makes every step of the solver as cheap as the part is
    small.

    Parameters
    ----------
    x : ndarray (clips, features)
    truth : ndarray of int (clips,)
    """
    fitted = linear_svm(c, class_weight, x.shape)
    if x.shape[1] <= x.shape[0]:
        return fitted.fit(x, truth)
    scaler, svc = fitted[0], fitted[-1]
    basis, rotated = np.linalg.qr(scaler.fit_transform(x.astype(np.float64)).T)
    svc.fit(rotated.T, truth)
    svc.coef_ = svc.coef_ @ basis.T
    svc.n_features_in_ = x.shape[1]
    return fitted


def predict_labels(decision: np.ndarray) -> np.ndarray:
    """Class numbers of decision values (n, K), or (n, 1) in the binary case."""
    return (decision[:, 0] > 0).astype(int) if decision.shape[1] == 1 else np.argmax(decision, axis=1)


def class_scores(values: np.ndarray, classes: int) -> np.ndarray:
    """Scores (n, classes) of decision values; the binary case's single column as two."""
    return np.concatenate([-values, values], axis=1) if values.shape[1] == 1 and classes == 2 else values


def decision_values(fitted: Pipeline, x: np.ndarray) -> np.ndarray:
    """Decision values, with a column in the binary case too."""
    values = np.asarray(fitted.decision_function(x))
    return values[:, None] if values.ndim == 1 else values


def to_device(fitted: Pipeline) -> LinearSvm:
    """The device wing's SVM with the same arithmetic as a fitted pipeline."""
    scaler, svc = fitted[0], fitted[-1]
    return LinearSvm(scaler.mean_, scaler.scale_, svc.coef_, svc.intercept_)


def fit_embedding_svm(
    fold_embeddings: dict[int, np.ndarray],
    all_embedding: np.ndarray,
    truth: np.ndarray,
    folds: np.ndarray,
    *,
    grid: Sequence[float],
    class_weight: str,
    metric: str,
    parallel: Parallel = SERIAL,
    progress: Callable[[int], None] = lambda fits: None,
) -> EmbeddingSvm:
    """SVMs over the embeddings of the fold networks, and the one that ships.

    Parameters
    ----------
    fold_embeddings : dict of fold to ndarray (clips, features)
        Every clip's embedding by the network that never heard this fold.
    all_embedding : ndarray (clips, features)
        Every clip's embedding by the network that ships.
    truth, folds : ndarray of int (clips,)
    """
    pieces = [
        (c, class_weight, fold, embedding, truth, folds)
        for fold, embedding in fold_embeddings.items()
        for c in grid
    ]
    decisions: dict[tuple[float, int], np.ndarray] = {}
    scores: dict[tuple[float, int], float] = {}
    for (c, _, fold, *_), values in zip(pieces, parallel.map(_fold_decisions, pieces), strict=True):
        decisions[c, fold] = values
        scores[c, fold] = metric_score(metric, truth[folds == fold], predict_labels(values))
        progress(1)
    c_by_fold, parts = {}, []
    for fold in fold_embeddings:
        # A fold's own score has no say in its C, or its figure would be too good.
        c_by_fold[fold], _ = choose_c(grid, folds[folds != fold], lambda c, other: scores[c, other])
        parts.append(
            FoldPart(
                trained_on=np.flatnonzero(folds != fold),
                predicted=np.flatnonzero(folds == fold),
                values=decisions[c_by_fold[fold], fold],
            )
        )
    best, means = choose_c(grid, folds, lambda c, fold: scores[c, fold])
    final = fit_linear_svm(all_embedding, truth, best, class_weight)
    return EmbeddingSvm(parts, best, c_by_fold, means, to_device(final))


def _fold_decisions(piece: tuple[float, str, int, np.ndarray, np.ndarray, np.ndarray]) -> np.ndarray:
    """Decision values of one fold by an SVM of the others, for one C."""
    c, class_weight, fold, embedding, truth, folds = piece
    fitted = fit_fold_svm(embedding, truth, folds, fold, c=c, class_weight=class_weight)
    return decision_values(fitted, embedding[folds == fold])


def fit_fold_svm(
    embedding: np.ndarray, truth: np.ndarray, folds: np.ndarray, fold: int, *, c: float, class_weight: str
) -> Pipeline:
    """The SVM that answers for a fold: fitted on all other folds' clips."""
    train = folds != fold
    return fit_linear_svm(embedding[train], truth[train], c, class_weight)
