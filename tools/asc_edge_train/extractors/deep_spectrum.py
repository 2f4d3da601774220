"""Deep Spectrum features: a spectrogram's colour image through an image network.

CRNN + Deep Spectrum + late fusion, section on deep spectrum features; defaults are those of the toolkit at
the paper's date (version 0.6.9).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch

from asc_edge.colour import colour_names
from asc_edge.errors import ConfigError
from asc_edge.frontend import LogMelConfig, log_mel
from asc_edge.images import ImageSpec, preprocessed, raised
from asc_edge_train.extractors.base import (
    RANDOM,
    DeviceNetwork,
    FrozenExtractor,
    at_least,
    check_device_rate,
    check_device_size,
    choice,
    read_options,
    weights_path,
)
from asc_edge_train.extractors.spectrum_image import (
    IMAGE_PIXELS,
    RENDERERS,
    RESIZE_FILTERS,
    colour_table_of,
    resized,
)
from asc_edge_train.extractors.tflite import TfliteNetwork
from asc_edge_train.models.imagenet import IMAGE_NETWORKS, INITIALISERS, bare_network, image_network
from asc_edge_train.models.keras_files import KERAS_SUFFIXES

__all__ = ["DeepSpectrumExtractor", "front_end"]

_INPUT_PIXELS = 224
# The toolkit's only floor: power 1e-10.
_LOWEST_DB = -100.0
# Embedding's length, tensor and file of the TFLite networks.
_TFLITE = {
    "mobilenet_v1": (
        1024,
        "Logits/AvgPool_1a/AvgPool",
        "mobilenet_imagenet_tflite/mobilenet_v1_1.0_224_quant_embedding_extractor.tflite",
    ),
    "mobilenet_v2": (
        1280,
        "Logits/AvgPool",
        "mobilenet_imagenet_tflite/mobilenet_v2_1.0_224_quant.tflite",
    ),
}
_TOOLKIT_PREPROCESSING = {
    "vgg16": "bgr",
    "vgg19": "bgr",
    "resnet50": "bgr_centred",
    "densenet121": "torchvision",
    "squeezenet1_1": "bgr_centred",
}
_PREPROCESSING = ("auto", "toolkit", "torchvision", "bgr", "bgr_centred")


@dataclass(frozen=True, kw_only=True)
class _Options:
    """Options of a Deep Spectrum extractor.

    Attributes
    ----------
    network : str
        ``vgg16``, ``vgg19``, ``resnet50``, ``densenet121``, or one of the lighter ``squeezenet1_1``,
        ``mobilenet_v1`` and ``mobilenet_v2``.
    weights : str
        File, ``"random"``, or empty for the name that the network's ImageNet weights are published under.
    seed, initialiser
        Of random weights: ``"keras"``, as in the toolkit, or ``"torch"``.
    front_end : {"toolkit", "paper"}
        Windows of the next power of two from 25 ms, half overlapped, with a Slaney bank; or the paper's
        0.32 s by 0.16 s.
    mels : int
        Bands.
    sample_rate_hz : int
        Rate that clips are wanted at; 0 takes each at its own.
    floor_db : float
        What is this far below the clip's loudest cell is raised to it, for instance -80; 0 for no floor.
    colour_map : str
        Any of matplotlib's.
    renderer : {"table", "matplotlib"}
        Without drawing, or drawn as the toolkit does, at some 20 ms more a clip.
    resize : {"bicubic", "bilinear", "nearest"}
        From the plot's 227 pixels to the network's 224. Pillow's default, which the toolkit took, was nearest
        up to version 6 and is bicubic since.
    preprocessing : {"auto", "toolkit", "torchvision", "bgr", "bgr_centred"}
        ``toolkit``: VGG's channels in reverse order without the mean taken off, a quirk of the toolkit;
        ResNet50's in reverse order less ImageNet's mean; DenseNet121's as torchvision. ``auto`` is what the
        weights were trained with, and ``toolkit`` for random ones. The MobileNets take pixels as they are.
    """

    network: str = "vgg16"
    weights: str = ""
    seed: int = 0
    initialiser: str = "keras"
    front_end: str = "toolkit"
    mels: int = 128
    sample_rate_hz: int = 0
    floor_db: float = 0.0
    colour_map: str = "viridis"
    renderer: str = "table"
    resize: str = "bicubic"
    preprocessing: str = "auto"


class DeepSpectrumExtractor(FrozenExtractor):
    """Embedding of a clip's spectrogram image by an ImageNet network, trained or with random weights."""

    def __init__(self, options: dict[str, Any], weights: Path) -> None:
        where = "extractor deep_spectrum"
        read = read_options(_Options, options, where)
        choice(where, "network", read.network, [*IMAGE_NETWORKS, *_TFLITE])
        choice(where, "initialiser", read.initialiser, INITIALISERS)
        choice(where, "front_end", read.front_end, ("toolkit", "paper"))
        choice(where, "renderer", read.renderer, RENDERERS)
        choice(where, "resize", read.resize, RESIZE_FILTERS)
        choice(where, "preprocessing", read.preprocessing, _PREPROCESSING)
        if read.colour_map not in matplotlib.colormaps:
            raise ConfigError(f"{where}: colour_map is {read.colour_map!r}, which matplotlib doesn't have")
        if not -160 <= read.floor_db <= 0:
            raise ConfigError(f"{where}: floor_db is {read.floor_db}; give -160 to 0 dB, 0 for none")
        # Refuses what no front end can work with before any clip is read.
        front_end(read.front_end, read.sample_rate_hz or 16000, read.mels)
        self.sample_rate_hz = read.sample_rate_hz
        if read.network in _TFLITE:
            self.outputs, _, published = _TFLITE[read.network]
            if read.weights == RANDOM:
                raise ConfigError(f"{where}: {read.network} is a file with its weights in it, never random")
        else:
            self.outputs, published = IMAGE_NETWORKS[read.network].outputs, IMAGE_NETWORKS[read.network].file
        path = weights_path(read.weights or published, weights)
        self.preprocessing = _preprocessing(read, path)
        self.spec = ImageSpec(
            colour_map=read.colour_map,
            plot_pixels=IMAGE_PIXELS,
            pixels=_INPUT_PIXELS,
            resize=read.resize,
            # TFLite networks take the pixels as they are.
            preprocessing=self.preprocessing or "bgr",
            lowest_db=_LOWEST_DB,
            floor_db=read.floor_db or None,
        )
        random = "-random" if path is None else ""
        super().__init__(f"deep_spectrum:{read.network}{random}", read, path)

    def image(self, clip: np.ndarray, sample_rate_hz: int) -> np.ndarray:
        """Image (224, 224, 3) uint8 that the network is shown of a clip (n,)."""
        config = front_end(self.options.front_end, sample_rate_hz, self.options.mels)
        cells = raised(log_mel(at_least(clip, config.window_samples), config)[0], self.spec)
        drawn = RENDERERS[self.options.renderer](cells, self.options.colour_map)
        return resized(drawn, self.spec.pixels, self.spec.resize)

    def for_device(self, sample_rate_hz: int, window_s: float) -> DeviceNetwork:
        where, options = f"extractor {self.name}", self.options
        if options.network in _TFLITE:
            raise ConfigError(f"{where}: can't be exported; squeezenet1_1 and densenet121 can")
        check_device_rate(where, options.sample_rate_hz, sample_rate_hz)
        if options.renderer != "table":
            raise ConfigError(f"{where}: a device can't draw by matplotlib; take the renderer table")
        check_device_size(where, lambda: bare_network(options.network))
        config = front_end(options.front_end, sample_rate_hz, options.mels)
        if config.frames(round(window_s * sample_rate_hz)) < 1:
            raise ConfigError(f"{where}: windows of {window_s:g} s are shorter than one of its front end")
        spec, colours = self.spec, colour_table_of(options.colour_map)
        if options.colour_map not in colour_names():
            spec = replace(spec, colour_map=f"{options.colour_map}.rgb")
        credit = "" if self.path is None else f"{options.network} with weights from {self.path.name}"
        return DeviceNetwork(config, spec, colours, credit)

    def _load(self) -> Any:
        name = self.options.network
        if name in _TFLITE:
            assert self.path is not None
            outputs, tensor, _ = _TFLITE[name]
            network = TfliteNetwork(self.path, {tensor: outputs})
            if network.shape != (1, _INPUT_PIXELS, _INPUT_PIXELS, 3) or network.dtype is not np.uint8:
                raise ConfigError(f"{self.path}: takes no 8-bit image of {_INPUT_PIXELS} pixels square")
            return network
        return image_network(name, self.path, seed=self.options.seed, initialiser=self.options.initialiser)

    def _embed(self, clip: np.ndarray, sample_rate_hz: int) -> np.ndarray:
        image = self.image(clip, sample_rate_hz)
        if self.options.network in _TFLITE:
            answer: np.ndarray = self.network.run(image[None])[0]
            return answer
        pixels = preprocessed(image, self.preprocessing)
        return self.network(torch.from_numpy(pixels)[None])[0].numpy()


def front_end(name: str, sample_rate_hz: int, mels: int) -> LogMelConfig:
    """Front end of the images, ``"toolkit"`` or ``"paper"``, at a clip's rate."""
    if name == "paper":
        return LogMelConfig(sample_rate_hz=sample_rate_hz, mels=mels)
    window = 1 << max(4, int(np.ceil(np.log2(0.025 * sample_rate_hz))))
    return LogMelConfig(
        sample_rate_hz=sample_rate_hz,
        window_s=window / sample_rate_hz,
        hop_s=window / 2 / sample_rate_hz,
        mels=mels,
        mel_scale="slaney",
        mel_norm="area",
        remove_mean=False,
        full_scale=False,
    )


def _preprocessing(options: _Options, path: Path | None) -> str:
    how = options.preprocessing
    if how == "auto" and path is not None:
        # Keras's files expect what Caffe's networks did.
        return "bgr_centred" if path.suffix in KERAS_SUFFIXES else "torchvision"
    return _TOOLKIT_PREPROCESSING.get(options.network, "") if how in ("auto", "toolkit") else how
