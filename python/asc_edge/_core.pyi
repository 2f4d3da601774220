"""Types of the compiled core. It wants exact dtypes and shapes: `frontend` and `fusion` see to that."""

from typing import overload

import numpy as np
from numpy.typing import NDArray

class BusyError(RuntimeError): ...
class FinishedError(RuntimeError): ...
class NonFiniteSampleError(ValueError): ...

class MelScale:
    htk: MelScale
    slaney: MelScale
    kaldi: MelScale
    gammatone: MelScale
    @property
    def name(self) -> str: ...

class MelNorm:
    peak: MelNorm
    area: MelNorm
    @property
    def name(self) -> str: ...

class WindowShape:
    hann_periodic: WindowShape
    hann_symmetric: WindowShape
    @property
    def name(self) -> str: ...

class SpectrumKind:
    power: SpectrumKind
    magnitude: SpectrumKind
    @property
    def name(self) -> str: ...

class LevelKind:
    db: LevelKind
    natural_log: LevelKind
    @property
    def name(self) -> str: ...

class DeltaEdge:
    interp: DeltaEdge
    nearest: DeltaEdge
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
def isa() -> str: ...
def available_isas() -> list[str]: ...

class RealFft:
    def __init__(self, length: int, channels: int, isa: str = "") -> None: ...
    def transform_into(
        self, x: NDArray[np.float32], re: NDArray[np.float32], im: NDArray[np.float32]
    ) -> None: ...
    def transform(self, x: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]: ...

class LogMelPlan:
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
        interpolation: int = 1,
        fft_length: int = 0,
        window_shape: WindowShape = ...,
        remove_mean: bool = True,
        preemphasis: float = 0.0,
        centred: bool = False,
        spectrum: SpectrumKind = ...,
        full_scale: bool = True,
        level: LevelKind = ...,
        log_offset: float = 1e-10,
        shift: float = 0.0,
        scale: float = 1.0,
        isa: str = "",
    ) -> None: ...

@overload
def log_mel(plan: LogMelPlan, samples: NDArray[np.float32]) -> NDArray[np.float32]: ...
@overload
def log_mel(plan: LogMelPlan, samples: NDArray[np.int16]) -> NDArray[np.float32]: ...

class LogMelStream:
    def __init__(self, plan: LogMelPlan, channels: int) -> None: ...
    @overload
    def push(self, samples: NDArray[np.float32]) -> NDArray[np.float32]: ...
    @overload
    def push(self, samples: NDArray[np.int16]) -> NDArray[np.float32]: ...
    def finish(self) -> NDArray[np.float32]: ...
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

class ChannelStats:
    @property
    def mean(self) -> float: ...
    @property
    def variance(self) -> float: ...
    @property
    def peak(self) -> float: ...
    @property
    def clipped(self) -> int: ...
    @property
    def constant_run(self) -> int: ...

class ArrayStats:
    def __init__(
        self, *, channels: int, window_samples: int, segment_samples: int, clip_level: float
    ) -> None: ...
    @overload
    def push(self, samples: NDArray[np.float32]) -> None: ...
    @overload
    def push(self, samples: NDArray[np.int16]) -> None: ...
    def counts(self) -> tuple[int, list[int], list[int]]: ...
    def measure(self) -> tuple[int, list[ChannelStats], NDArray[np.float64]]: ...
    def reset(self) -> None: ...
    @property
    def heard(self) -> int: ...

def deltas(cells: NDArray[np.float32], *, width: int, order: int, edge: DeltaEdge) -> NDArray[np.float32]: ...
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
