"""A late fusion whose labels share the members' weights."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from asc_edge_train.recipe import FusionConfig
from asc_edge_train.stacking import choose_fusion_c, fit_fusion, nested_scores, stack

CONFIG = FusionConfig(c_grid=[1e-3, 1e-1], weights="shared")
LABELS = 5


@pytest.fixture
def scores() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores of three members, a good one, a poor one and noise; truth; folds."""
    rng = np.random.default_rng(11)
    truth = rng.integers(LABELS, size=240)
    folds = 1 + np.arange(240) % 4
    right = np.eye(LABELS)[truth]
    members = [right * gain + rng.normal(0.0, 1.0, right.shape) for gain in (3.0, 1.0, 0.0)]
    return stack(members, ["features"] * 3, "shared"), truth, folds


# Catches: members and labels mixed up in the pairs, a weight that isn't shared, other answers than the SVM's.
def test_weights_are_those_of_a_linear_svm_on_pairs(scores: tuple[np.ndarray, ...]) -> None:
    stacked, truth, folds = scores
    fusion = fit_fusion(stacked, truth, folds, 1e-1, CONFIG)
    x, y = [], []
    for clip in range(len(truth)):
        for label in range(LABELS):
            x.append([stacked[clip, member * LABELS + label] for member in range(3)])
            y.append(label == truth[clip])
    scaler = StandardScaler().fit(x)
    svc = LinearSVC(C=1e-1, dual=False, class_weight="balanced", max_iter=10_000)
    svc.fit(scaler.transform(x), y)
    expected = svc.decision_function(scaler.transform(x)).reshape(len(truth), LABELS)
    np.testing.assert_allclose(fusion.decision_function(stacked), expected, atol=1e-4)
    good, poor, noise = np.abs(svc.coef_[0])
    assert good > 2 * poor > 4 * noise


# Catches: sigmoids per label, which can make another label the highest, and calibration on fitted clips.
def test_one_sigmoid_from_values_that_were_not_fitted_on(scores: tuple[np.ndarray, ...]) -> None:
    stacked, truth, folds = scores
    fusion = fit_fusion(stacked, truth, folds, 1e-1, CONFIG)
    posteriors, values = fusion.predict_proba(stacked), fusion.decision_function(stacked)
    np.testing.assert_array_equal(posteriors.argmax(axis=1), values.argmax(axis=1))
    held_out = np.empty_like(values)
    for fold in np.unique(folds):
        train = folds != fold
        own = fit_fusion(stacked[train], truth[train], folds[train], 1e-1, CONFIG)
        held_out[~train] = own.decision_function(stacked[~train])
    right = truth[:, None] == np.arange(LABELS)
    sigmoid = LogisticRegression(C=np.inf).fit(held_out.reshape(-1, 1), right.ravel())
    each = sigmoid.predict_proba(values.reshape(-1, 1))[:, 1].reshape(values.shape)
    np.testing.assert_allclose(posteriors, each / each.sum(axis=1, keepdims=True), atol=1e-3)


# Catches: a fold that has a say in its own fusion.
def test_nested_scores_do_not_see_their_fold(scores: tuple[np.ndarray, ...]) -> None:
    stacked, truth, folds = scores
    result = nested_scores(stacked, truth, folds, config=CONFIG, metric="accuracy")
    wrong = truth.copy()
    wrong[folds == 2] = (wrong[folds == 2] + 1) % LABELS
    other = nested_scores(stacked, wrong, folds, config=CONFIG, metric="accuracy")
    np.testing.assert_array_equal(result.posteriors[folds == 2], other.posteriors[folds == 2])
    c, means = choose_fusion_c(stacked, truth, folds, CONFIG, "accuracy")
    assert c in CONFIG.c_grid
    assert means[c] == pytest.approx((result.posteriors.argmax(axis=1) == truth).mean(), abs=0.05)


# Catches: logarithms of decision values, or none of posteriors, or minus infinity.
def test_posteriors_go_in_as_logarithms() -> None:
    posterior, decision = np.array([[0.25, 0.75, 0.0]]), np.array([[-1.0, 2.0, 0.5]])
    kinds = ["posterior", "features"]
    shared = stack([posterior, decision], kinds, "shared")
    np.testing.assert_allclose(shared, [[np.log(0.25), np.log(0.75), np.log(1e-4), -1.0, 2.0, 0.5]])
    per_label = stack([posterior, decision], kinds, "per_label")
    np.testing.assert_array_equal(per_label, np.hstack([posterior, decision]))
