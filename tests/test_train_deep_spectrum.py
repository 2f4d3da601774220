"""Deep Spectrum images against matplotlib and librosa, and the image networks against torchvision's own."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import librosa
import matplotlib
import numpy as np
import pytest
import torch
from PIL import Image

from asc_edge.errors import ConfigError
from asc_edge.frontend import log_mel
from asc_edge.images import preprocessed
from asc_edge_train.datasets import load_corpus
from asc_edge_train.extractors import build_extractor
from asc_edge_train.extractors.deep_spectrum import front_end
from asc_edge_train.extractors.spectrum_image import drawn_image, resized, table_image
from asc_edge_train.models.imagenet import IMAGE_NETWORKS, image_network
from asc_edge_train.models.torchvision_shim import torchvision_models
from asc_edge_train.sound import clip_samples

RATE_HZ = 16000


@pytest.fixture
def clip(rng: np.random.Generator) -> np.ndarray:
    """Two seconds of a sweep in noise, so that an image turned or mirrored is another one."""
    t = np.arange(2 * RATE_HZ) / RATE_HZ
    sweep = 0.3 * np.sin(2 * np.pi * (200 * t + 900 * t**2)) * (1 + t)
    return (sweep + 0.01 * rng.standard_normal(len(t))).astype(np.float32)


def extractor(tmp_path: Path = Path(), **options: Any) -> Any:
    return build_extractor({"type": "deep_spectrum", "weights": "random", **options}, tmp_path)


@pytest.mark.parametrize(("rate_hz", "window"), [(16000, 512), (44100, 2048), (32000, 1024), (8000, 256)])
def test_cells_are_librosas(clip: np.ndarray, rate_hz: int, window: int) -> None:
    config = front_end("toolkit", rate_hz, 128)
    assert (config.window_samples, config.hop_samples) == (window, window // 2)
    theirs = librosa.feature.melspectrogram(
        y=clip, sr=rate_hz, n_fft=window, hop_length=window // 2, center=False, n_mels=128
    )
    ours = np.maximum(log_mel(clip, config)[0], -100.0)
    # At 8 and 16 kHz the lowest Slaney bands have little in them: a cell may be some 1e-3 dB off.
    np.testing.assert_allclose(ours, librosa.power_to_db(theirs, top_db=None), atol=0.02)


def test_paper_front_end_is_the_papers() -> None:
    config = front_end("paper", 44100, 128)
    assert (config.window_samples, config.hop_samples, config.mels) == (14112, 7056, 128)


def smooth_cells(rng: np.random.Generator, frames: int) -> np.ndarray:
    rough = rng.standard_normal((16, 1 + frames // 8)).astype(np.float32)
    grown = Image.fromarray(rough).resize((frames, 128), Image.Resampling.BICUBIC)
    return np.asarray(grown) * 20 - 60


@pytest.mark.parametrize("colour_map", ["viridis", "tab20", "CMRmap"])
@pytest.mark.parametrize("frames", [40, 227, 311])
def test_table_image_is_what_matplotlib_draws(colour_map: str, frames: int, rng: np.random.Generator) -> None:
    cells = smooth_cells(rng, frames)
    table, drawn = table_image(cells, colour_map), drawn_image(cells, colour_map)
    assert table.shape == drawn.shape == (227, 227, 3)
    assert table.dtype == drawn.dtype == np.uint8
    difference = np.abs(table.astype(int) - drawn.astype(int)).mean()
    assert difference < 0.01
    # The measure tells a turned image from a like one.
    assert np.abs(table[::-1].astype(int) - drawn.astype(int)).mean() > 10


def test_real_clips_table_is_what_matplotlib_draws(shared_data: Path) -> None:
    clips = load_corpus("esc50", shared_data / "esc50")[::400]
    for row in clips:
        cells = log_mel(clip_samples(row, RATE_HZ), front_end("toolkit", RATE_HZ, 128))[0]
        table, drawn = table_image(cells, "viridis"), drawn_image(cells, "viridis")
        assert np.abs(table.astype(int) - drawn.astype(int)).mean() < 0.01


def test_colours_run_from_the_clips_minimum_to_its_maximum_and_low_is_below() -> None:
    cells = np.full((128, 128), -50.0, np.float32)
    cells[0, 0], cells[-1, -1] = -90.0, -10.0
    image = table_image(cells, "viridis")
    low, high = (255 * np.array(matplotlib.colormaps["viridis"](v)[:3]) for v in (0.0, 1.0))
    np.testing.assert_allclose(image[-1, 0], low, atol=0.5)
    np.testing.assert_allclose(image[0, -1], high, atol=0.5)


def test_silence_is_the_first_colour_as_in_a_plot() -> None:
    cells = np.full((128, 60), -100.0, np.float32)
    np.testing.assert_array_equal(table_image(cells, "viridis"), drawn_image(cells, "viridis"))


@pytest.mark.parametrize(
    ("how", "filter_"),
    [("nearest", Image.Resampling.NEAREST), ("bicubic", Image.Resampling.BICUBIC)],
)
def test_resize_has_the_filter_that_is_named(
    how: str, filter_: Image.Resampling, rng: np.random.Generator
) -> None:
    image = rng.integers(0, 256, (227, 227, 3), dtype=np.uint8)
    expected = np.asarray(Image.fromarray(image).resize((224, 224), filter_))
    np.testing.assert_array_equal(resized(image, 224, how), expected)


def test_floor_raises_what_is_far_below_the_loudest_cell(clip: np.ndarray) -> None:
    quiet = clip.copy()
    quiet[RATE_HZ:] = 0.0
    images = [extractor(floor_db=floor_db).image(quiet, RATE_HZ) for floor_db in (0.0, -40.0)]
    # Without a floor the silent half takes the lowest colour and the noise a higher one.
    first = np.array(matplotlib.colormaps["viridis"](0.0, bytes=True)[:3])
    at_floor = [(np.abs(image.astype(int) - first).sum(axis=2) < 6).mean() for image in images]
    assert at_floor[0] < at_floor[1] - 0.2


def test_preprocessing_is_each_networks() -> None:
    image = np.array([[[10, 20, 30]]], np.uint8)
    np.testing.assert_allclose(preprocessed(image, "bgr")[:, 0, 0], [30, 20, 10])
    np.testing.assert_allclose(
        preprocessed(image, "bgr_centred")[:, 0, 0], [30 - 103.939, 20 - 116.779, 10 - 123.68], rtol=1e-6
    )
    np.testing.assert_allclose(
        preprocessed(image, "torchvision")[:, 0, 0],
        [(10 / 255 - 0.485) / 0.229, (20 / 255 - 0.456) / 0.224, (30 / 255 - 0.406) / 0.225],
        rtol=1e-5,
    )


def test_preprocessing_follows_where_the_weights_come_from(tmp_path: Path) -> None:
    for name in ("own.pth", "keras.h5"):
        (tmp_path / name).write_bytes(b"")
    found = {
        (network, weights): extractor(tmp_path, network=network, weights=weights).preprocessing
        for network, weights in [
            ("vgg16", "random"),
            ("resnet50", "random"),
            ("densenet121", "random"),
            ("vgg19", "own.pth"),
            ("squeezenet1_1", "keras.h5"),
        ]
    }
    assert list(found.values()) == ["bgr", "bgr_centred", "torchvision", "torchvision", "bgr_centred"]
    toolkit = extractor(tmp_path, network="vgg19", weights="own.pth", preprocessing="toolkit")
    assert toolkit.preprocessing == "bgr"


def last_maps_mean(maps: torch.Tensor) -> torch.Tensor:
    return maps.mean(dim=(2, 3))


# Where the embedding stands in torchvision's whole network: a module, and what becomes of its output.
LAYERS: dict[str, tuple[str, Callable[[torch.Tensor], torch.Tensor]]] = {
    "vgg16": ("classifier.4", lambda maps: maps),
    "vgg19": ("classifier.4", lambda maps: maps),
    "resnet50": ("avgpool", lambda maps: maps.flatten(1)),
    "densenet121": ("features", lambda maps: last_maps_mean(torch.relu(maps))),
    "squeezenet1_1": ("features", last_maps_mean),
}


def test_vgg_ends_after_the_activation_of_its_second_full_layer() -> None:
    for name in ("vgg16", "vgg19"):
        with torch.device("meta"):
            network = getattr(torchvision_models(), name)(weights=None)
        second, last = network.classifier[3], network.classifier[4]
        IMAGE_NETWORKS[name].behead(network)
        assert (second.in_features, second.out_features) == (4096, 4096)
        assert isinstance(last, torch.nn.ReLU)
        assert network.classifier[-1] is last


# The weights of a VGG are 0.5 GB.
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * name.startswith("vgg")) for name in LAYERS]
)
def test_embedding_is_the_layer_of_torchvisions_network(name: str, tmp_path: Path) -> None:
    torch.manual_seed(5)
    whole = getattr(torchvision_models(), name)(weights=None).eval()
    for module in whole.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.1, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    path = tmp_path / "weights.pth"
    torch.save(whole.state_dict(), path)
    layer, pooled = LAYERS[name]
    seen = []
    whole.get_submodule(layer).register_forward_hook(
        lambda module, inputs, output: seen.append(output.clone())
    )
    images = torch.rand(1, 3, 224, 224)
    with torch.inference_mode():
        whole(images)
        embedding = image_network(name, path)(images)
    assert embedding.shape == (1, IMAGE_NETWORKS[name].outputs)
    torch.testing.assert_close(embedding, pooled(seen[0]))
    path.unlink()


def test_densenet_published_before_its_layers_were_renamed_loads(tmp_path: Path) -> None:
    whole = torchvision_models().densenet121(weights=None)
    old = {
        re.sub(r"(denselayer\d+)\.(norm|conv)(\d)", r"\1.\2.\3", name): value
        for name, value in whole.state_dict().items()
    }
    assert any(".norm.1." in name for name in old)
    torch.save(old, tmp_path / "old.pth")
    ours = image_network("densenet121", tmp_path / "old.pth").state_dict()
    assert all(torch.equal(value, whole.state_dict()[name]) for name, value in ours.items())


def test_random_weights_are_seeded_and_keras_by_default() -> None:
    first, same, other = (image_network("resnet50", None, seed=seed) for seed in (1, 1, 2))
    weight = first.conv1.weight
    assert torch.equal(weight, same.conv1.weight)
    assert not torch.equal(weight, other.conv1.weight)
    # Glorot uniform: of 3 planes and 64 filters of 7 x 7.
    limit = (6 / (49 * (3 + 64))) ** 0.5
    assert 0.99 * limit < weight.abs().max() <= limit
    assert not image_network("squeezenet1_1", None).features[0].bias.any()
    assert image_network("resnet50", None, seed=1, initialiser="torch").conv1.weight.abs().max() > limit


def test_making_a_random_network_leaves_the_training_seed_alone() -> None:
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    image_network("squeezenet1_1", None, seed=4)
    assert torch.equal(torch.rand(3), expected)


def write_keras_squeezenet(path: Path, state: dict[str, torch.Tensor]) -> None:
    """SqueezeNet in Keras's layout: groups by layer, kernels with the channels last."""
    places = {"conv1": "features.0"}
    for fire, place in zip(range(2, 10), (3, 4, 6, 7, 9, 10, 11, 12), strict=True):
        for part, ours in (("squeeze1x1", "squeeze"), ("expand1x1",) * 2, ("expand3x3",) * 2):
            places[f"fire{fire}/{part}"] = f"features.{place}.{ours}"
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [b"input_1", *(name.encode() for name in places)]
        file.create_group("input_1").attrs["weight_names"] = np.array([], dtype="S1")
        for theirs, ours in places.items():
            group = file.create_group(theirs)
            group.attrs["weight_names"] = [b"kernel", b"bias"]
            group["kernel"] = state[f"{ours}.weight"].numpy().transpose(2, 3, 1, 0)
            group["bias"] = state[f"{ours}.bias"].numpy()


