"""Figures about predictions: accuracy, macro-F1, per class and per fold, confusion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support

__all__ = ["confusion", "score_table"]


def score_table(
    truth: np.ndarray, predicted: np.ndarray, folds: np.ndarray, labels: Sequence[str]
) -> dict[str, Any]:
    """Accuracy, macro-F1, per class and per fold; all clips pooled, every label counted.

    A prediction of ``len(labels)`` stands for "no answer": wrong for every label.
    """
    numbers = list(range(len(labels)))
    precision, recall, f1, support = precision_recall_fscore_support(
        truth, predicted, labels=numbers, zero_division=0.0
    )
    return {
        "accuracy": float(accuracy_score(truth, predicted)),
        "macro_f1": float(np.mean(f1)),
        "per_class": {
            label: {
                "precision": float(precision[number]),
                "recall": float(recall[number]),
                "f1": float(f1[number]),
                "clips": int(support[number]),
            }
            for number, label in enumerate(labels)
        },
        "per_fold": {
            str(fold): {
                "accuracy": float(accuracy_score(truth[folds == fold], predicted[folds == fold])),
                "macro_f1": _macro_f1(truth[folds == fold], predicted[folds == fold], numbers),
                "clips": int(np.sum(folds == fold)),
            }
            for fold in np.unique(folds).tolist()
        },
    }


def confusion(truth: np.ndarray, predicted: np.ndarray, classes: int) -> list[list[int]]:
    """Clips by true label (rows) and predicted label (columns)."""
    table = confusion_matrix(truth, predicted, labels=list(range(classes)))
    return [[int(cell) for cell in row] for row in table]


def _macro_f1(truth: np.ndarray, predicted: np.ndarray, numbers: list[int]) -> float:
    _, _, f1, _ = precision_recall_fscore_support(truth, predicted, labels=numbers, zero_division=0.0)
    return float(np.mean(f1))
