"""Expected calibration error: its bins, its weights, what is left out, and the page that shows it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from asc_edge_train.calibration import (
    are_posteriors,
    calibration_table,
    expected_error,
    reliability,
)
from asc_edge_train.reporting import draw_report
from train_runs import run_arrays, run_report


def two_labels(confidence: np.ndarray) -> np.ndarray:
    return np.stack([confidence, 1.0 - confidence], axis=1)


# Catches: a gap that isn't weighed by the clips of its bin, or is signed, so that errors cancel.
@pytest.mark.parametrize("equal_mass", [True, False])
def test_error_by_hand(equal_mass: bool) -> None:
    confidence = np.repeat([0.6, 0.9], [4, 4])
    truth = np.array([0, 0, 0, 0, 0, 0, 1, 1])  # always right at 0.6, half right at 0.9
    error = expected_error(two_labels(confidence), truth, bins=2, equal_mass=equal_mass)
    # Two bins of equal width over 0 to 1 are one bin here, in which the errors do cancel.
    assert error == pytest.approx((0.4 + 0.4) / 2 if equal_mass else 0.0)
    assert expected_error(two_labels(confidence), truth, bins=10, equal_mass=False) == pytest.approx(0.4)


# Catches: clips lost at the edges of bins, a confidence of 1 in a bin of its own, bins of unequal mass.
def test_bins_hold_all_clips() -> None:
    rng = np.random.default_rng(0)
    confidence = np.concatenate([rng.uniform(0.5, 1.0, 148), [1.0, 0.5]])
    right = rng.random(150) < confidence
    mass = reliability(confidence, right)
    assert np.allclose(mass.weight, 1 / 15)
    wide = reliability(confidence, right, equal_mass=False)
    assert wide.weight.sum() == pytest.approx(1.0)
    assert len(wide.weight) == 8  # of 15 bins, those from 7/15 on
    for found in (mass, wide):
        assert np.sum(found.weight * found.accuracy) == pytest.approx(right.mean())
        assert np.sum(found.weight * found.confidence) == pytest.approx(confidence.mean())


# Catches: an estimator that doesn't see the difference between calibrated and over-confident posteriors.
def test_calibrated_posteriors_have_a_small_error() -> None:
    rng = np.random.default_rng(1)
    confidence = rng.uniform(0.5, 1.0, 20_000)
    truth = (rng.random(20_000) >= confidence).astype(int)
    assert expected_error(two_labels(confidence), truth) < 0.015
    assert expected_error(two_labels(np.sqrt(confidence)), truth) > 0.08


# Catches: silence counted as an answer, groups of another order, figures that JSON can't hold.
def test_table_leaves_out_what_is_no_answer() -> None:
    rng = np.random.default_rng(2)
    posteriors = two_labels(rng.uniform(0.5, 1.0, 60))
    truth, groups = rng.integers(0, 2, 60), np.repeat([f"g{n}" for n in range(20)], 3)
    plain = calibration_table(posteriors, truth, groups)
    silent = np.concatenate([np.full((3, 2), np.nan), posteriors])
    more = calibration_table(silent, np.r_[0, 0, 0, truth], np.r_[["x"] * 3, groups])
    assert json.loads(json.dumps(plain)) == json.loads(json.dumps(more)) == plain
    low, high = plain["ece_interval"]
    assert 0.0 <= low < high <= 1.0


# Catches: a rare label that disappears in the figure that says it weighs as much as the others.
def test_labels_weigh_the_same_where_it_says_so() -> None:
    # 90 clips of label 0, always right at 0.99; 10 of label 1, always answered 0 with 0.7.
    confidence = np.repeat([0.99, 0.7], [90, 10])
    truth = np.repeat([0, 1], [90, 10])
    table = calibration_table(two_labels(confidence), truth, np.arange(100))
    assert table["ece"] == pytest.approx(0.9 * 0.01 + 0.1 * 0.7, abs=0.03)
    assert table["ece_balanced"] == pytest.approx(0.5 * 0.01 + 0.5 * 0.7, abs=0.03)


# Catches: decision values that are taken for posteriors.
def test_decision_values_are_no_posteriors() -> None:
    assert are_posteriors(np.array([[0.2, 0.8], [np.nan, np.nan], [1.0, 0.0]]))
    assert not are_posteriors(np.array([[-0.2, 1.2]]))
    assert not are_posteriors(np.array([[0.2, 0.2]]))
    assert not are_posteriors(np.full((2, 2), np.nan))


# Catches: a report without the diagram, or one that shows errors of systems that have none.
def test_report_shows_calibration_of_posteriors_alone(tmp_path: Path) -> None:
    labels = ["a", "b", "c"]
    arrays = run_arrays(labels, {"late": 0.8, "svm": 0.7})
    scores = np.exp(arrays["scores:late"])
    arrays["scores:late"] = scores / scores.sum(axis=1, keepdims=True)
    report = run_report(arrays, labels)
    draw_report(report, arrays, None, tmp_path)
    page = (tmp_path / f"{report['recipe']}.md").read_text()
    section = page.partition("## Calibration")[2].partition("\n## ")[0]
    assert "| LATE |" in section
    assert "SVM" not in section
    assert (tmp_path / f"{report['recipe']}-reliability.png").read_bytes().startswith(b"\x89PNG")
    before = run_arrays(labels, {"late": 0.8, "svm": 0.7})
    draw_report(run_report(before, labels), before, None, tmp_path / "scores")
    assert "Calibration" not in (tmp_path / "scores" / f"{report['recipe']}.md").read_text()
