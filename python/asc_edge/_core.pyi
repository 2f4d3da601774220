"""Types of the compiled core. It wants exact dtypes and shapes: `frontend` and `fusion` see to that."""

from typing import overload

import numpy as np
from numpy.typing import NDArray

class BusyError(RuntimeError): ...
class NonFiniteSampleError(ValueError): ...

class MelScale:
    htk: MelScale
    slaney: MelScale
    @property
    def name(self) -> str: ...

class MelNorm:
    peak: MelNorm
    area: MelNorm
    @property
    def name(self) -> str: ...

def mel_filter_bank(
    *,
    sample_rate_hz: float,
    fft_length: int,
    mels: int,
    mel_scale: MelScale,
    mel_norm: MelNorm,
    fmin_hz: float,
    fmax_hz: float,
) -> NDArray[np.float64]: ...

class LogMelStream:
    def __init__(
        self,
        *,
        sample_rate_hz: float,
        window_samples: int,
        hop_samples: int,
        mels: int,
        mel_scale: MelScale,
        mel_norm: MelNorm,
        fmin_hz: float,
        fmax_hz: float,
        channels: int,
    ) -> None: ...
    @overload
    def push(self, samples: NDArray[np.float32]) -> NDArray[np.float32]: ...
    @overload
    def push(self, samples: NDArray[np.int16]) -> NDArray[np.float32]: ...
    def reset(self) -> None: ...
    @property
    def frames_emitted(self) -> int: ...

class FrameWindow:
    def __init__(self, *, channels: int, mels: int, frames: int) -> None: ...
    def push(self, frames_db: NDArray[np.float32]) -> None: ...
    def peak_db(self) -> NDArray[np.float32]: ...
    def picture(self, floor_db: float) -> NDArray[np.float32]: ...
    def clear(self) -> None: ...
    @property
    def held(self) -> int: ...

def picture(frames_db: NDArray[np.float32], floor_db: float) -> NDArray[np.float32]: ...

class LinearSvm:
    def __init__(
        self,
        mean: NDArray[np.float64],
        scale: NDArray[np.float64],
        weights: NDArray[np.float64],
        bias: NDArray[np.float64],
    ) -> None: ...
    def decision_function(self, x: NDArray[np.float64]) -> NDArray[np.float64]: ...

class LateFusion:
    def __init__(
        self, svm: LinearSvm, platt_a: NDArray[np.float64], platt_b: NDArray[np.float64]
    ) -> None: ...
    def predict_proba(self, x: NDArray[np.float64]) -> NDArray[np.float64]: ...
