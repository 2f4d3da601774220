"""The compiled module itself: it must refuse what the wrappers would never give it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from asc_edge import _core

BANK: dict[str, Any] = {
    "sample_rate_hz": 16000.0,
    "mels": 8,
    "mel_scale": _core.MelScale.htk,
    "mel_norm": _core.MelNorm.peak,
    "fmin_hz": 0.0,
    "fmax_hz": 8000.0,
}


def stream(**changes: Any) -> _core.LogMelStream:
    channels = changes.pop("channels", 2)
    plan = _core.LogMelPlan(**{**BANK, "window_samples": 512, "hop_samples": 256, **changes})
    return _core.LogMelStream(plan, channels)


# A silent copy: it would hide a conversion of every block from the one who pays for it.
@pytest.mark.parametrize("dtype", [np.float64, ">f4", ">i2", np.int32, np.uint16, np.float16, bool])
def test_another_dtype_is_a_type_error(dtype: Any) -> None:
    with pytest.raises(TypeError):
        stream().push(np.zeros((4, 2), dtype))


# Reads past the end of the array.
def test_another_shape_is_a_value_error() -> None:
    for shape in ((4,), (4, 1), (4, 3), (4, 2, 1)):
        with pytest.raises(ValueError, match="samples must have"):
            stream().push(np.zeros(shape, np.float32))
    window = _core.FrameWindow(channels=2, mels=8, frames=3)
    for shape in ((3, 2), (3, 2, 7), (3, 1, 8)):
        with pytest.raises(ValueError, match="frames_db"):
            window.push(np.zeros(shape, np.float32))
    with pytest.raises(ValueError, match="frames_db"):
        _core.picture(np.zeros((2, 2), np.float32), -60.0)
    svm = _core.LinearSvm(np.zeros(3), np.ones(3), np.ones((2, 3)), np.zeros(2))
    fusion = _core.LateFusion(svm, np.ones(2), np.zeros(2))
    for shape in ((3,), (1, 2), (1, 4)):
        with pytest.raises(ValueError, match="x must have"):
            svm.decision_function(np.zeros(shape))
        with pytest.raises(ValueError, match="x must have"):
            fusion.predict_proba(np.zeros(shape))


@pytest.mark.parametrize(
    "changes",
    [
        {"channels": 0},
        {"hop_samples": 0},
        {"window_samples": 0},
        {"mels": 0},
        {"fmax_hz": 9000.0},
        {"fmin_hz": -1.0},
    ],
)
def test_a_stream_that_cannot_be_is_a_value_error(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"mel|stream|Fourier|frames"):
        stream(**changes)


def test_models_that_do_not_fit_are_value_errors() -> None:
    with pytest.raises(ValueError, match="don't fit"):
        _core.LinearSvm(np.zeros(3), np.ones(3), np.ones((2, 4)), np.zeros(2))
    svm = _core.LinearSvm(np.zeros(3), np.ones(3), np.ones((2, 3)), np.zeros(2))
    with pytest.raises(ValueError, match="Platt"):
        _core.LateFusion(svm, np.ones(3), np.zeros(2))


def test_negative_sizes_are_type_errors() -> None:
    with pytest.raises(TypeError):
        _core.FrameWindow(channels=-1, mels=8, frames=3)
