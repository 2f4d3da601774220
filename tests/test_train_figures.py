"""Intervals of accuracy and macro-F1 by resampling groups, against scikit-learn and slow loops."""

from __future__ import annotations

import time

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from asc_edge_train.figures import (
    answers,
    bootstrap_interval,
    clip_score,
    interval_table,
    paired_difference,
)

K = 4


def sessions(rng: np.random.Generator, groups: int = 24, classes: int = K) -> tuple[np.ndarray, ...]:
    """Sessions of one class each, right or wrong as a whole: (truth, predicted, groups, folds)."""
    sizes = rng.integers(3, 15, groups)
    truth = np.repeat(np.arange(groups) % classes, sizes)
    session = np.repeat(np.arange(groups), sizes)
    good = rng.random(groups) < 0.7
    predicted = np.where(good[session], truth, rng.integers(0, classes + 1, len(truth)))
    return truth, predicted, session, session // 4 % 3 + 1


def f1_of_heard(truth: np.ndarray, predicted: np.ndarray) -> float:
    return float(f1_score(truth, predicted, labels=np.unique(truth), average="macro", zero_division=0.0))


def slow_draws(truth: np.ndarray, session: np.ndarray, seed: int, resamples: int) -> list[np.ndarray]:
    """The clips of every resample, one session after the other."""
    count = session.max() + 1
    draws = np.random.default_rng(seed).integers(count, size=(resamples, count))
    return [np.concatenate([np.flatnonzero(session == name) for name in row]) for row in draws]


def fold_mean(score: object, truth: np.ndarray, predicted: np.ndarray, folds: np.ndarray) -> float:
    return float(np.mean([score(truth[folds == f], predicted[folds == f]) for f in np.unique(folds)]))  # type: ignore[operator]


# Catches: clips resampled instead of groups, the other metric's interval, a class that wasn't drawn counted
# as 0, predicted and true columns mixed up, "no answer" counted for the first class.
@pytest.mark.parametrize("metric", ["accuracy", "macro_f1"])
@pytest.mark.parametrize("fold_average", [False, True])
def test_interval_equals_slow_loop(rng: np.random.Generator, metric: str, fold_average: bool) -> None:
    truth, predicted, session, folds = sessions(rng, groups=16)
    score = accuracy_score if metric == "accuracy" else f1_of_heard
    drawn = []
    for rows in slow_draws(truth, session, 3, 60):
        if fold_average:
            drawn.append(fold_mean(score, truth[rows], predicted[rows], folds[rows]))
        else:
            drawn.append(score(truth[rows], predicted[rows]))
    expected = np.quantile(drawn, [0.05, 0.95])
    names = np.array([f"s{number:03d}" for number in range(16)])[session]
    ours = bootstrap_interval(
        truth,
        predicted,
        names,
        K,
        metric,
        folds=folds,
        fold_average=fold_average,
        resamples=60,
        seed=3,
        level=0.9,
    )
    np.testing.assert_allclose(ours, expected, atol=1e-12)


# Catches: pooled macro-F1 where the protocol asks for the mean of the folds, absent classes left out.
def test_score_equals_scikit_learn(rng: np.random.Generator) -> None:
    truth, predicted, _, folds = sessions(rng)
    every = {"labels": range(K + 1), "average": "macro", "zero_division": 0.0}
    pooled = f1_score(truth, predicted, **every)
    assert clip_score(truth, predicted, K + 1, "macro_f1", folds=folds) == pytest.approx(pooled)
    assert clip_score(truth, predicted, K, "accuracy") == pytest.approx(accuracy_score(truth, predicted))
    by_fold = [f1_score(truth[folds == f], predicted[folds == f], **every) for f in (1, 2, 3)]
    mean = clip_score(truth, predicted, K + 1, "macro_f1", folds=folds, fold_average=True)
    assert mean == pytest.approx(np.mean(by_fold))
    assert abs(mean - pooled) > 1e-3


# Catches: intervals as narrow as if the clips of a session were independent.
def test_sessions_give_wider_intervals_than_clips(rng: np.random.Generator) -> None:
    truth, predicted, session, _ = sessions(rng, groups=40)
    low, high = bootstrap_interval(truth, predicted, session, K, "macro_f1")
    clip_low, clip_high = bootstrap_interval(truth, predicted, np.arange(len(truth)), K, "macro_f1")
    assert low < clip_score(truth, predicted, K, "macro_f1") < high
    assert high - low > 1.5 * (clip_high - clip_low)


