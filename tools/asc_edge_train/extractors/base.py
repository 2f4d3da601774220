"""What all extractors share: options, keys, and clips one by one through a network that is loaded late."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np
import torch
from torch import nn

from asc_edge.bundle import MAX_BUNDLE_BYTES
from asc_edge.errors import AudioFormatError, ConfigError
from asc_edge.frontend import LogMelConfig
from asc_edge.images import ImageSpec
from asc_edge.pipeline import fit_to_window
from asc_edge_train.models.cost import parameter_count
from asc_edge_train.models.weights import file_sha256, find_weights
from asc_edge_train.recipe import fingerprint

__all__ = [
    "DeviceNetwork",
    "Extractor",
    "FrozenExtractor",
    "at_least",
    "check_device_rate",
    "check_device_size",
    "choice",
    "choices",
    "pool_windows",
    "pooled_size",
    "read_options",
    "repeat_whole",
    "weights_path",
]

POOLINGS = ("mean", "max", "std")
RANDOM = "random"

Options = TypeVar("Options")


@dataclass(frozen=True)
class DeviceNetwork:
    """How a device comes to a frozen network's embedding.

    Attributes
    ----------
    front_end : LogMelConfig
    image : ImageSpec or None
        How the front end's cells become an image; None where the network is fed bare frames.
    colours : ndarray of shape (n, 3), uint8, or None
        Of the image's colour map.
    credit : str
        Whose weights, and from which file; empty for random ones.
    """

    front_end: LogMelConfig
    image: ImageSpec | None
    colours: np.ndarray | None
    credit: str

    def shape(self, window_samples: int) -> tuple[int, int, int]:
        """Shape of what the network is fed for one window."""
        if self.image is not None:
            return self.image.shape
        return (1, self.front_end.mels, self.front_end.frames(window_samples))


class Extractor(Protocol):
    """A frozen network that answers for every clip with an embedding.

    Attributes
    ----------
    name : str
        For instance ``deep_spectrum:vgg16``.
    sample_rate_hz : int
        What `extract` wants; 0 for a clip's own rate, whatever it is.
    outputs : int
        Length of the embedding.
    key : str
        Fingerprint of everything that the answer depends on: options, arithmetic, SHA-256 of the weights.
    network_bytes : int or None
        What the network takes as a file; None for random weights, which nobody keeps.
    """

    name: str
    sample_rate_hz: int
    outputs: int
    key: str

    @property
    def network_bytes(self) -> int | None: ...

    def extract(self, clips: Sequence[np.ndarray], sample_rate_hz: int) -> np.ndarray:
        """Embeddings, float32 (clips, outputs), of mono float32 clips (n_i,) in [-1, 1].

        A clip has the same embedding to the last bit whatever stands beside it.
        """
        ...

    def for_device(self, sample_rate_hz: int, window_s: float) -> DeviceNetwork:
        """How a device that hears windows at a rate comes to the embedding; ConfigError where none can."""
        ...

    def device_module(self) -> nn.Module:
        """The network from what the device feeds it to the embedding."""
        ...


class FrozenExtractor(ABC):
    """An extractor of one network; it travels to worker processes without it, and each loads its own.

    Clips go through the network one by one: in a batch of 16 a clip's embedding would depend, in its last
    bits, on how many there are beside it, and one thread is at best a third faster with batches.
    """

    sample_rate_hz: int
    outputs: int
    # Raised when the arithmetic of an extractor changes, so that old embeddings are made again.
    version: ClassVar[int] = 1
    # Options that came later, with what was done before: left out of the key there, so that old ones stay.
    later_options: ClassVar[Mapping[str, object]] = MappingProxyType({})

    def __init__(self, name: str, options: Any, path: Path | None) -> None:
        self.name = name
        self.options = options
        self.path = path
        weights = file_sha256(path) if path is not None else RANDOM
        described = {
            key: value
            for key, value in asdict(options).items()
            if key != "weights" and not (key in self.later_options and value == self.later_options[key])
        }
        self.key = fingerprint(name, self.version, described, weights)
        self._network: Any = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_network": None}

    @property
    def network(self) -> Any:
        if self._network is None:
            self._network = self._load()
        return self._network

    @property
    def network_bytes(self) -> int | None:
        """See `Extractor`."""
        return None if self.path is None else self.path.stat().st_size

    def extract(self, clips: Sequence[np.ndarray], sample_rate_hz: int) -> np.ndarray:
        """See `Extractor`.

        Raises
        ------
        AudioFormatError
            For another sample rate than this extractor's, or a clip that isn't mono float32 with samples.
        """
        if self.sample_rate_hz not in (0, sample_rate_hz):
            raise AudioFormatError(
                f"{self.name} takes clips at {self.sample_rate_hz} Hz, not {sample_rate_hz} Hz: resample them"
            )
        answers = np.empty((len(clips), self.outputs), np.float32)
        with torch.inference_mode():
            for row, clip in zip(answers, clips, strict=True):
                if clip.ndim != 1 or clip.dtype != np.float32 or len(clip) == 0:
                    raise AudioFormatError(
                        f"{self.name} takes mono float32 clips of shape (n,), not {clip.dtype} {clip.shape}"
                    )
                row[:] = self._embed(clip, sample_rate_hz)
        return answers

    def for_device(self, sample_rate_hz: int, window_s: float) -> DeviceNetwork:
        """See `Extractor`.

        Raises
        ------
        ConfigError
            When no device can compute this extractor's embedding of such windows.
        """
        raise ConfigError(
            f"extractor {self.name}: can't be exported; deep_spectrum with a network of torchvision's and "
            "efficientat_mn04 can"
        )

    def device_module(self) -> nn.Module:
        """See `Extractor`. Loaded anew: what answers clips was loaded for inference alone."""
        module: nn.Module = self._load()
        return module

    @abstractmethod
    def _load(self) -> Any:
        """The network, ready to answer."""

    @abstractmethod
    def _embed(self, clip: np.ndarray, sample_rate_hz: int) -> np.ndarray:
        """Embedding (outputs,) of one clip."""


def check_device_rate(where: str, wanted_hz: int, sample_rate_hz: int) -> None:
    """Refuse an extractor that hears clips at another rate than the device."""
    if wanted_hz != sample_rate_hz:
        own = f"{wanted_hz} Hz" if wanted_hz else "each clip at its own rate"
        raise ConfigError(f"{where}: hears {own} where the device hears the recipe's {sample_rate_hz} Hz")


def check_device_size(where: str, build: Callable[[], nn.Module]) -> None:
    """Refuse a network that no bundle can hold in 32 bits.

    Parameters
    ----------
    build : callable
        Makes the network; its weights are never filled.
    """
    with torch.device("meta"):
        size = 4 * parameter_count(build())
    if size > MAX_BUNDLE_BYTES:
        raise ConfigError(
            f"{where}: its network takes {size / 1e6:.0f} MB, and a bundle holds {MAX_BUNDLE_BYTES / 1e6:.0f}"
        )


def read_options(kind: type[Options], values: dict[str, Any], where: str) -> Options:
    """Options of an extractor, a dataclass, from a recipe's values.

    Raises
    ------
    ConfigError
        For an unknown option, or a value of another type than the option's default.
    """
    defaults = {field.name: field.default for field in fields(kind)}  # type: ignore[arg-type]
    for name, value in values.items():
        if name not in defaults:
            raise ConfigError(f"{where}: unknown option {name!r}; known are {', '.join(defaults)}")
        default = defaults[name]
        wanted: Any = (int, float) if isinstance(default, float) else type(default)
        if isinstance(default, tuple):
            wanted = (tuple, list)
        if not isinstance(value, wanted) or (isinstance(value, bool) and not isinstance(default, bool)):
            raise ConfigError(f"{where}: {name} is {value!r}; its default is {default!r}, give the like")
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})


def choice(where: str, name: str, value: object, known: Iterable[str]) -> None:
    """Refuse a value that isn't one of those known."""
    known = list(known)
    if value not in known:
        raise ConfigError(f"{where}: {name} is {value!r}; choose one of {', '.join(known)}")


