"""The linear SVM over embeddings: the same whether it was fitted where the clips lie or in what they span."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from asc_edge_train.svm import fit_linear_svm, to_device


# Catches: a rotation that loses part of the features, forgets the constant column, or isn't undone.
@pytest.mark.parametrize("class_weight", ["none", "balanced"])
@pytest.mark.parametrize("features", [20, 39, 40, 41, 300])
def test_wide_embeddings_give_the_same_svm(features: int, class_weight: str) -> None:
    rng = np.random.default_rng(features)
    truth = np.repeat([0, 1, 2], [8, 14, 18])
    x = rng.normal(3.0, 2.0, (40, features)) + truth[:, None] * rng.normal(0.0, 0.4, features)
    x[:, 3] = 7.0
    new = rng.normal(4.0, 3.0, (9, features))
    weight = None if class_weight == "none" else class_weight
    svc = LinearSVC(C=0.05, dual=True, max_iter=10_000, class_weight=weight, random_state=0)
    oracle = make_pipeline(StandardScaler(), svc).fit(x, truth)
    fitted = fit_linear_svm(x.astype(np.float32), truth, 0.05, class_weight)
    np.testing.assert_allclose(fitted.decision_function(new), oracle.decision_function(new), atol=2e-5)
    shipped = to_device(fitted)
    np.testing.assert_allclose(shipped.decision_function(new), oracle.decision_function(new), atol=2e-5)
