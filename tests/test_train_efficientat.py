"""EfficientAT's MobileNet against torchvision's MobileNetV3 of its width, and with its published weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from asc_edge.errors import ConfigError
from asc_edge_train.datasets import load_corpus
from asc_edge_train.extractors import build_extractor
from asc_edge_train.models import EfficientAtMn, build_network, multiply_accumulates, parameter_count
from asc_edge_train.models.torchvision_shim import torchvision_models
from asc_edge_train.sound import clip_samples

MN04 = "efficientat_mn04_as/mn04_as_mAP_432.pt"


def randomise(network: nn.Module) -> None:
    """Random weights and norms: fresh norms would hide a wrong epsilon or order."""
    generator = torch.Generator().manual_seed(3)
    for name, value in network.state_dict().items():
        if value.dtype == torch.float32:
            low, high = (0.5, 1.5) if "running_var" in name or value.ndim == 1 else (-0.3, 0.3)
            value.uniform_(low, high, generator=generator)


def torchvision_twin(ours: EfficientAtMn) -> nn.Module:
    """torchvision's MobileNetV3-large at width 0.4, with one input plane and a plain sigmoid in its gates."""
    module = torchvision_models().mobilenetv3
    rows, last = module._mobilenet_v3_conf("mobilenet_v3_large", width_mult=0.4)
    twin = module.MobileNetV3(rows, last, num_classes=527)
    twin.features[0][0] = nn.Conv2d(1, 8, 3, 2, 1, bias=False)
    for block in twin.modules():
        if isinstance(block, torchvision_models().mobilenetv3.SElayer):
            block.scale_activation = nn.Sigmoid()
    state = {}
    for name, value in ours.state_dict().items():
        renamed = name.replace("conc_se_layers.0.", "").replace("classifier.2.", "classifier.0.")
        renamed = renamed.replace("classifier.5.", "classifier.3.")
        is_kernel = ".fc" in name and name.endswith("weight")
        state[renamed] = value[:, :, None, None] if is_kernel else value
    twin.load_state_dict(state)
    return twin.eval()


@pytest.fixture
def frames(rng: np.random.Generator) -> torch.Tensor:
    return torch.from_numpy(rng.standard_normal((2, 1, 128, 101)).astype(np.float32))


def test_trunk_and_head_are_torchvisions_mobilenet(frames: torch.Tensor) -> None:
    network = EfficientAtMn(mels=128, classes=527).eval()
    randomise(network)
    twin = torchvision_twin(network)
    with torch.inference_mode():
        maps = twin.features(frames)
        torch.testing.assert_close(network.embed(frames), twin.avgpool(maps).flatten(1), rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(network(frames), twin(frames), rtol=1e-4, atol=1e-3)


def test_cost_is_the_published_one() -> None:
    network = EfficientAtMn(mels=128, classes=527).eval()
    assert round(parameter_count(network) / 1e6, 2) == 0.98
    assert round(multiply_accumulates(network, 128, 1000) / 1e9, 2) == 0.11


def test_fine_tuning_starts_from_the_trunk_with_a_head_of_its_own(tmp_path: Path) -> None:
    published = EfficientAtMn(mels=128, classes=527)
    randomise(published)
    torch.save(published.state_dict(), tmp_path / "mn04.pt")
    config = {"type": "efficientat_mn", "width": 0.4, "weights": "mn04.pt"}
    network = build_network(config, 128, 50, weights_folder=tmp_path)
    theirs, ours = published.state_dict(), network.state_dict()
    different = {name for name in ours if not torch.equal(ours[name], theirs[name])}
    assert different == {"classifier.5.weight", "classifier.5.bias"}
    assert ours["classifier.5.bias"].shape == (50,)
    same = build_network(config, 128, 527, weights_folder=tmp_path)
    assert torch.equal(same.state_dict()["classifier.5.bias"], theirs["classifier.5.bias"])
    fresh = build_network(config, 128, 50, pretrained=False)
    assert not torch.equal(fresh.state_dict()["features.0.0.weight"], theirs["features.0.0.weight"])


def test_training_reaches_every_weight(frames: torch.Tensor) -> None:
    network = EfficientAtMn(mels=128, classes=5)
    network(frames).square().sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.parameters())


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"width": 0.5, "weights": "mn04.pt"}, "mn04.pt: weights of another network .*size mismatch"),
        ({"weights": "absent.pt"}, "absent.pt: no such weights file"),
        ({"weights": "text.pt"}, "text.pt: is no PyTorch checkpoint"),
        ({"weights": "list.pt"}, "list.pt: holds no state dict"),
        ({"width": 0}, "width is 0"),
    ],
)
def test_weights_that_do_not_fit_are_refused_by_name(
    config: dict[str, object], reason: str, tmp_path: Path
) -> None:
    torch.save(EfficientAtMn(mels=128, classes=527).state_dict(), tmp_path / "mn04.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    (tmp_path / "text.pt").write_text("no weights")
    with pytest.raises(ConfigError, match=reason) as caught:
        build_network({"type": "efficientat_mn", **config}, 128, 9, weights_folder=tmp_path)
    assert "\n" not in str(caught.value)


def test_weights_without_a_folder_say_which_option_names_it() -> None:
    with pytest.raises(ConfigError, match="--weights"):
        build_network({"type": "efficientat_mn", "weights": "mn04.pt"}, 128, 9)


# AudioSet's numbers (class_labels_indices.csv) of what a clip of ESC-50 is, and of its kinds.
HEARD = {
    "dog": range(72, 81),
    "rooster": range(99, 102),
    "snoring": (43,),
    "church_bells": (200, 201),
    "siren": (322, 323, 396, 397),
    "crying_baby": (22, 23),
    "thunderstorm": (286, 287, 288),
}


def test_published_weights_hear_what_is_in_a_clip(shared_data: Path, shared_weights: Path) -> None:
    extractor = build_extractor({"type": "efficientat_mn04", "outputs": ["logits"]}, shared_weights)
    clips = [clip for clip in load_corpus("esc50", shared_data / "esc50") if clip.fold == 1]
    right, count = 0, 0
    for fine, numbers in HEARD.items():
        chosen = [clip for clip in clips if clip.fine == fine][:4]
        assert len(chosen) == 4, fine
        logits = extractor.extract([clip_samples(clip, 32000)[:, 0] for clip in chosen], 32000)
        right += sum(int(np.argmax(row)) in numbers for row in logits)
        count += len(chosen)
    assert right >= 0.75 * count, f"{right} of {count}"
