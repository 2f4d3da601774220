"""Late fusion by stacking: a linear SVM over the members' out-of-fold outputs, calibrated to posteriors.

CRNN + Deep Spectrum + late fusion, section on late fusion: posteriors and decision values are concatenated,
standardised, and scored by a linear SVM whose C comes from the same grid and folds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sklearn
from sklearn.calibration import CalibratedClassifierCV
from sklearn.model_selection import cross_val_predict
from sklearn.utils.class_weight import compute_sample_weight

from asc_edge.fusion import LateFusion
from asc_edge_train.crossval import choose_c, metric_score
from asc_edge_train.parallel import SERIAL, Parallel
from asc_edge_train.recipe import FusionConfig
from asc_edge_train.shared_weights import LEAST_POSTERIOR, SharedWeightSvm, shared_fusion
from asc_edge_train.svm import decision_values, linear_svm, predict_labels, to_device

__all__ = ["NestedResult", "calibrate", "choose_fusion_c", "fit_fold_fusion", "fit_fusion", "nested_scores"]


@dataclass(frozen=True)
class NestedResult:
    """The fusion's posteriors for clips that nothing in it has seen.

    Attributes
    ----------
    posteriors : ndarray (clips, labels)
        Of each fold by a fusion whose SVM, C and calibration come from the other folds.
    c_by_fold : dict
    """

    posteriors: np.ndarray
    c_by_fold: dict[int, float]


def fold_splits(folds: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """(train, test) rows of each fold, as scikit-learn's ``cv`` takes them."""
    return [(np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)) for fold in np.unique(folds)]


def choose_fusion_c(
    stacked: np.ndarray, truth: np.ndarray, folds: np.ndarray, config: FusionConfig, metric: str
) -> tuple[float, dict[float, float]]:
    """The C with the best mean score over the folds, and every C's mean score."""

    def score(c: float, fold: int) -> float:
        train, test = folds != fold, folds == fold
        fitted = _fusion_svm(c, config, stacked[train].shape).fit(stacked[train], truth[train])
        return metric_score(metric, truth[test], predict_labels(decision_values(fitted, stacked[test])))

    return choose_c(config.c_grid, folds, score)


def _fusion_svm(c: float, config: FusionConfig, shape: tuple[int, ...]) -> Any:
    """What is fitted on stacked scores of this shape: a pipeline, or the SVM whose labels share weights."""
    if config.weights == "shared":
        return SharedWeightSvm(linear_svm(c, "balanced"))
    return linear_svm(c, config.class_weight, shape)


def calibrate(
    stacked: np.ndarray, truth: np.ndarray, folds: np.ndarray, c: float, config: FusionConfig
) -> CalibratedClassifierCV:
    """The SVM on all clips given, and Platt's sigmoids from its out-of-fold decision values.

    With the ``uniform`` prior every class weighs the same in the sigmoids: how many clips of a class a corpus
    holds says nothing about how often it happens in a home.
    """
    weights = compute_sample_weight("balanced", truth) if config.prior == "uniform" else None
    with sklearn.config_context(enable_metadata_routing=True):
        pipeline = linear_svm(c, config.class_weight, stacked.shape)
        # The weights are for the sigmoids: the SVM has its own class weights.
        for step in pipeline:
            step.set_fit_request(sample_weight=False)
        calibrated = CalibratedClassifierCV(pipeline, method="sigmoid", ensemble=False, cv=fold_splits(folds))
        return calibrated.fit(stacked, truth, sample_weight=weights)


