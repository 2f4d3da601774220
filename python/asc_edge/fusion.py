"""Late fusion: a linear SVM over the members' outputs, calibrated to posteriors.

The arithmetic is scikit-learn's, in C++: `StandardScaler` and `LinearSVC` for the decision values (CRNN +
Deep Spectrum + late fusion, section on late fusion), `CalibratedClassifierCV(method="sigmoid")` (Platt's
sigmoid, one a class) for the posteriors. Models are stored as ``.npz`` without pickle.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from asc_edge import _core
from asc_edge._checks import check_dtype, in_memory
from asc_edge.errors import AudioFormatError, BundleError, ConfigError, NonFiniteError
from asc_edge.npz import read_npz

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_SVM_ARRAYS = ("mean", "scale", "weights", "bias")
_PLATT_ARRAYS = ("platt_a", "platt_b")


class LinearSvm:
    """Linear SVM on standardised features: ``d[k] = weights[k] . ((x - mean) / scale) + bias[k]``.

    Parameters
    ----------
    mean, scale
        Those of the standardisation, of shape ``(features,)``; scales are positive.
    weights
        Of shape ``(outputs, features)``: one output a class, or a single one in the binary case.
    bias
        Of shape ``(outputs,)``.

    Raises
    ------
    ConfigError
        If shapes don't fit together, or a value is not finite.

    Examples
    --------
    >>> svm = LinearSvm(mean=[1.0, 0.0], scale=[2.0, 1.0], weights=[[1.0, -1.0]], bias=[0.5])
    >>> svm.features, svm.classes
    (2, 2)
    >>> svm.decision_function(np.array([[3.0, 1.0]]))
    array([[0.5]])
    """

    def __init__(self, mean: ArrayLike, scale: ArrayLike, weights: ArrayLike, bias: ArrayLike) -> None:
        self._arrays = {
            "mean": _parameter("mean", mean, 1),
            "scale": _parameter("scale", scale, 1),
            "weights": _parameter("weights", weights, 2),
            "bias": _parameter("bias", bias, 1),
        }
        outputs, features = self._arrays["weights"].shape
        shapes = (self._arrays["mean"].shape, self._arrays["scale"].shape, self._arrays["bias"].shape)
        if not outputs or not features or shapes != ((features,), (features,), (outputs,)):
            raise ConfigError(
                f"mean, scale and bias of shapes {shapes} don't fit weights of shape {(outputs, features)}: "
                "give (features,), (features,), (outputs,) and (outputs, features)"
            )
        if not (self._arrays["scale"] > 0).all():
            raise ConfigError("scale has values that are not positive: use 1 for a constant feature")
        self._core = _core.LinearSvm(**self._arrays)

    @property
    def features(self) -> int:
        """Number of features that a row of x must have."""
        return self._arrays["mean"].size

    @property
    def outputs(self) -> int:
        """Number of decision values: that of the classes, or 1 in the binary case."""
        return self._arrays["bias"].size

    @property
    def classes(self) -> int:
        """Number of classes that the decision values tell apart."""
        return max(2, self.outputs)

    def decision_function(self, x: NDArray[np.float64] | NDArray[np.float32]) -> NDArray[np.float64]:
        """Decision values of shape ``(n, outputs)`` for features x of shape ``(n, features)``.

        Unlike in scikit-learn the binary case has a column too: its shape is ``(n, 1)``.

        Raises
        ------
        AudioFormatError
            If dtype or shape of x is wrong.
        NonFiniteError
            If x holds NaN or infinity.
        """
        return _apply(self._core.decision_function, x, self.features)

    def to_npz(self) -> bytes:
        """The model as the bytes of an ``.npz`` file; equal models give equal bytes."""
        return _write_npz(self._arrays)

    @classmethod
    def from_npz(cls, data: bytes) -> LinearSvm:
        """Read what `to_npz` wrote; nothing in it is executed.

        Raises
        ------
        BundleError
            If the bytes are damaged or hold anything but a working model.
        """
        return _svm_of(_read_npz(data, _SVM_ARRAYS))


class LateFusion:
    """Linear SVM over the concatenated outputs of the members, with posteriors by Platt's sigmoid.

    Parameters
    ----------
    svm
        The SVM.
    platt_a, platt_b
        Coefficients of ``p[k] = 1 / (1 + exp(platt_a[k] * d[k] + platt_b[k]))``, of shape ``(outputs,)``.

    Raises
    ------
    ConfigError
        If shapes don't fit the SVM, or a value is not finite.

    Examples
    --------
    >>> svm = LinearSvm(mean=[0.0], scale=[1.0], weights=[[1.0], [0.0], [-1.0]], bias=[0.0, 0.0, 0.0])
    >>> fusion = LateFusion(svm, platt_a=[-2.0] * 3, platt_b=[0.0] * 3)
    >>> fusion.predict_proba(np.array([[0.0]])).round(3)
    array([[0.333, 0.333, 0.333]])
    """

    def __init__(self, svm: LinearSvm, platt_a: ArrayLike, platt_b: ArrayLike) -> None:
        if not isinstance(svm, LinearSvm):
            raise ConfigError(f"svm must be a LinearSvm, not {type(svm).__name__}")
        self._svm = svm
        self._arrays = {
            "platt_a": _parameter("platt_a", platt_a, 1),
            "platt_b": _parameter("platt_b", platt_b, 1),
        }
        for name, array in self._arrays.items():
            if array.shape != (svm.outputs,):
                raise ConfigError(f"{name} has shape {array.shape}: this SVM needs ({svm.outputs},)")
        self._core = _core.LateFusion(svm._core, **self._arrays)

    @property
    def svm(self) -> LinearSvm:
        """The SVM."""
        return self._svm

    @property
    def features(self) -> int:
        """Number of features that a row of x must have."""
        return self._svm.features

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self._svm.classes

    def decision_function(self, x: NDArray[np.float64] | NDArray[np.float32]) -> NDArray[np.float64]:
        """Decision values of the SVM; see `LinearSvm.decision_function`."""
        return self._svm.decision_function(x)

    def predict_proba(self, x: NDArray[np.float64] | NDArray[np.float32]) -> NDArray[np.float64]:
        """Posteriors of shape ``(n, classes)`` for features x of shape ``(n, features)``; rows sum to 1.

        With one decision value d the columns are ``[1 - p, p]``: a positive d speaks for the second class.

        Raises
        ------
        AudioFormatError
            If dtype or shape of x is wrong.
        NonFiniteError
            If x holds NaN or infinity.
        """
        return _apply(self._core.predict_proba, x, self.features)

    def to_npz(self) -> bytes:
        """The model, SVM included, as the bytes of an ``.npz`` file; equal models give equal bytes."""
        return _write_npz(self._svm._arrays | self._arrays)

    @classmethod
    def from_npz(cls, data: bytes) -> LateFusion:
        """Read what `to_npz` wrote; nothing in it is executed.

        Raises
        ------
        BundleError
            If the bytes are damaged or hold anything but a working model.
        """
        arrays = _read_npz(data, _SVM_ARRAYS + _PLATT_ARRAYS)
        try:
            return cls(_svm_of(arrays), *(arrays[name] for name in _PLATT_ARRAYS))
        except ConfigError as error:
            raise BundleError(f"this late fusion can't work: {error}") from None


def _svm_of(arrays: dict[str, NDArray[np.float64]]) -> LinearSvm:
    try:
        return LinearSvm(*(arrays[name] for name in _SVM_ARRAYS))
    except ConfigError as error:
        raise BundleError(f"this SVM can't work: {error}") from None


def _parameter(name: str, values: ArrayLike, ndim: int) -> NDArray[np.float64]:
    """A private copy of `values`, finite, float64, in C order."""
    try:
        given = np.asarray(values)
    except (TypeError, ValueError, OverflowError):
        raise ConfigError(f"{name} is not an array of numbers") from None
    if isinstance(values, np.ma.MaskedArray) or given.dtype.kind not in "biuf":
        raise ConfigError(f"{name} is not an array of numbers, real ones and none of them masked")
    with np.errstate(over="ignore"):  # what is beyond float64 becomes infinite, and is refused as that
        array = np.array(given, dtype=np.float64, order="C")
    if array.ndim != ndim:
        raise ConfigError(f"{name} has shape {array.shape}: give {ndim} dimension{'s' if ndim > 1 else ''}")
    if not np.isfinite(array).all():
        raise ConfigError(f"{name} holds NaN or infinity")
    array.flags.writeable = False
    return array


def _apply(
    model: Callable[[NDArray[np.float64]], NDArray[np.float64]], x: object, features: int
) -> NDArray[np.float64]:
    check_dtype(x, "x", ("float64", "float32"))
    assert isinstance(x, np.ndarray)
    if x.ndim != 2 or x.shape[1] != features:
        raise AudioFormatError(f"x has shape {x.shape}: this model takes (n, {features})")
    try:
        with in_memory("x", x):
            rows = np.asarray(x, dtype=np.float64, order="C")
            return model(rows if rows.flags.aligned else rows.copy())
    except AudioFormatError:
        raise
    except ValueError:  # the core looks for NaN and infinity, which is all that can be wrong now
        row = int(np.flatnonzero(~np.isfinite(x).all(axis=1))[0])
        raise NonFiniteError(
            f"row {row} of x holds NaN or infinity: look at the member that gave it"
        ) from None


def _write_npz(arrays: dict[str, NDArray[np.float64]]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def _read_npz(data: bytes, names: tuple[str, ...]) -> dict[str, NDArray[np.float64]]:
    arrays = read_npz(data, names)
    for name, array in arrays.items():
        if array.dtype != np.dtype("<f8"):
            raise BundleError(f"{name} has dtype {array.dtype}: it must be float64")
    return arrays
