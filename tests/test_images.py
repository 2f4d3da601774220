"""Members that are fed colour images: the trainer's, to the last bit, whatever the stream before them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from asc_edge import Pipeline, log_mel
from asc_edge.bundle import MemberSpec, write_bundle
from asc_edge.colour import colour_table
from asc_edge.errors import AudioFormatError, BundleError, ConfigError
from asc_edge.frontend import LogMelConfig
from asc_edge.images import ImageSpec, network_images, plotted, preprocessed, raised
from asc_edge.manifest import parse_manifest
from asc_edge.members import HeardFrontEnd
from asc_edge.rings import SampleRing
from image_system import CONFIG, GRID, SPEC, image_bundle, image_files, image_manifest, image_svm

from tiny_system import CONFIG as PLAIN
from tiny_system import LABELS, band_noise

RATE_HZ = 16000


def scene(seconds: float, channels: int = 1) -> NDArray[np.float32]:
    """Noises, a sweep and a pause, another one at each microphone: no part of an image is like another."""
    count = round(seconds * RATE_HZ)
    time_s = np.arange(count) / RATE_HZ
    parts = [band_noise(LABELS[n % 3], 0.3, seed=n) for n in range(round(seconds / 0.3) + 1)]
    noise = np.concatenate(parts)[:count] * (0.2 + 0.8 * np.sin(2.1 * time_s) ** 2)
    sweep = 0.2 * np.sin(2 * np.pi * (200 + 700 * time_s) * time_s)
    sound = np.stack([noise + sweep * (1 + k) + 0.01 * k for k in range(channels)], axis=1)
    sound[(time_s % 1.3) > 1.25] = 0.0
    return (0.5 * sound).astype(np.float32)


def expected_means(window: NDArray[np.float32], spec: ImageSpec = SPEC) -> NDArray[np.float64]:
    """What the network of `image_system` answers for a window's channels, in numpy."""
    images = network_images(log_mel(window, CONFIG), spec, colour_table(spec.colour_map))
    side = spec.pixels // GRID
    blocks = images.reshape(len(images), 3, GRID, side, GRID, side).astype(np.float64)
    return blocks.mean(axis=(3, 5)).reshape(len(images), -1)


# Catches: frames of the stream's grid instead of the window's, floors in another order, one channel's limits
# taken for all, colours red first, an image upside down.
@pytest.mark.parametrize("preprocessing", ["torchvision", "bgr", "bgr_centred"])
@pytest.mark.parametrize(("floor_db", "front_end"), [(0.0, "toolkit"), (-60.0, "toolkit"), (-60.0, "paper")])
def test_image_is_the_trainers_to_the_last_bit(preprocessing: str, floor_db: float, front_end: str) -> None:
    extractors = pytest.importorskip("asc_edge_train.extractors")
    extractor = extractors.build_extractor(
        {
            "type": "deep_spectrum",
            "network": "squeezenet1_1",
            "weights": "random",
            "preprocessing": preprocessing,
            "floor_db": floor_db,
            "front_end": front_end,
            "sample_rate_hz": RATE_HZ,
        },
        Path(),
    )
    network = extractor.for_device(RATE_HZ, 1.0)
    spec = MemberSpec("m", "embedding_svm", "f", None, "n", 3, "s", input="image", image=network.image)
    samples = SampleRing(3, RATE_HZ)
    heard = HeardFrontEnd(network.front_end, {"image"}, channels=3, window_samples=RATE_HZ, samples=samples)
    sound = scene(2.7, channels=3)
    for start in range(0, len(sound), 700):
        samples.push(sound[start : start + 700])
        heard.push(sound[start : start + 700])
    fed = heard.network_input(spec, [0, 2], network.colours)
    assert fed.shape == (2, *heard.input_shape(spec)) == (2, 3, 224, 224)
    for image, channel in zip(fed, (0, 2), strict=True):
        window = np.ascontiguousarray(sound[-RATE_HZ:, channel])
        theirs = preprocessed(extractor.image(window, RATE_HZ), extractor.preprocessing)
        np.testing.assert_array_equal(image, theirs)
    assert (fed[0] != fed[1]).any()


def test_plot_is_what_matplotlib_draws() -> None:
    """Catches: colours cut off instead of rounded, limits before floors, frames from right to left."""
    spectrum_image = pytest.importorskip("asc_edge_train.extractors.spectrum_image")
    for floor_db, colour_map in ((None, "viridis"), (-50.0, "magma")):
        spec = ImageSpec(floor_db=floor_db, colour_map=colour_map)
        cells = raised(log_mel(scene(2.0), CONFIG)[0], spec)
        plot = plotted(cells, spec.colours(), spec.plot_pixels)
        drawn = spectrum_image.drawn_image(cells, colour_map)
        assert np.abs(plot.astype(int) - drawn).mean() < 0.01
        assert np.abs(plot[:, ::-1].astype(int) - drawn).mean() > 1