# Catches: two systems resampled apart, the sign, ties counted as below, pooled instead of by fold.
@pytest.mark.parametrize("fold_average", [False, True])
def test_paired_difference_equals_slow_loop(rng: np.random.Generator, fold_average: bool) -> None:
    truth, first, session, folds = sessions(rng)
    second = np.where(rng.random(len(truth)) < 0.3, truth, first)
    second[session == 5] = K
    differences = []
    for rows in slow_draws(truth, session, 9, 40):
        t, a, b, f = truth[rows], first[rows], second[rows], folds[rows]
        if fold_average:
            differences.append(fold_mean(f1_of_heard, t, b, f) - fold_mean(f1_of_heard, t, a, f))
        else:
            differences.append(f1_of_heard(t, b) - f1_of_heard(t, a))
    found = paired_difference(
        truth,
        first,
        second,
        session,
        K,
        metric="macro_f1",
        folds=folds,
        fold_average=fold_average,
        resamples=40,
        seed=9,
    )
    np.testing.assert_allclose((found.low, found.high), np.quantile(differences, [0.025, 0.975]), atol=1e-12)
    assert found.share_below == pytest.approx(np.mean(np.array(differences) < 0))
    of = {"folds": folds, "fold_average": fold_average}
    expected = clip_score(truth, second, K, "macro_f1", **of) - clip_score(truth, first, K, "macro_f1", **of)
    assert found.difference == pytest.approx(expected)
    same = paired_difference(truth, first, first, session, K, metric="accuracy")
    assert (same.difference, same.low, same.high, same.share_below) == (0.0, 0.0, 0.0, 0.0)


# Catches: draws that depend on how many fit into memory at a time, unseeded draws.
def test_rounds_do_not_change_the_interval(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    truth, predicted, session, _ = sessions(rng)
    once = bootstrap_interval(truth, predicted, session, K, "macro_f1", seed=1)
    monkeypatch.setattr("asc_edge_train.figures._CELLS_AT_A_TIME", 100)
    assert bootstrap_interval(truth, predicted, session, K, "macro_f1", seed=1) == once
    assert bootstrap_interval(truth, predicted, session, K, "macro_f1", seed=2) != once
    table = interval_table(truth, predicted, session, K, seed=1)
    assert table["macro_f1"] == list(once)
    assert table["accuracy"] != table["macro_f1"]


# Catches: resampling clip by clip in Python, tables of groups x classes x classes that take seconds.
@pytest.mark.parametrize(("clips", "groups", "classes"), [(1600, 1600, 50), (72984, 266, 9)])
def test_intervals_are_quick(rng: np.random.Generator, clips: int, groups: int, classes: int) -> None:
    session = rng.integers(0, groups, clips)
    truth = session % classes
    predicted = np.where(rng.random(clips) < 0.8, truth, rng.integers(0, classes, clips))
    names = np.array([f"s{number}" for number in range(groups)])[session]
    start = time.process_time()
    low, high = bootstrap_interval(
        truth, predicted, names, classes, "macro_f1", folds=session // 50 % 4, fold_average=True
    )
    assert 0.5 < low < high < 1.0
    assert time.process_time() - start < 5.0


# Catches: NaN rows answered with the first class (numpy's argmax of NaN).
def test_nan_row_is_no_answer() -> None:
    scores = np.array([[0.1, 0.9], [np.nan, np.nan], [0.2, np.nan], [0.7, 0.3]], dtype=np.float32)
    assert answers(scores).tolist() == [1, 2, 2, 0]


def test_unknown_metric_and_no_clips_are_refused() -> None:
    one = np.zeros(1, dtype=np.int64)
    with pytest.raises(ValueError, match="known are accuracy, macro_f1"):
        clip_score(one, one, 2, "f1")
    with pytest.raises(ValueError, match="no clip"):
        clip_score(one[:0], one[:0], 2, "accuracy")


# Catches: arithmetic that leaves DCASE 2018 task 5's: always "absence" is macro-F1 4.6 %, accuracy 25.8 %.
def test_always_absence_in_task5() -> None:
    files = [18860, 5124, 1424, 2308, 2060, 4944, 972, 18648, 18644]
    truth = np.repeat(np.arange(9), files)
    absence = np.zeros_like(truth)
    assert 100 * clip_score(truth, absence, 9, "macro_f1") == pytest.approx(4.6, abs=0.05)
    assert 100 * clip_score(truth, absence, 9, "accuracy") == pytest.approx(25.8, abs=0.05)
