"""Linear SVMs and Platt's sigmoids, fitted with numpy alone.

The problems are those that scikit-learn solves: `StandardScaler`, `LinearSVC` (squared hinge, L2 penalty, one
against the rest, the intercept penalised like a weight) and the sigmoid of `CalibratedClassifierCV`. All are
convex with one solution, so a Newton method that ends in it gives what scikit-learn gives.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from asc_edge.fusion import LinearSvm

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

__all__ = ["balanced_weights", "fit_linear_svm", "fit_sigmoid"]

_MOST_STEPS = 200
_MOST_HALVINGS = 40
# Of the gradient's length at the start.
_PRECISION = 1e-10
# What counts as no spread, as in scikit-learn's scaler: below it is rounding.
_ROUNDING = 10.0 * np.finfo(np.float64).eps


def balanced_weights(truth: Integers, weights: Floats, classes: int) -> Floats:
    """Weight of each class with which all classes together count the same, (classes,); 1 on average."""
    totals = np.bincount(truth, weights=weights, minlength=classes)
    # A class without examples weighs nothing, whatever this says.
    weight: Floats = totals.sum() / (classes * np.where(totals > 0, totals, 1.0))
    return weight


def fit_linear_svm(
    x: Floats,
    truth: Integers,
    classes: int,
    *,
    c: float,
    balanced: bool = True,
    weights: Floats | None = None,
) -> LinearSvm:
    """Standardise features and fit one linear SVM for each class against all others.

    Parameters
    ----------
    x : ndarray (n, features)
    truth : ndarray of int (n,)
        Class numbers below ``classes``; each occurs.
    c : float > 0
        What a violated margin costs.
    balanced : bool
        Whether a class's examples cost the more the fewer there are.
    weights : ndarray (n,), optional
        How many examples each row stands for; 1 by default.
    """
    weights = np.ones(len(x)) if weights is None else weights
    mean = np.average(x, axis=0, weights=weights)
    variance = np.average((x - mean) ** 2, axis=0, weights=weights)
    scale = np.where(variance <= (_ROUNDING * mean) ** 2, 1.0, np.sqrt(variance))
    rows = (x - mean) / scale
    basis = None
    if rows.shape[1] > rows.shape[0]:
        # A rotation into the space that the rows span leaves all inner products, and so the solution, alone.
        basis, rotated = np.linalg.qr(rows.T)
        rows = rotated.T
    rows = np.hstack([rows, np.ones((len(rows), 1))])
    of_class = balanced_weights(truth, weights, classes) if balanced else np.ones(classes)
    # Two classes are told apart by one decision value, which is positive for the second.
    solutions = []
    for number in range(classes) if classes > 2 else (1,):
        positive = truth == number
        negative_weight = of_class[0] if classes == 2 else 1.0
        costs = c * weights * np.where(positive, of_class[number], negative_weight)
        solutions.append(_squared_hinge(rows, np.where(positive, 1.0, -1.0), costs))
    solved = np.array(solutions)
    coefficients = solved[:, :-1] if basis is None else solved[:, :-1] @ basis.T
    return LinearSvm(mean, scale, coefficients, solved[:, -1])


def _squared_hinge(rows: Floats, sign: Floats, costs: Floats) -> Floats:
    """The w that makes ``|w|^2 / 2 + sum(costs * max(0, 1 - sign * rows @ w)^2)`` least.

    The function is a parabola as long as no row enters or leaves its margin: Newton's step is exact then.
    """
    w: Floats = np.zeros(rows.shape[1])
    least, slack = _hinge_value(rows, sign, costs, w)
    goal = None
    for _ in range(_MOST_STEPS):
        active = slack > 0
        inside = rows[active]
        gradient = w - 2.0 * inside.T @ (costs[active] * sign[active] * slack[active])
        length = float(np.linalg.norm(gradient))
        goal = _PRECISION * max(length, 1e-30) if goal is None else goal
        if length <= goal:
            break
        curvature = inside.T @ (2.0 * costs[active, np.newaxis] * inside)
        curvature[np.diag_indices_from(curvature)] += 1.0
        step = -np.linalg.solve(curvature, gradient)
        slope, share = float(gradient @ step), 1.0
        for _ in range(_MOST_HALVINGS):
            value, new_slack = _hinge_value(rows, sign, costs, w + share * step)
            if value <= least + 1e-4 * share * slope:
                break
            share /= 2.0
        else:
            break  # nothing but rounding is left to gain
        w, least, slack = w + share * step, value, new_slack
    return w


def _hinge_value(rows: Floats, sign: Floats, costs: Floats, w: Floats) -> tuple[float, Floats]:
    slack = 1.0 - sign * (rows @ w)
    return 0.5 * float(w @ w) + float(costs @ np.maximum(slack, 0.0) ** 2), slack


def fit_sigmoid(values: Floats, positive: NDArray[np.bool_], weights: Floats) -> tuple[float, float]:
    """Platt's a and b of ``p = 1 / (1 + exp(a * value + b))`` by his own targets and maximum likelihood.

    Parameters
    ----------
    values : ndarray (n,)
        Decision values of examples that the SVM didn't hear.
    positive : ndarray of bool (n,)
    weights : ndarray (n,)
        How many examples each stands for.
    """
    for_it, against = float(weights[positive].sum()), float(weights[~positive].sum())
    target = np.where(positive, (for_it + 1.0) / (for_it + 2.0), 1.0 / (against + 2.0))
    # In units of the largest value: an SVM with a large C gives values in the thousands.
    unit = max(1.0, float(np.abs(values).max(initial=0.0)))
    inputs = np.stack([values / unit, np.ones_like(values)], axis=1)
    point: Floats = np.array([0.0, np.log((against + 1.0) / (for_it + 1.0))])
    least = _log_loss(inputs @ point, target, weights)
    for _ in range(_MOST_STEPS):
        p = _sigmoid(-(inputs @ point))
        gradient = inputs.T @ (weights * (target - p))
        if float(np.abs(gradient).max()) <= 1e-9 * (for_it + against):
            break
        curvature = inputs.T @ ((weights * p * (1.0 - p))[:, np.newaxis] * inputs) + 1e-12 * np.eye(2)
        step, share = -np.linalg.solve(curvature, gradient), 1.0
        for _ in range(_MOST_HALVINGS):
            value = _log_loss(inputs @ (point + share * step), target, weights)
            if value <= least + 1e-4 * share * float(gradient @ step):
                break
            share /= 2.0
        else:
            break
        point, least = point + share * step, value
    return float(point[0]) / unit, float(point[1])


def _log_loss(z: Floats, target: Floats, weights: Floats) -> float:
    """Of p = 1 / (1 + exp(z)): ``-t log p - (1 - t) log(1 - p)``, without overflow."""
    return float(weights @ (np.logaddexp(0.0, z) - (1.0 - target) * z))


def _sigmoid(z: Floats) -> Floats:
    return np.exp(-np.logaddexp(0.0, -z))
