"""The device's own solver gives what scikit-learn gives."""

from __future__ import annotations

import time

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.model_selection import PredefinedSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from asc_edge.manifest import MemorySpec
from asc_edge.teaching.memory import Memory
from asc_edge.teaching.refit import Members, fit_system, make_table
from asc_edge.teaching.solver import fit_linear_svm, fit_sigmoid


def problem(clips: int, features: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(clips + features)
    truth = np.concatenate([np.arange(classes), rng.choice(classes, clips - classes, p=_unequal(classes))])
    x = rng.standard_normal((clips, features)) * rng.uniform(0.1, 5.0, features)
    return x + 0.6 * rng.standard_normal((classes, features))[truth], truth


def _unequal(classes: int) -> np.ndarray:
    shares = 2.0 ** -np.arange(classes)
    return shares / shares.sum()


def reference(c: float, shape: tuple[int, int], weight: str | None) -> LinearSVC:
    dual = shape[0] < 10 * shape[1]
    return LinearSVC(C=c, dual=dual, tol=1e-8, max_iter=300_000, class_weight=weight, random_state=0)


# Catches: an intercept that isn't penalised, weights of the wrong class, a Newton method that stops early.
@pytest.mark.parametrize(
    ("clips", "features", "classes", "c", "weight"),
    [
        (2800, 100, 8, 0.01, "balanced"),
        (2800, 192, 8, 0.01, "balanced"),
        (800, 30, 8, 1.0, "balanced"),
        (800, 30, 5, 1.0, None),
        (500, 15, 2, 1.0, "balanced"),
        (100, 300, 4, 0.1, "balanced"),
    ],
)
def test_the_svm_is_that_of_scikit_learn(
    clips: int, features: int, classes: int, c: float, weight: str | None
) -> None:
    x, truth = problem(clips, features, classes)
    expected = make_pipeline(StandardScaler(), reference(c, x.shape, weight)).fit(x, truth)
    svm = fit_linear_svm(x, truth, classes, c=c, balanced=weight is not None)
    values = expected.decision_function(x).reshape(clips, -1)
    np.testing.assert_allclose(svm.decision_function(x), values, atol=1e-4)


# Catches: weights that change the solution in another way than copies of a row do.
def test_a_weight_of_three_is_three_rows() -> None:
    x, truth = problem(300, 20, 4)
    weights = np.where(np.arange(300) % 5 == 0, 3.0, 1.0)
    copies = np.repeat(np.arange(300), weights.astype(int))
    weighted = fit_linear_svm(x, truth, 4, c=0.5, weights=weights)
    copied = fit_linear_svm(x[copies], truth[copies], 4, c=0.5)
    np.testing.assert_allclose(weighted.decision_function(x), copied.decision_function(x), atol=1e-6)


# Catches: a feature that never changes, and a scale of nought.
def test_a_constant_feature_does_no_harm() -> None:
    x, truth = problem(200, 10, 3)
    x[:, 4] = 0.1
    expected = make_pipeline(StandardScaler(), reference(0.1, x.shape, "balanced")).fit(x, truth)
    svm = fit_linear_svm(x, truth, 3, c=0.1)
    np.testing.assert_allclose(svm.decision_function(x), expected.decision_function(x), atol=1e-4)


# Catches: sigmoids that are fitted on what the SVM has heard, or without Platt's targets.
@pytest.mark.parametrize("prior", ["data", "uniform"])
def test_the_fusion_is_that_of_scikit_learn(prior: str) -> None:
    from asc_edge_train.recipe import FusionConfig
    from asc_edge_train.stacking import fit_fusion

    x, truth = problem(900, 14, 7)
    folds = np.concatenate([1 + np.arange(7 * 4) // 7, 1 + np.arange(900 - 28) % 4])
    truth[:28] = np.arange(28) % 7
    memory = Memory(truth, folds, np.ones(900), {"a": x}, {})
    table = make_table([f"l{n}" for n in range(7)], memory, [])
    spec = MemorySpec("", {}, 0.1, True, prior == "uniform")
    own = fit_system(table, Members({}, x), spec).fusion
    config = FusionConfig(c_grid=(0.1,), class_weight="balanced", prior=prior)
    expected = fit_fusion(x, truth, folds, 0.1, config)
    np.testing.assert_allclose(own.predict_proba(x), expected.predict_proba(x), atol=1e-4)


# Catches: decision values in the thousands, on which a Newton step overflows.
def test_a_sigmoid_of_large_values_is_that_of_small_ones() -> None:
    rng = np.random.default_rng(3)
    positive = rng.random(400) < 0.3
    values = rng.standard_normal(400) + 2.0 * positive
    a, b = fit_sigmoid(values, positive, np.ones(400))
    large_a, large_b = fit_sigmoid(1e4 * values, positive, np.ones(400))
    assert (1e4 * large_a, large_b) == pytest.approx((a, b), rel=1e-4)
    assert a < 0


# Catches: a solver in whose time nobody waits: this is a memory's size, all labels of a bundle.
def test_a_refit_takes_seconds() -> None:
    x, truth = problem(1400, 192, 8)
    start = time.process_time()
    fit_linear_svm(x, truth, 8, c=0.01)
    assert time.process_time() - start < 10.0


def test_calibration_of_scikit_learn_is_still_what_is_compared_with() -> None:
    """Catches: a scikit-learn that calibrates in another way, so that the test above compares nothing."""
    x, truth = problem(200, 5, 3)
    folds = np.arange(200) % 4
    fitted = CalibratedClassifierCV(
        reference(0.1, x.shape, None), method="sigmoid", ensemble=False, cv=PredefinedSplit(folds)
    ).fit(x, truth)
    assert len(fitted.calibrated_classifiers_[0].calibrators) == 3