def choices(where: str, name: str, values: Sequence[object], known: Iterable[str]) -> None:
    """Refuse a list that is empty, says something twice, or names something unknown."""
    known = list(known)
    for value in values:
        choice(where, name, value, known)
    if not values or len(set(values)) != len(values):
        raise ConfigError(
            f"{where}: {name} is {list(values)}; name one or more of {', '.join(known)}, each once"
        )


def weights_path(name: str, folder: Path) -> Path | None:
    """The weights file of an extractor, or None for random initialisation."""
    return None if name == RANDOM else find_weights(name, folder)


def at_least(clip: np.ndarray, samples: int) -> np.ndarray:
    """A clip (n,), repeated up to `samples` where it is shorter."""
    return clip if len(clip) >= samples else fit_to_window(clip[:, None], samples)[:, 0]


def repeat_whole(clip: np.ndarray, samples: int) -> np.ndarray:
    """A clip (n,) repeated as a whole, as often as comes nearest to `samples`; never cut."""
    return np.tile(clip, max(1, round(samples / len(clip))))


def pooled_size(size: int, poolings: Sequence[str]) -> int:
    return size * len(poolings)


def pool_windows(windows: np.ndarray, poolings: Sequence[str]) -> np.ndarray:
    """Statistics over the windows (windows, size) of a clip, one after the other: (poolings * size,)."""
    statistics = {"mean": np.mean, "max": np.max, "std": np.std}
    return np.concatenate([statistics[name](windows, axis=0) for name in poolings])
