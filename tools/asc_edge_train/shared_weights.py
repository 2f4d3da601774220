"""A stacked linear SVM with one weight per member, shared by all labels.

With 50 labels and four members, a weight for every pair of an output and a label is 10,000 of them, learned
from some 1,000 out-of-fold answers. What holds for all labels alike, how far each member is to be believed,
is four.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.utils.class_weight import compute_sample_weight

from asc_edge.fusion import LateFusion, LinearSvm

__all__ = ["SharedWeightSvm", "shared_fusion"]

# Posteriors count as logarithms here, which add up as evidence does; below this one is as good as another.
LEAST_POSTERIOR = 1e-4


class SharedWeightSvm(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Linear SVM on pairs of a clip and a label: is it this one?

    Every pair has as many features as there are members, each member's score for that label, and the SVM of
    these gives the weights. A clip's decision values are those of its pairs.

    Parameters
    ----------
    svm : Pipeline
        Standardisation and a linear SVM with balanced classes: of K pairs of a clip, one is right.
    """

    def __init__(self, svm: Pipeline) -> None:
        self.svm = svm

    def fit(self, stacked: np.ndarray, truth: np.ndarray) -> SharedWeightSvm:
        """Learn from scores (clips, members * labels), member by member, and label numbers (clips,)."""
        self.classes_ = np.unique(truth)
        right = truth[:, None] == np.arange(len(self.classes_))
        self.svm.fit(self._pairs(stacked), right.ravel())
        return self

    def decision_function(self, stacked: np.ndarray) -> np.ndarray:
        """Decision values (clips, labels)."""
        values: np.ndarray = self.svm.decision_function(self._pairs(stacked))
        return values.reshape(len(stacked), -1)

    def predict(self, stacked: np.ndarray) -> np.ndarray:
        """Labels (clips,) of the highest decision values."""
        best: np.ndarray = self.classes_[self.decision_function(stacked).argmax(axis=1)]
        return best

    def to_device(self) -> LinearSvm:
        """The device wing's SVM with the same decision values."""
        scaler, svc = self.svm[0], self.svm[-1]
        labels = len(self.classes_)
        weights = np.hstack([weight * np.eye(labels) for weight in svc.coef_[0]])
        return LinearSvm(
            np.repeat(scaler.mean_, labels),
            np.repeat(scaler.scale_, labels),
            weights,
            np.full(labels, svc.intercept_[0]),
        )

    def _pairs(self, stacked: np.ndarray) -> np.ndarray:
        """Scores (clips * labels, members)."""
        labels = len(self.classes_)
        pairs: np.ndarray = stacked.reshape(len(stacked), -1, labels).transpose(0, 2, 1)
        return pairs.reshape(len(stacked) * labels, -1)


def shared_fusion(
    fitted: SharedWeightSvm, out_of_fold: np.ndarray, truth: np.ndarray, prior: str
) -> LateFusion:
    """The device's fusion, with one Platt sigmoid for all labels: it can't change which one is highest.

    Parameters
    ----------
    out_of_fold : ndarray (clips, labels)
        Decision values of clips that their SVM wasn't fitted on.
    prior : {"data", "uniform"}
        Whether labels weigh as often as they occur, or the same.
    """
    labels = out_of_fold.shape[1]
    right = (truth[:, None] == np.arange(labels)).ravel()
    weights: Any = None
    if prior == "uniform":
        weights = np.repeat(compute_sample_weight("balanced", truth), labels)
    sigmoid = LogisticRegression(C=1e6).fit(out_of_fold.reshape(-1, 1), right, sample_weight=weights)
    return LateFusion(
        fitted.to_device(),
        platt_a=np.full(labels, -sigmoid.coef_[0, 0]),
        platt_b=np.full(labels, -sigmoid.intercept_[0]),
    )