# Catches: what the networks answered for another window, channels mixed up, a mean over dead microphones.
@pytest.mark.parametrize("hop_s", [0.5, 0.37, 0.013])
@pytest.mark.parametrize("channels", [1, 3])
def test_pipeline_answers_for_the_very_window(tmp_path: Path, hop_s: float, channels: int) -> None:
    bundle = image_bundle(tmp_path / "image.ascb")
    sound = scene(3.5, channels)[: RATE_HZ + round(4.5 * hop_s * RATE_HZ)]
    pipeline = Pipeline(bundle, channels=channels, hop_s=hop_s)
    decisions = [d for start in range(0, len(sound), 999) for d in pipeline.push(sound[start : start + 999])]
    assert len(decisions) == 5
    for decision in decisions:
        end = round(decision.t_s * RATE_HZ)
        rows = image_svm().decision_function(expected_means(sound[end - RATE_HZ : end]))
        np.testing.assert_allclose(decision.members["image"], rows.mean(axis=0), atol=1e-5)
    assert len({decision.members["image"] for decision in decisions}) == 5


def test_pipeline_answers_as_extractor_and_svm_do(tmp_path: Path) -> None:
    """Catches: an embedding of another layer, images of another size; anything between trainer and device."""
    extractors = pytest.importorskip("asc_edge_train.extractors")
    exporting = pytest.importorskip("asc_edge_train.exporting")
    options = {"network": "squeezenet1_1", "weights": "random", "seed": 4, "sample_rate_hz": RATE_HZ}
    extractor = extractors.build_extractor({"type": "deep_spectrum", "mels": 64, **options}, Path())
    network = extractor.for_device(RATE_HZ, 1.0)
    sound = scene(2.2, channels=2)
    scale = float(np.abs(extractor.extract([sound[:RATE_HZ, 0].copy()], RATE_HZ)).max())
    svm = image_svm(extractor.outputs, scale)
    data = exporting.module_to_onnx(
        extractor.device_module(), network.image.shape, dynamic_time=False, exporter="old"
    )
    files = {"image.onnx": data, "image.npz": svm.to_npz()}
    bundle = image_bundle(tmp_path / "ds.ascb", network.image, network.front_end, files, hop_s=0.41)
    decisions = Pipeline(bundle, channels=2).push(sound)
    assert len(decisions) == 3
    for decision in decisions:
        end = round(decision.t_s * RATE_HZ)
        clips = [np.ascontiguousarray(sound[end - RATE_HZ : end, channel]) for channel in range(2)]
        rows = svm.decision_function(extractor.extract(clips, RATE_HZ).astype(np.float64))
        np.testing.assert_allclose(decision.members["image"], rows.mean(axis=0), atol=1e-4)


def test_only_voting_channels_are_drawn_and_gaps_empty_the_window(tmp_path: Path) -> None:
    bundle = image_bundle(tmp_path / "image.ascb")
    sound = scene(1.0, channels=3)
    sound[:, 1] = 0.25
    (decision,) = Pipeline(bundle, channels=3).push(sound)
    pair = Pipeline(bundle, channels=2)
    (healthy,) = pair.push(np.ascontiguousarray(sound[:, [0, 2]]))
    assert decision.channels == ("ok", "dead", "ok")
    assert decision.members == healthy.members
    pair.skip(RATE_HZ)
    assert pair.push(np.ascontiguousarray(sound[:-1, [0, 2]])) == []
    (again,) = pair.push(np.ascontiguousarray(sound[-1:, [0, 2]]))
    assert again.members == healthy.members


# Catches: silence that is held against a front end whose 0 dB is no full-scale sine: no room is silent.
@pytest.mark.parametrize("config", [CONFIG, PLAIN], ids=["not full scale", "full scale"])
def test_silence_beside_an_image_network(tmp_path: Path, config: LogMelConfig) -> None:
    bundle = image_bundle(tmp_path / "image.ascb", config=config, silence_db=-60.0)
    time_s = np.arange(RATE_HZ)[:, np.newaxis] / RATE_HZ
    for peak_db, state in ((-50.0, "ok"), (-80.0, "silent")):
        sine = (10 ** (peak_db / 20) * np.sin(2 * np.pi * 1000 * time_s)).astype(np.float32)
        (decision,) = Pipeline(bundle).push(sine)
        assert decision.state == state, peak_db


def test_colours_come_from_the_bundle_where_they_are_not_built_in(tmp_path: Path) -> None:
    own = replace(SPEC, colour_map="own.rgb")
    table = colour_table("viridis").tobytes()
    bundle = image_bundle(tmp_path / "own.ascb", own, files={"own.rgb": table})
    built_in = image_bundle(tmp_path / "image.ascb")
    sound = scene(1.0)
    (a,), (b,) = (Pipeline(each).push(sound) for each in (bundle, built_in))
    assert a.members == b.members
    turned = image_bundle(tmp_path / "turned.ascb", own, files={"own.rgb": table[::-1]})
    (c,) = Pipeline(turned).push(sound)
    assert c.members != a.members