def fit_fusion(
    stacked: np.ndarray, truth: np.ndarray, folds: np.ndarray, c: float, config: FusionConfig
) -> LateFusion:
    """The device's fusion, as plain arrays: the SVM on all clips given, calibrated out of fold."""
    if config.weights == "shared":
        svm = _fusion_svm(c, config, stacked.shape)
        values = cross_val_predict(svm, stacked, truth, cv=fold_splits(folds), method="decision_function")
        return shared_fusion(svm.fit(stacked, truth), values, truth, config.prior)
    fitted = calibrate(stacked, truth, folds, c, config).calibrated_classifiers_[0]
    return LateFusion(
        to_device(fitted.estimator),
        platt_a=[sigmoid.a_ for sigmoid in fitted.calibrators],
        platt_b=[sigmoid.b_ for sigmoid in fitted.calibrators],
    )


def nested_scores(
    stacked: np.ndarray,
    truth: np.ndarray,
    folds: np.ndarray,
    *,
    config: FusionConfig,
    metric: str,
    parallel: Parallel = SERIAL,
    progress: Callable[[int], None] = lambda folds: None,
) -> NestedResult:
    """Cross-validate the whole fusion: for each fold, C and calibration are found inside the other folds."""
    posteriors = np.empty((len(truth), int(truth.max()) + 1))
    c_by_fold: dict[int, float] = {}
    pieces = [(stacked, truth, folds, fold, config, metric) for fold in np.unique(folds)]
    for (*_, fold, _, _), (c, answers) in zip(pieces, parallel.map(_one_fold, pieces), strict=True):
        posteriors[folds == fold] = answers
        c_by_fold[int(fold)] = c
        progress(1)
    return NestedResult(posteriors, c_by_fold)


def _one_fold(
    piece: tuple[np.ndarray, np.ndarray, np.ndarray, int, FusionConfig, str],
) -> tuple[float, np.ndarray]:
    """C and posteriors of one fold, by a fusion of the others."""
    stacked, truth, folds, fold, config, metric = piece
    train, test = folds != fold, folds == fold
    inner = _inner_folds(truth[train], folds[train])
    if len(np.unique(inner)) > 1:
        c, _ = choose_fusion_c(stacked[train], truth[train], inner, config, metric)
    else:  # two folds leave nothing to choose C on
        c = sorted(config.c_grid)[len(config.c_grid) // 2]
    fusion = fit_fold_fusion(stacked, truth, folds, fold, c=c, config=config)
    return c, fusion.predict_proba(stacked[test])


def _inner_folds(truth: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """The folds; others where one of them alone holds all clips of a label, as a corpus may.

    Then each label's clips are parted in the order of the table, sorted by name: most recordings stay
    together.
    """
    count = len(np.unique(folds))
    spread = [len(np.unique(folds[truth == label])) for label in np.unique(truth)]
    if count < 2 or min(spread) > 1:
        return folds
    inner = np.empty_like(folds)
    for label in np.unique(truth):
        rows = np.flatnonzero(truth == label)
        inner[rows] = np.arange(len(rows)) * count // len(rows) + 1
    return inner


def fit_fold_fusion(
    stacked: np.ndarray, truth: np.ndarray, folds: np.ndarray, fold: int, *, c: float, config: FusionConfig
) -> LateFusion:
    """The fusion that answers for a fold: fitted on all other folds' clips."""
    train = folds != fold
    inner = _inner_folds(truth[train], folds[train])
    if len(np.unique(inner)) < 2:
        inner = np.arange(len(inner)) % 2
    return fit_fusion(stacked[train], truth[train], inner, c, config)


def stack(members: Sequence[np.ndarray], kinds: Sequence[str], weights: str) -> np.ndarray:
    """Members' out-of-fold outputs (clips, outputs) side by side, in the order of the bundle's members.

    Parameters
    ----------
    kinds : sequence of str
        Of the members. Where labels share their weights, posteriors go in as logarithms.
    weights : {"per_label", "shared"}
    """
    outputs = [
        np.log(np.maximum(scores, LEAST_POSTERIOR)) if weights == "shared" and kind == "posterior" else scores
        for scores, kind in zip(members, kinds, strict=True)
    ]
    return np.ascontiguousarray(np.concatenate(outputs, axis=1), dtype=np.float64)
