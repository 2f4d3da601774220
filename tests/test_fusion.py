"""Linear SVM and late fusion against scikit-learn, and their files."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import make_classification
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from asc_edge.errors import AudioFormatError, BundleError, ConfigError, NonFiniteError
from asc_edge.fusion import LateFusion, LinearSvm

CLASS_COUNTS = [2, 3, 9]


def some_data(classes: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Features of very different means and spreads, one of them constant."""
    x, y = make_classification(
        n_samples=400, n_features=20, n_informative=12, n_classes=classes, random_state=classes
    )
    x = x * np.logspace(-4, 4, 20) + np.linspace(-1e3, 1e3, 20)
    x[:, 5] = 7.0
    return x, y


def fitted(classes: int) -> tuple[Pipeline, LinearSvm, NDArray[np.float64]]:
    x, y = some_data(classes)
    model = make_pipeline(StandardScaler(), LinearSVC(C=0.1, dual=False)).fit(x[:200], y[:200])
    scaler, svc = model[0], model[1]
    return model, LinearSvm(scaler.mean_, scaler.scale_, svc.coef_, svc.intercept_), x[200:]


def fitted_fusion(classes: int) -> tuple[Any, LateFusion, NDArray[np.float64]]:
    x, y = some_data(classes)
    base = make_pipeline(StandardScaler(), LinearSVC(C=0.1, dual=False))
    model = CalibratedClassifierCV(base, method="sigmoid", ensemble=False, cv=3).fit(x[:200], y[:200])
    calibrated = model.calibrated_classifiers_[0]
    scaler, svc = calibrated.estimator[0], calibrated.estimator[1]
    svm = LinearSvm(scaler.mean_, scaler.scale_, svc.coef_, svc.intercept_)
    fusion = LateFusion(svm, [c.a_ for c in calibrated.calibrators], [c.b_ for c in calibrated.calibrators])
    return model, fusion, x[200:]


# A transposed weight matrix, a variance in the scale's place, lost digits, a binary case of two columns.
@pytest.mark.parametrize("classes", CLASS_COUNTS)
def test_decision_values_are_sklearns(classes: int) -> None:
    model, svm, x = fitted(classes)
    expected = model.decision_function(x).reshape(len(x), -1)
    np.testing.assert_allclose(svm.decision_function(x), expected, rtol=0, atol=1e-6)
    assert (svm.classes, svm.features) == (classes, 20)


# Weights or rows of another block: sizes beyond those worked on at once, in features, outputs and rows.
@pytest.mark.parametrize(("features", "outputs"), [(256, 8), (257, 9), (600, 50), (1280, 1)])
def test_large_models_are_sklearns_for_any_batch(
    features: int, outputs: int, rng: np.random.Generator
) -> None:
    x = rng.standard_normal((70, features)) * np.logspace(-3, 3, features) + 5.0
    scaler, svc = StandardScaler().fit(x), LinearSVC()
    svc.coef_ = rng.standard_normal((outputs, features))
    svc.intercept_ = rng.standard_normal(outputs)
    svc.classes_ = np.arange(max(2, outputs))
    svm = LinearSvm(scaler.mean_, scaler.scale_, svc.coef_, svc.intercept_)
    decisions = svm.decision_function(x)
    expected = svc.decision_function(scaler.transform(x)).reshape(70, -1)
    np.testing.assert_allclose(decisions, expected, rtol=0, atol=1e-6)
    fusion = LateFusion(svm, -np.ones(outputs), np.zeros(outputs))
    posteriors = fusion.predict_proba(x)
    for start, end in ((0, 1), (3, 7), (10, 27), (69, 70)):
        np.testing.assert_array_equal(svm.decision_function(x[start:end]), decisions[start:end])
        np.testing.assert_array_equal(fusion.predict_proba(x[start:end]), posteriors[start:end])