# Catches: a table that fails at the first decision instead of at the door.
@pytest.mark.parametrize("data", [b"", b"1234", b"123" * 65537], ids=["none", "a part", "too many"])
def test_tables_that_hold_no_colours_are_refused(tmp_path: Path, data: bytes) -> None:
    own = replace(SPEC, colour_map="own.rgb")
    with pytest.raises(BundleError, match=r"own\.rgb: a colour table of \d+ bytes: give") as error:
        image_bundle(tmp_path / "own.ascb", own, files={"own.rgb": data})
    assert "\n" not in str(error.value)
    with pytest.raises(BundleError, match=r"lacks own\.rgb, which its manifest names"):
        image_bundle(tmp_path / "own.ascb", own)


def read(manifest: dict[str, Any], schema: int = 2) -> MemberSpec:
    full = {"schema": schema, "files": {name: {"sha256": "0"} for name in image_files()}, **manifest}
    (member,) = parse_manifest(json.dumps(full).encode(), "x.ascb").members
    return member


def changed(front_end: dict[str, Any] | None = None, **member: Any) -> dict[str, Any]:
    manifest = image_manifest()
    manifest["members"][0].update(member)
    if front_end is not None:
        manifest["front_ends"] = {"mel": {**CONFIG.to_dict(), **front_end}}
    return manifest


def image(**settings: Any) -> dict[str, Any]:
    return {"image": {**SPEC.to_dict(), **settings}}


def without(name: str) -> dict[str, Any]:
    return {"image": {key: value for key, value in SPEC.to_dict().items() if key != name}}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    member = read(image_manifest())
    assert (member.input, member.image, member.floor_db) == ("image", SPEC, None)
    assert member.files == ("image.onnx", "image.npz")
    own = read(changed(**image(colour_map="own.rgb", floor_db=None)))
    assert own.files == ("image.onnx", "image.npz", "own.rgb")
    write_bundle(tmp_path / "y.ascb", {**image_manifest(), "members": [member]}, image_files())
    with pytest.raises(BundleError, match="has image, which schema 1 doesn't know"):
        read(first_schema(), 1)


def first_schema() -> dict[str, Any]:
    """A manifest of schema 1 but for its image."""
    manifest = changed(floor_db=-60.0)
    del manifest["members"][0]["input"]
    return manifest


# Catches: a manifest that is taken at its word and fails, or fills the memory, in the middle of the night.
@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        (changed(image=None), "an image and the input image don't fit"),
        (changed(input="frames"), "an image and the input frames don't fit"),
        (changed(input="picture", floor_db=-60.0), "an image and the input picture don't fit"),
        (changed(floor_db=-60.0), "fed images, whose floor_db belongs to image"),
        (changed(image=[]), "image of member 'image': is described by names and values, not by list"),
        (changed(image="viridis"), "not by str"),
        (changed(**image(size=3)), "has no setting 'size'"),
        *((changed(**without(name)), f"lacks its {name}") for name in SPEC.to_dict()),
        (changed(**image(colour_map="")), "colour_map is ''"),
        (changed(**image(colour_map=3)), "colour_map is 3"),
        (changed(**image(colour_map="a\nb")), r"colour_map is 'a\\nb'"),
        (changed(**image(plot_pixels=0)), "plot_pixels is 0: give a whole number from 1 to 1024"),
        (changed(**image(plot_pixels=227.5)), "plot_pixels is 227.5"),
        (changed(**image(pixels=1025)), "pixels is 1025"),
        (changed(**image(pixels=True)), "pixels is True"),
        (changed(**image(resize="lanczos")), "resize is 'lanczos': choose one of nearest"),
        (changed(**image(resize=["nearest"])), "resize is"),
        (changed(**image(preprocessing="tf")), "preprocessing is 'tf'"),
        (changed(**image(lowest_db=None)), "lowest_db is None"),
        (changed(**image(lowest_db=3)), "lowest_db is 3"),
        (changed(**image(floor_db=0)), "floor_db is 0"),
        (changed(**image(floor_db=-2000)), "floor_db is -2000"),
        (changed(**image(floor_db="low")), "floor_db is 'low'"),
        (changed({"level": "natural_log"}), "no image can be drawn"),
        (changed({"centred": True}), "no image can be drawn"),
    ],
)
def test_images_that_can_not_be_drawn_are_refused(manifest: dict[str, Any], message: str) -> None:
    with pytest.raises(BundleError, match=message) as error:
        read(manifest)
    assert "\n" not in str(error.value)


def test_a_network_for_other_images_is_refused(tmp_path: Path) -> None:
    bundle = image_bundle(tmp_path / "x.ascb", replace(SPEC, pixels=60))
    with pytest.raises(Exception, match=r"takes windows of shape \(3, 48, 48\).*gives \(3, 60, 60\)"):
        Pipeline(bundle)


def test_wrong_images_are_typed_errors() -> None:
    with pytest.raises(AudioFormatError, match=r"shape \(2, 2\)"):
        preprocessed(np.zeros((2, 2), np.uint8), "bgr")
    with pytest.raises(AudioFormatError, match="dtype float32"):
        preprocessed(np.zeros((2, 2, 3), np.float32), "bgr")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="preprocessing is 'tf'"):
        preprocessed(np.zeros((2, 2, 3), np.uint8), "tf")
