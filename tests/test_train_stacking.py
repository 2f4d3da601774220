"""SVMs and stacking, against scikit-learn used directly, and the refusal of in-sample predictions."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV, _SigmoidCalibration
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import PredefinedSplit, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from asc_edge.errors import UsageError
from asc_edge_train.crossval import FoldPart, InSampleError, assemble_out_of_fold, choose_c, metric_score
from asc_edge_train.figures import confusion, score_table
from asc_edge_train.recipe import FusionConfig
from asc_edge_train.stacking import choose_fusion_c, fit_fusion, nested_scores
from asc_edge_train.svm import fit_embedding_svm

GRID = [1e-4, 1e-2, 1.0]
PLAIN = FusionConfig(c_grid=GRID)
FOLDS = np.arange(240) % 4 + 1


def problem(rng: np.random.Generator, classes: int = 3, features: int = 6) -> tuple[np.ndarray, np.ndarray]:
    truth = rng.integers(classes, size=len(FOLDS))
    centres = rng.normal(size=(classes, features))
    return centres[truth] * 1.2 + rng.normal(size=(len(FOLDS), features)) * 3 + 5.0, truth


def reference(c: float, **options: object) -> object:
    svc = LinearSVC(C=c, dual="auto", max_iter=10_000, random_state=0, **options)  # type: ignore[arg-type]
    return make_pipeline(StandardScaler(), svc)


# Catches: stacking on predictions of the network's own training clips, or of other clips of a recording.
def test_in_sample_predictions_are_refused() -> None:
    groups = ["a", "a", "b", "c"]
    values = np.zeros((2, 3))
    good = [
        FoldPart(np.array([2, 3]), np.array([0, 1]), values),
        FoldPart(np.array([0, 1]), np.array([2, 3]), values + 1),
    ]
    np.testing.assert_array_equal(assemble_out_of_fold(good, groups)[:, 0], [0, 0, 1, 1])
    with pytest.raises(InSampleError, match="'b'"):
        assemble_out_of_fold([FoldPart(np.array([2, 3]), np.array([2, 3]), values)], groups)
    with pytest.raises(InSampleError, match="'a'"):
        assemble_out_of_fold([FoldPart(np.array([0, 3]), np.array([1, 2]), values)], groups)
    with pytest.raises(UsageError, match="no out-of-fold"):
        assemble_out_of_fold(good[:1], groups)
    with pytest.raises(UsageError, match="another fold"):
        assemble_out_of_fold([good[0], good[0]], groups)


# Catches: standardisation on the test fold, another loss, C's score pooled instead of averaged over folds.
@pytest.mark.parametrize("weight", ["none", "balanced"])
def test_embedding_svm_equals_scikit_learn(rng: np.random.Generator, weight: str) -> None:
    x, truth = problem(rng)
    found = fit_embedding_svm(
        dict.fromkeys((1, 2, 3, 4), x), x, truth, FOLDS, grid=GRID, class_weight=weight, metric="macro_f1"
    )
    options = {"class_weight": "balanced"} if weight == "balanced" else {}
    cv = PredefinedSplit(FOLDS)
    for c in GRID:
        scores = cross_val_score(reference(c, **options), x, truth, cv=cv, scoring="f1_macro")
        assert found.scores[c] == pytest.approx(scores.mean(), abs=1e-9)
    assert found.scores[found.c] == max(found.scores.values())
    final = reference(found.c, **options).fit(x, truth)  # type: ignore[attr-defined]
    np.testing.assert_allclose(found.svm.decision_function(x), final.decision_function(x), atol=1e-9)
    for part, fold in zip(found.parts, (1, 2, 3, 4), strict=True):
        train, test = fold != FOLDS, fold == FOLDS
        np.testing.assert_array_equal(part.predicted, np.flatnonzero(test))
        expected = reference(found.c_by_fold[fold], **options).fit(x[train], truth[train])  # type: ignore[attr-defined]
        np.testing.assert_allclose(part.values, expected.decision_function(x[test]), atol=1e-9)


# Catches: a fold's own score having a say in the C of its out-of-fold decision values.
def test_c_of_an_embedding_fold_is_by_the_other_folds(rng: np.random.Generator) -> None:
    truth = rng.integers(3, size=240)
    x = rng.normal(size=(240, 8)) + 0.3 * truth[:, None]
    grid = [1e-4, 1e-3, 1e-2, 1e-1]
    found = fit_embedding_svm(
        dict.fromkeys((1, 2, 3, 4), x), x, truth, FOLDS, grid=grid, class_weight="none", metric="accuracy"
    )
    cv = PredefinedSplit(FOLDS)
    scores = np.array([cross_val_score(reference(c), x, truth, cv=cv) for c in grid])
    for fold in (1, 2, 3, 4):
        others = np.delete(scores, fold - 1, axis=1).mean(axis=1)
        assert found.c_by_fold[fold] == grid[int(np.argmax(others))]
    assert set(found.c_by_fold.values()) != {found.c}  # labels without meaning: the folds disagree


# Catches: a fold's own labels having a say in the C that its figure is made with.
def test_c_of_a_fold_ignores_its_labels(rng: np.random.Generator) -> None:
    x, truth = problem(rng)
    spoilt = truth.copy()
    spoilt[FOLDS == 2] = rng.permutation(spoilt[FOLDS == 2])
    grid = [1e-6, 1e-4, 1e-2, 1.0]
    nested = [
        nested_scores(x, labels, FOLDS, config=FusionConfig(c_grid=grid), metric="macro_f1")
        for labels in (truth, spoilt)
    ]
    assert nested[0].c_by_fold[2] == nested[1].c_by_fold[2]
    np.testing.assert_array_equal(nested[0].posteriors[FOLDS == 2], nested[1].posteriors[FOLDS == 2])
    assert not np.array_equal(nested[0].posteriors[FOLDS == 1], nested[1].posteriors[FOLDS == 1])


# Catches: calibration from in-sample decision values, sigmoids in another order, scale and mean swapped.
@pytest.mark.parametrize("classes", [2, 3, 7])
def test_fusion_equals_scikit_learn(rng: np.random.Generator, classes: int) -> None:
    x, truth = problem(rng, classes)
    c, scores = choose_fusion_c(x, truth, FOLDS, PLAIN, "accuracy")
    cv = PredefinedSplit(FOLDS)
    for value in GRID:
        expected = cross_val_score(reference(value), x, truth, cv=cv, scoring="accuracy").mean()
        assert scores[value] == pytest.approx(expected, abs=1e-9)
    fusion = fit_fusion(x, truth, FOLDS, c, PLAIN)
    oracle = CalibratedClassifierCV(reference(c), method="sigmoid", ensemble=False, cv=cv).fit(x, truth)
    np.testing.assert_allclose(fusion.predict_proba(x), oracle.predict_proba(x), atol=1e-9)


# Catches: the nested figure taken from a fusion that was fitted on the fold it is tested on.
def test_nested_posteriors_equal_scikit_learn(rng: np.random.Generator) -> None:
    x, truth = problem(rng)
    nested = nested_scores(x, truth, FOLDS, config=PLAIN, metric="accuracy")
    for fold in (1, 2, 3, 4):
        train, test = fold != FOLDS, fold == FOLDS
        inner = PredefinedSplit(FOLDS[train])
        best = max(
            GRID, key=lambda c: (cross_val_score(reference(c), x[train], truth[train], cv=inner).mean(), -c)
        )
        assert nested.c_by_fold[fold] == best
        oracle = CalibratedClassifierCV(reference(best), method="sigmoid", ensemble=False, cv=inner)
        expected = oracle.fit(x[train], truth[train]).predict_proba(x[test])
        np.testing.assert_allclose(nested.posteriors[test], expected, atol=1e-9)


# Catches: any leak at all. With labels that mean nothing, honest accuracy is chance.
def test_nested_score_of_noise_is_chance(rng: np.random.Generator) -> None:
    x, truth = rng.normal(size=(240, 60)), rng.integers(3, size=240)
    nested = nested_scores(x, truth, FOLDS, config=FusionConfig(c_grid=[1.0]), metric="accuracy")
    resubstituted = fit_fusion(x, truth, FOLDS, 1.0, PLAIN).decision_function(x).argmax(axis=1)
    assert accuracy_score(truth, resubstituted) > 0.6
    assert accuracy_score(truth, nested.posteriors.argmax(axis=1)) < 0.45


# Catches: clip counts of the corpora shipped as if they were how often things happen.
def test_uniform_prior_lifts_rare_classes(rng: np.random.Generator) -> None:
    truth = np.where(np.arange(240) < 216, 0, 1)
    rng.shuffle(truth)
    x = truth[:, None] * 1.0 + rng.normal(size=(240, 2))
    balanced = FusionConfig(c_grid=GRID, class_weight="balanced", prior="uniform")
    data = FusionConfig(c_grid=GRID, class_weight="balanced", prior="data")
    uniform = fit_fusion(x, truth, FOLDS, 0.01, balanced).predict_proba(x)
    counted = fit_fusion(x, truth, FOLDS, 0.01, data).predict_proba(x)
    assert counted.mean(axis=0)[1] == pytest.approx(0.1, abs=0.03)
    assert np.mean([uniform[truth == k, 1].mean() for k in (0, 1)]) == pytest.approx(0.5, abs=0.08)
    # the sigmoid itself, by scikit-learn, on weighted out-of-fold decision values
    out_of_fold = cross_val_predict(
        reference(0.01, class_weight="balanced"),
        x,
        truth,
        cv=PredefinedSplit(FOLDS),
        method="decision_function",
    )
    weights = np.where(truth == 0, 240 / 2 / 216, 240 / 2 / 24)
    sigmoid = _SigmoidCalibration().fit(out_of_fold, truth, weights)
    fitted = reference(0.01, class_weight="balanced").fit(x, truth)  # type: ignore[attr-defined]
    np.testing.assert_allclose(uniform[:, 1], sigmoid.predict(fitted.decision_function(x)), atol=1e-9)
    # same SVM: only the sigmoids know of the prior
    np.testing.assert_allclose(
        fit_fusion(x, truth, FOLDS, 0.01, balanced).decision_function(x),
        fit_fusion(x, truth, FOLDS, 0.01, data).decision_function(x),
    )


def test_choose_c_takes_the_smallest_of_the_best() -> None:
    table = {(0.1, 1): 0.5, (0.1, 2): 0.7, (1.0, 1): 0.6, (1.0, 2): 0.6, (0.01, 1): 0.1, (0.01, 2): 0.9}
    best, means = choose_c([1.0, 0.1, 0.01], np.array([1, 2, 2]), lambda c, fold: table[c, fold])
    assert best == 0.1
    assert means == pytest.approx({0.01: 0.5, 0.1: 0.6, 1.0: 0.6})


# Catches: macro-F1 over the labels that occur only, figures per fold mixed up, confusion transposed.
def test_figures_equal_scikit_learn(rng: np.random.Generator) -> None:
    x, truth = problem(rng)
    predicted = cross_val_predict(reference(0.1), x, truth, cv=PredefinedSplit(FOLDS))
    table = score_table(truth, predicted, FOLDS, ["a", "b", "c"])
    assert table["accuracy"] == pytest.approx(accuracy_score(truth, predicted))
    assert table["macro_f1"] == pytest.approx(f1_score(truth, predicted, average="macro"))
    assert table["per_fold"]["3"]["accuracy"] == np.mean((truth == predicted)[FOLDS == 3])
    rows = confusion(truth, predicted, 3)
    assert rows[0][1] == np.sum((truth == 0) & (predicted == 1))
    recall = rows[2][2] / sum(rows[2])
    assert table["per_class"]["c"]["recall"] == pytest.approx(recall)
    assert table["per_class"]["c"]["clips"] == sum(rows[2])
    nothing = score_table(np.array([0, 1]), np.array([3, 1]), np.array([1, 1]), ["a", "b", "c"])
    assert nothing["accuracy"] == 0.5
    assert nothing["macro_f1"] == pytest.approx(1 / 3)
    assert metric_score("macro_f1", np.array([0, 1]), np.array([0, 1])) == 1.0
