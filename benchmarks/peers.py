"""The libraries beside numpy and scipy, each in the use that its documentation shows."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any

import librosa
import numpy as np
from numpy.typing import NDArray

from . import oracle
from .contenders import Contender, fastest, frames_in, streaming
from .presets import MELS, SAMPLE_RATE_HZ, Preset, clip, hann, mel_weights

Array = NDArray[np.float32]


class CannotTakePartError(Exception):
    """A library is not installed, or refuses the front end."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name, self.reason = name, reason


def optional(name: str, module: str) -> ModuleType:
    """Import `module`, or raise CannotTakePartError."""
    try:
        return importlib.import_module(module)
    except ImportError:
        raise CannotTakePartError(name, "not installed") from None


def power_scale(preset: Preset) -> float:
    """What makes a full-scale sine's power 1."""
    return float(4 / hann(preset.window).sum() ** 2)


def librosa_as_called(preset: Preset, channels: int) -> Contender:
    """The one line that a user writes; it computes the mel bank on every call."""
    samples = np.ascontiguousarray(clip(channels).T)
    scale = power_scale(preset)

    def run() -> Array:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of bands without a bin
            power = librosa.feature.melspectrogram(
                y=samples,
                sr=SAMPLE_RATE_HZ,
                n_fft=preset.window,
                hop_length=preset.hop,
                center=False,
                n_mels=MELS,
                htk=preset.htk,
                norm=None,
            )
        return librosa.power_to_db(power, amin=oracle.FLOOR / scale, top_db=None)

    return Contender(
        "librosa melspectrogram",
        run,
        lambda: run() + 10 * np.log10(scale),
        frames_in(clip(channels), preset),
        remove_mean=False,
    )


def librosa_kept_bank(preset: Preset, channels: int) -> Contender:
    """The same by parts, with the mel bank computed once."""
    samples = np.ascontiguousarray(clip(channels).T)
    weights = (mel_weights(preset) * power_scale(preset)).astype(np.float32)

    def run() -> Array:
        spectrum = librosa.stft(samples, n_fft=preset.window, hop_length=preset.hop, center=False)
        power = spectrum.real**2 + spectrum.imag**2
        return librosa.power_to_db(weights @ power, amin=oracle.FLOOR, top_db=None)

    return Contender("librosa, bank kept", run, run, frames_in(clip(channels), preset), remove_mean=False)


def _knf_options(knf: Any, preset: Preset) -> Any:
    options = knf.FbankOptions()
    frame, mel = options.frame_opts, options.mel_opts
    frame.samp_freq = SAMPLE_RATE_HZ
    frame.frame_length_ms, frame.frame_shift_ms = preset.window_s * 1000, preset.hop_s * 1000
    frame.dither = frame.preemph_coeff = 0
    frame.remove_dc_offset = frame.snip_edges = True
    frame.window_type = "hann"
    frame.round_to_power_of_two = False
    mel.num_bins, mel.low_freq, mel.high_freq = MELS, 0, 0
    # Kaldi's own triangles are linear in mel; these are the ones that everyone else here has.
    mel.is_librosa, mel.norm, mel.use_slaney_mel_scale = True, "", not preset.htk
    options.use_energy, options.use_log_fbank, options.use_power = False, True, True
    return options


class _KnfStream:
    """One online extractor a channel; frames are dropped once read, or it would keep them all."""

    def __init__(self, knf: Any, preset: Preset, channels: int, as_list: bool) -> None:
        self.banks = [knf.OnlineFbank(_knf_options(knf, preset)) for _ in range(channels)]
        self.as_list = as_list
        self.read = 0

    def push(self, block: Array) -> list[Array]:
        frames, read = [], self.read
        for channel, bank in enumerate(self.banks):
            samples = block[:, channel]
            bank.accept_waveform(SAMPLE_RATE_HZ, samples.tolist() if self.as_list else samples)
            ready = bank.num_frames_ready
            # A frame is a view of memory that pop gives back: without the copy it would be read after that.
            frames += [bank.get_frame(index).copy() for index in range(read, ready)]
            if ready > read:
                bank.pop(ready - read)
        self.read = ready
        return frames


def _knf(preset: Preset, channels: int, *, hop_by_hop: bool) -> Contender:
    name = "kaldi-native-fbank"
    knf = optional(name, "kaldi_native_fbank")
    scale = power_scale(preset)
    eps = float(knf.FbankOptions().mel_opts.as_dict().get("eps", np.finfo(np.float32).eps))

    def read(frames: list[Array]) -> NDArray[np.floating] | None:
        if not frames:
            return None
        db = np.stack(frames).astype(np.float64) * (10 / np.log(10)) + 10 * np.log10(scale)
        return db.reshape(channels, -1, MELS).transpose(1, 0, 2)

    def cells(frames: list[Array]) -> NDArray[np.floating]:
        read_frames = read(frames)
        assert read_frames is not None
        return read_frames.transpose(1, 2, 0)

    more: dict[str, Any] = {"tolerance_db": 2e-3, "floor": eps * scale}
    samples = clip(channels)

    def contender(as_list: bool) -> Contender:
        note = f"natural logarithm left as it is; samples as a {'list' if as_list else 'numpy array'}"

        def make() -> Any:
            return _KnfStream(knf, preset, channels, as_list).push, read

        def whole() -> list[Array]:
            return _KnfStream(knf, preset, channels, as_list).push(samples)

        if hop_by_hop:
            return streaming(name, preset, channels, make, note=note, **more)
        frames = frames_in(samples, preset)
        return Contender(name, whole, lambda: cells(whole()), frames, note=note, **more)

    # Its binding takes any sequence number by number; a list of floats may be the quicker one.
    return fastest(contender(as_list) for as_list in (True, False))