# A wrong sign of a Platt coefficient, a softmax, swapped columns, a missing normalisation.
@pytest.mark.parametrize("classes", CLASS_COUNTS)
def test_posteriors_are_sklearns(classes: int) -> None:
    model, fusion, x = fitted_fusion(classes)
    posteriors = fusion.predict_proba(x)
    np.testing.assert_allclose(posteriors, model.predict_proba(x), rtol=0, atol=1e-6)
    np.testing.assert_allclose(posteriors.sum(axis=1), 1.0, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(fusion.decision_function(x), fusion.svm.decision_function(x))
    assert (fusion.classes, fusion.features) == (classes, 20)
    assert len(set(posteriors.argmax(axis=1))) > 1


# scikit-learn's rule for rows whose sigmoids are all 0, and an overflow of exp.
def test_sigmoids_of_zero_give_uniform_posteriors() -> None:
    svm = LinearSvm([0.0], [1.0], [[1.0], [1.0], [1.0], [1.0]], np.zeros(4))
    fusion = LateFusion(svm, np.full(4, 1e6), np.zeros(4))
    posteriors = fusion.predict_proba(np.array([[1e3], [-1e3]]))
    np.testing.assert_array_equal(posteriors, np.full((2, 4), 0.25))


# Rows that leak into each other, and layouts read wrongly.
def test_rows_layouts_and_float32() -> None:
    _, fusion, x = fitted_fusion(3)
    expected = fusion.predict_proba(x)
    for layout in (np.asfortranarray(x), x[::-1].copy()[::-1], np.repeat(x, 2, axis=1)[:, ::2]):
        np.testing.assert_array_equal(fusion.predict_proba(layout), expected)
    np.testing.assert_array_equal(fusion.predict_proba(x[17:18]), expected[17:18])
    assert fusion.predict_proba(x[:0]).shape == (0, 3)
    assert fusion.decision_function(x[:0]).shape == (0, 3)
    x32 = x.astype(np.float32)
    np.testing.assert_array_equal(fusion.predict_proba(x32), fusion.predict_proba(x32.astype(np.float64)))


@pytest.mark.parametrize(
    "x",
    [
        np.zeros(20),
        np.zeros((3, 19)),
        np.zeros((3, 21)),
        np.zeros((3, 20, 1)),
        np.zeros((3, 20), np.int64),
        np.zeros((3, 20), ">f8"),
        np.zeros((3, 20), complex),
        [[0.0] * 20],
    ],
)
def test_wrong_features_are_refused(x: NDArray[np.float64]) -> None:
    _, fusion, _ = fitted_fusion(2)
    with pytest.raises(AudioFormatError):
        fusion.predict_proba(x)
    with pytest.raises(AudioFormatError):
        fusion.decision_function(x)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_features_that_are_not_finite_are_refused(bad: float) -> None:
    _, fusion, x = fitted_fusion(2)
    x[3, 4] = bad
    with pytest.raises(NonFiniteError, match="row 3"):
        fusion.predict_proba(x)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mean": [0.0]}, "don't fit"),
        ({"scale": [1.0, 1.0, 1.0]}, "don't fit"),
        ({"bias": [0.0]}, "don't fit"),
        ({"weights": np.zeros((3, 0)), "mean": [], "scale": []}, "don't fit"),
        ({"weights": [1.0, 2.0]}, "weights has shape"),
        ({"scale": [1.0, 0.0]}, "not positive"),
        ({"scale": [1.0, -1.0]}, "not positive"),
        ({"mean": [0.0, np.nan]}, "NaN"),
        ({"bias": [0.0, 0.0, np.inf]}, "NaN or infinity"),
        ({"mean": ["a", "b"]}, "not an array of numbers"),
        ({"mean": [[0.0], [0.0, 1.0]]}, "not an array of numbers"),
    ],
)
def test_svms_that_cannot_work_are_refused(changes: dict[str, Any], message: str) -> None:
    arrays: dict[str, Any] = {
        "mean": [0.0, 0.0],
        "scale": [1.0, 1.0],
        "weights": np.ones((3, 2)),
        "bias": [0.0] * 3,
    }
    LinearSvm(**arrays)
    with pytest.raises(ConfigError, match=message):
        LinearSvm(**(arrays | changes))


def test_fusions_that_cannot_work_are_refused() -> None:
    svm = LinearSvm([0.0], [1.0], [[1.0], [2.0], [3.0]], np.zeros(3))
    for a, b in (
        ([1.0], [0.0] * 3),
        ([1.0] * 3, [0.0] * 2),
        ([1.0] * 3, [np.nan] * 3),
        ([[1.0] * 3], [0.0] * 3),
    ):
        with pytest.raises(ConfigError, match="platt"):
            LateFusion(svm, a, b)
    with pytest.raises(ConfigError, match="LinearSvm"):
        LateFusion(None, [1.0], [0.0])  # type: ignore[arg-type]