def test_keras_squeezenet_answers_as_torchvisions(tmp_path: Path) -> None:
    torch.manual_seed(6)
    whole = torchvision_models().squeezenet1_1(weights=None).eval()
    for name, value in whole.state_dict().items():
        if name.endswith("bias"):
            value.uniform_(-0.1, 0.1)
    write_keras_squeezenet(tmp_path / "keras.h5", whole.state_dict())
    images = torch.rand(2, 3, 224, 224)
    with torch.inference_mode():
        expected = last_maps_mean(whole.features(images))
        torch.testing.assert_close(image_network("squeezenet1_1", tmp_path / "keras.h5")(images), expected)


def test_damaged_or_other_keras_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.h5").write_text("no weights")
    with pytest.raises(ConfigError, match=r"text\.h5: is no HDF5 file of Keras weights"):
        image_network("squeezenet1_1", tmp_path / "text.h5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file.attrs["layer_names"] = [b"conv1"]
        file.create_group("conv1").attrs["weight_names"] = [b"kernel"]
        file["conv1"]["kernel"] = np.zeros((5, 5, 3, 64), np.float32)
    with pytest.raises(ConfigError, match=r"other\.h5: weights of another network"):
        image_network("squeezenet1_1", tmp_path / "other.h5")
    with pytest.raises(ConfigError, match=r"text\.h5: of vgg16, give torchvision's state dict"):
        image_network("vgg16", tmp_path / "text.h5")


@pytest.mark.parametrize("name", ["mobilenet_v1", "mobilenet_v2", "squeezenet1_1"])
def test_light_networks_tell_clips_apart_with_their_own_weights(
    name: str, shared_weights: Path, clip: np.ndarray
) -> None:
    light = extractor(shared_weights, network=name, weights="")
    noise = np.random.default_rng(1).standard_normal(len(clip)).astype(np.float32) * np.float32(0.1)
    answers = light.extract([clip, clip * np.float32(0.5), noise], RATE_HZ)
    assert answers.shape == (3, light.outputs)
    # The level of a clip isn't in its image; its sound is.
    near, far = np.abs(answers[0] - answers[1]).mean(), np.abs(answers[0] - answers[2]).mean()
    assert near < 0.1 * far
    assert np.all(answers >= 0)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"network": "vgg11"}, "network is 'vgg11'; choose one of vgg16"),
        ({"network": "vgg16", "weights": ""}, "vgg16-397923af.pth: no such weights file"),
        ({"network": "mobilenet_v1"}, "never random"),
        ({"colour_map": "parula"}, "colour_map is 'parula'"),
        ({"renderer": "gnuplot"}, "choose one of table, matplotlib"),
        ({"resize": "lanczos"}, "resize is 'lanczos'"),
        ({"initialiser": "he"}, "choose one of keras, torch"),
        ({"preprocessing": "tf"}, "preprocessing is 'tf'"),
        ({"front_end": "mel"}, "front_end is 'mel'"),
        ({"floor_db": 3}, "floor_db is 3"),
        ({"mels": 0}, "mels is 0"),
    ],
)
def test_options_that_can_not_work_are_refused(options: dict[str, Any], reason: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=reason) as caught:
        extractor(tmp_path, **options)
    assert "\n" not in str(caught.value)