class _Essentia:
    def __init__(self, preset: Preset) -> None:
        name = "essentia"
        module = optional(name, "essentia")
        module.log.infoActive = module.log.warningActive = False
        standard = optional(name, "essentia.standard")
        self.window = standard.Windowing(
            type="hann", size=preset.window, normalized=False, zeroPhase=False, symmetric=False
        )
        self.power = standard.PowerSpectrum(size=preset.window)
        try:
            self.mel = standard.MelBands(
                inputSize=preset.window // 2 + 1,
                numberBands=MELS,
                sampleRate=SAMPLE_RATE_HZ,
                lowFrequencyBound=0,
                highFrequencyBound=SAMPLE_RATE_HZ / 2,
                warpingFormula="htkMel" if preset.htk else "slaneyMel",
                weighting="linear",
                normalize="unit_max",
                type="magnitude",  # what comes in is power already
            )
        except RuntimeError as error:
            raise CannotTakePartError(name, f"refuses this bank: {error}") from None
        self.scale = np.float32(power_scale(preset))

    def bands(self, frame: Array) -> Array:
        return self.mel(self.power(self.window(frame)))  # type: ignore[no-any-return]

    def decibels(self, bands: list[Array]) -> Array:
        power = np.array(bands) * self.scale
        return 10 * np.log10(np.maximum(power, np.float32(oracle.FLOOR)))  # type: ignore[no-any-return]


ESSENTIA_LIMITS: dict[str, Any] = {"tolerance_db": 2e-2, "remove_mean": False}


def essentia_streaming(preset: Preset, channels: int) -> Contender:
    """Windowing, PowerSpectrum, MelBands on each channel of each hop."""

    def make() -> Any:
        library = _Essentia(preset)
        history = np.zeros((channels, preset.window), np.float32)
        seen = 0

        def push(block: Array) -> Array | None:
            nonlocal seen
            seen += len(block)
            history[:, : -len(block)] = history[:, len(block) :]
            history[:, -len(block) :] = block.T
            if seen < preset.window:
                return None
            return library.decibels([library.bands(frame) for frame in history])

        return push, lambda frame: None if frame is None else frame[np.newaxis]

    return streaming("essentia", preset, channels, make, **ESSENTIA_LIMITS)


def essentia_clip(preset: Preset, channels: int) -> Contender:
    """The same frame by frame over a clip, the logarithm at once."""
    library = _Essentia(preset)
    samples = np.ascontiguousarray(clip(channels).T)
    starts = range(0, samples.shape[1] - preset.window + 1, preset.hop)

    def run() -> Array:
        return library.decibels(
            [library.bands(row[start : start + preset.window]) for row in samples for start in starts]
        )

    return Contender(
        "essentia",
        run,
        lambda: run().reshape(channels, -1, MELS).transpose(0, 2, 1),
        frames_in(clip(channels), preset),
        **ESSENTIA_LIMITS,
    )


def _torch_kernel(torch: Any, preset: Preset) -> tuple[Any, Callable[[Any], Any]]:
    taper = torch.from_numpy(hann(preset.window).astype(np.float32))
    weights = torch.from_numpy((mel_weights(preset) * power_scale(preset)).astype(np.float32))

    def decibels(spectrum: Any) -> Any:
        power = torch.view_as_real(spectrum).square().sum(-1)
        return (weights @ power).clamp_(min=oracle.FLOOR).log10_().mul_(10)

    return taper, decibels


def torch_clip(preset: Preset, channels: int) -> Contender:
    """torch.stft and a matrix product."""
    torch = optional("torch", "torch")
    taper, decibels = _torch_kernel(torch, preset)
    samples = torch.from_numpy(np.array(clip(channels).T, order="C"))

    def run() -> Any:
        with torch.inference_mode():
            return decibels(
                torch.stft(
                    samples,
                    preset.window,
                    preset.hop,
                    window=taper,
                    center=False,
                    return_complex=True,
                )
            )

    return Contender(
        "torch",
        run,
        lambda: run().numpy(),
        frames_in(clip(channels), preset),
        remove_mean=False,
        note="torch.stft",
    )


def torch_streaming(preset: Preset, channels: int) -> Contender:
    """torch.fft.rfft of all channels of each hop, and the same matrix product."""
    torch = optional("torch", "torch")

    def make() -> Any:
        taper, decibels = _torch_kernel(torch, preset)
        before: Any = None

        def push(block: Array) -> Any:
            nonlocal before
            last, before = before, torch.from_numpy(block)
            if last is None:
                return None
            with torch.inference_mode():
                return decibels(torch.fft.rfft(torch.cat((last.T, before.T), dim=1).mul_(taper)).T)

        return push, lambda frame: None if frame is None else frame.numpy().T[np.newaxis]

    return streaming("torch", preset, channels, make, remove_mean=False, note="torch.fft.rfft")


def knf_streaming(preset: Preset, channels: int) -> Contender:
    """OnlineFbank, hop by hop."""
    return _knf(preset, channels, hop_by_hop=True)


def knf_clip(preset: Preset, channels: int) -> Contender:
    """OnlineFbank given the whole clip at once: it has no other extractor."""
    return _knf(preset, channels, hop_by_hop=False)


MAKERS: dict[str, tuple[Callable[[Preset, int], Contender], ...]] = {
    "streaming": (knf_streaming, essentia_streaming, torch_streaming),
    "clip": (librosa_as_called, librosa_kept_bank, knf_clip, essentia_clip, torch_clip),
}