# A model that changes with the array it was made from.
def test_models_keep_their_own_copy() -> None:
    weights = np.ones((1, 2))
    svm = LinearSvm([0.0, 0.0], [1.0, 1.0], weights, [0.0])
    before = svm.to_npz()
    weights[:] = 5.0
    assert svm.to_npz() == before
    assert svm.decision_function(np.ones((1, 2)))[0, 0] == 2.0


@pytest.mark.parametrize("classes", CLASS_COUNTS)
def test_files_give_the_same_bits_back(classes: int) -> None:
    _, fusion, x = fitted_fusion(classes)
    again = LateFusion.from_npz(fusion.to_npz())
    np.testing.assert_array_equal(again.predict_proba(x), fusion.predict_proba(x))
    svm = LinearSvm.from_npz(fusion.svm.to_npz())
    np.testing.assert_array_equal(svm.decision_function(x), fusion.decision_function(x))
    assert again.to_npz() == fusion.to_npz()
    # No time of day in the bytes: equal models give equal bundles.
    with zipfile.ZipFile(io.BytesIO(fusion.to_npz())) as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def svm_file(**changes: Any) -> bytes:
    arrays = {"mean": np.zeros(2), "scale": np.ones(2), "weights": np.ones((3, 2)), "bias": np.zeros(3)}
    buffer = io.BytesIO()
    kept = {name: array for name, array in (arrays | changes).items() if array is not None}
    np.savez(buffer, **kept)
    return buffer.getvalue()


class Bomb:
    """What a hostile pickle would look like."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("a pickle was executed",))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a zip",
        svm_file()[:-30],
        svm_file()[:200],
        svm_file(bias=None),
        svm_file(extra=np.zeros(1)),
        svm_file(mean=np.zeros(2, np.float32)),
        svm_file(mean=np.zeros(2, ">f8")),
        svm_file(mean=np.array([Bomb(), Bomb()], dtype=object)),
        svm_file(mean=np.zeros(3)),
        svm_file(scale=np.zeros(2)),
        svm_file(weights=np.full((3, 2), np.nan)),
        svm_file(weights=np.zeros((0, 2)), bias=np.zeros(0)),
    ],
    ids=range(13),
)
def test_damaged_files_are_bundle_errors(data: bytes) -> None:
    LinearSvm.from_npz(svm_file())
    with pytest.raises(BundleError) as caught:
        LinearSvm.from_npz(data)
    assert "\n" not in str(caught.value)
    with pytest.raises(BundleError):
        LateFusion.from_npz(data)


# Any flipped byte: another model at worst (the bundle's hashes are for that), never another exception.
def test_flipped_bytes_never_raise_anything_else(rng: np.random.Generator) -> None:
    whole = svm_file()
    refused = 0
    for position in range(0, len(whole), 3):
        data = bytearray(whole)
        data[position] ^= 1 << int(rng.integers(8))
        try:
            LinearSvm.from_npz(bytes(data))
        except BundleError:
            refused += 1
    assert refused > len(whole) / 6


def test_compressed_files_are_refused() -> None:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, mean=np.zeros(2), scale=np.ones(2), weights=np.ones((3, 2)), bias=np.zeros(3))
    with pytest.raises(BundleError, match="compressed"):
        LinearSvm.from_npz(buffer.getvalue())


# A header that claims 48 TB.
def test_giant_headers_are_refused() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(svm_file())) as whole, zipfile.ZipFile(buffer, "w") as giant:
        for name in whole.namelist():
            data = whole.read(name)
            claim = data.replace(b"(3, 2), }" + b" " * 12, b"(3" + b"0" * 12 + b", 2), }")
            assert (claim != data) == (name == "weights.npy")
            giant.writestr(name, claim)
    with pytest.raises(BundleError, match="damaged"):
        LinearSvm.from_npz(buffer.getvalue())


def test_a_fusion_with_wrong_coefficients_is_a_bundle_error() -> None:
    with pytest.raises(BundleError, match="platt_a"):
        LateFusion.from_npz(svm_file(platt_a=np.zeros(2), platt_b=np.zeros(3)))
