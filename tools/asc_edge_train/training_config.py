"""How a network is trained: the `[members.training]` table of a recipe."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from asc_edge.errors import ConfigError

__all__ = ["TrainingConfig"]

_CHOICES = {
    "schedule": ("time_decay", "cosine", "one_cycle"),
    "optimiser": ("adam", "adamw"),
    "mixing_kind": ("between_class", "mixup", "power"),
    "mask_fill": ("zero", "mean"),
    "filter_kind": ("linear", "step"),
    "autocast": ("none", "bfloat16", "float16"),
    "device": ("auto", "cpu", "cuda"),
}
_SHARES = ("mixing", "label_smoothing", "ema_decay", "mixstyle")
_RANGES = ("noise_floor_db", "gain_db", "filter_db", "filter_bands", "time_scale")
_NOT_NEGATIVE = (
    *(
        "samples_per_epoch",
        "lr_decay",
        "anneal_epochs",
        "warmup_epochs",
        "weight_decay",
        "clip_norm",
        "validate_every",
    ),
    *("frequency_masks", "frequency_mask_mels", "time_masks", "time_mask_frames", "mel_shift"),
    "crop_frames",
)
_POSITIVE = (
    *("epochs", "batch", "learning_rate", "head_rate", "answer_shifts"),
    *("mixing_alpha", "mixstyle_alpha", "decibels_per_unit"),
)


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How one network is trained. What isn't named is off.

    Attributes
    ----------
    samples_per_epoch : int
        Clips drawn for an epoch, class by class; 0 takes every clip once, as the papers do.
    head_rate : float
        The last layers learn so many times as fast: for a network that starts from published weights.
    schedule : {"time_decay", "cosine", "one_cycle"}
        See `asc_edge_train.schedule.learning_rate`.
    lr_decay : float
        Keras's time decay per update, for that schedule: ``lr / (1 + lr_decay * updates)``.
    warmup_epochs : float
        Over so many first epochs the rate rises.
    anneal_epochs : int
        Over so many last epochs the rate falls in a straight line towards 0 as well, so that the network that
        ships doesn't depend on which batch came last.
    optimiser : {"adam", "adamw"}
        With ``weight_decay`` as part of the gradient, or apart from it and of kernels alone.
    ema_decay : float
        The network that answers is a running average of the weights, which keeps this share at each update.
        0 for none.
    clip_norm : float
        Longest gradient, all weights together. 0 for any.
    label_smoothing : float
        Share of every target that is spread over all classes.
    variants : bool
        Whether clips are also taken in the recipe's other rooms and at its other speeds.
    balance : float
        0 draws classes as often as they come, 1 draws all equally often.
    mixing : float
        Share of batches that are mixed.
    mixing_kind : {"between_class", "mixup", "power"}
        See `asc_edge_train.augment_mixing`.
    mixing_alpha : float
        Ratios are drawn from Beta(alpha, alpha); 1 draws all equally often.
    mixstyle, mixstyle_alpha : float
        Share of batches whose bands' statistics are mixed, and the Beta distribution of the ratios.
    time_shift : bool
        Roll clips along time.
    crop_frames : int
        Train on pieces of so many frames, each drawn from where a clip is heard; answers are for whole clips.
        0 for whole clips.
    time_scale : list of float
        Slowest and fastest speed that clips are brought to.
    mel_shift : float
        Bands that clips are moved along the mel axis, at most, up or down.
    gain_db : list of float
        Lowest and highest gain of a clip; only networks without max normalisation hear it.
    filter_db, filter_bands, filter_kind
        Gain of a random filter: range in dB, number of bands, straight lines or steps between them.
    noise_floor_db : list of float
        White noise at a random level relative to the loudest cell.
    frequency_masks, frequency_mask_mels, time_masks, time_mask_frames : int
        How many masks a picture gets, and how wide each is at most.
    mask_fill : {"zero", "mean"}
        Masked cells become 0, or the picture's mean.
    decibels_per_unit : float
        What a step of 1 in the front end's frames is in dB, where they aren't in dB: 4.343 for the natural
        logarithm of power.
    answer_shifts : int
        The network answers with the mean over so many rolls of a clip along time.
    validate_every : int
        Epochs between two looks at the held-out clips; 0 for none. Nothing is ever chosen by them.
    autocast : {"none", "bfloat16", "float16"}
        ``bfloat16`` where the processor does it fast. ``float16``, with its loss scaled, on CUDA alone; a CPU
        then trains in 32 bits.
    device : {"auto", "cpu", "cuda"}
        ``auto`` takes CUDA where there is one. The last digits differ between devices.
    """

    epochs: int
    samples_per_epoch: int = 0
    batch: int = 64
    learning_rate: float = 0.001
    head_rate: float = 1.0
    schedule: str = "time_decay"
    lr_decay: float = 0.002
    warmup_epochs: float = 0.0
    anneal_epochs: int = 0
    optimiser: str = "adam"
    weight_decay: float = 0.0
    ema_decay: float = 0.0
    clip_norm: float = 0.0
    label_smoothing: float = 0.0
    variants: bool = True
    balance: float = 1.0
    mixing: float = 0.0
    mixing_kind: str = "between_class"
    mixing_alpha: float = 1.0
    mixstyle: float = 0.0
    mixstyle_alpha: float = 0.3
    time_shift: bool = False
    crop_frames: int = 0
    time_scale: list[float] = field(default_factory=list)
    mel_shift: float = 0.0
    gain_db: list[float] = field(default_factory=list)
    filter_db: list[float] = field(default_factory=list)
    filter_bands: list[int] = field(default_factory=lambda: [2, 5])
    filter_kind: str = "linear"
    noise_floor_db: list[float] = field(default_factory=list)
    frequency_masks: int = 0
    frequency_mask_mels: int = 8
    time_masks: int = 0
    time_mask_frames: int = 16
    mask_fill: str = "zero"
    decibels_per_unit: float = 1.0
    answer_shifts: int = 1
    validate_every: int = 0
    autocast: str = "none"
    device: str = "auto"

    def __post_init__(self) -> None:
        """Refuse what no training could be done with.

        Raises
        ------
        ConfigError
            For an unknown choice, or a figure out of range.
        """
        for name, known in _CHOICES.items():
            self._check(name, getattr(self, name) in known, f"one of {', '.join(known)}")
        for name in _SHARES:
            self._check(name, _is_number(getattr(self, name), 0.0, 1.0), "a number from 0 to 1")
        for name in _NOT_NEGATIVE:
            self._check(name, _is_number(getattr(self, name), 0.0), "a number, 0 or more")
        for name in _POSITIVE:
            good = _is_number(getattr(self, name), 0.0) and getattr(self, name) > 0
            self._check(name, good, "a number above 0")
        for name in _RANGES:
            value = getattr(self, name)
            pair = isinstance(value, list | tuple) and all(_is_number(limit) for limit in value)
            good = pair and (len(value) == 0 or (len(value) == 2 and value[0] <= value[1]))
            self._check(name, good, "a lowest and a highest value, or empty")
        positive = not self.time_scale or self.time_scale[0] > 0
        self._check("time_scale", positive, "of speeds above 0")
        enough = len(self.filter_bands) == 2 and self.filter_bands[0] >= 1
        self._check("filter_bands", enough, "a lowest and a highest number of bands, 1 or more")

    def described(self) -> dict[str, Any]:
        """What is not as usual: what a trained network depends on, and still does when a switch is added."""
        usual = TrainingConfig(epochs=self.epochs, samples_per_epoch=self.samples_per_epoch)
        named = {"epochs": self.epochs, "samples_per_epoch": self.samples_per_epoch}
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return named | {name: value for name, value in values.items() if value != getattr(usual, name)}

    def _check(self, name: str, good: bool, wanted: str) -> None:
        if not good:
            raise ConfigError(f"training: {name} must be {wanted}, not {getattr(self, name)!r}")


def _is_number(value: Any, low: float = float("-inf"), high: float = float("inf")) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
