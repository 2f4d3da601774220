"""Frozen networks of other authors on their way into a bundle: what they hear, and whose they are.

A frozen network is the same for all folds. What a fold has of its own is the SVM behind it, and the clips
that its 8-bit version is calibrated on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn

from asc_edge.frontend import LogMelConfig, log_mel
from asc_edge.images import network_images
from asc_edge_train.clips import Clip
from asc_edge_train.extractors import Extractor, build_extractor
from asc_edge_train.extractors.base import DeviceNetwork
from asc_edge_train.models import parameter_count
from asc_edge_train.models.cost import operation_count
from asc_edge_train.networks import ALL_FOLDS, HeldOut, NetworkTask, fold_name, load_answers
from asc_edge_train.recipe import MemberConfig, fingerprint
from asc_edge_train.run import Run, frozen_embedding
from asc_edge_train.sound import clip_samples, window_samples

__all__ = [
    "FrozenTask",
    "ShippedTask",
    "answers_of",
    "foreign_networks",
    "front_end_names",
    "frozen_costs",
    "frozen_task",
]


@dataclass(frozen=True)
class FrozenTask(HeldOut):
    """A frozen member's network as it stands for a fold, beside `NetworkTask`.

    Attributes
    ----------
    member : MemberConfig
    fold : int
        Fold that its SVM never heard, or ``ALL_FOLDS``.
    folds : ndarray of int
        Fold of every clip of the table; fold 0 is the evaluation part.
    clips : tuple of Clip
        The table.
    channels : {"mono", "per_channel"}
    window_s : float
        Of the device: all that it hears of a clip at a time.
    network : DeviceNetwork
    embedding_path : Path
        Array (clips, outputs): what the extractor made of the whole clips.
    seed : list of int
    key, network_key : str
        What its answers depend on, and what the network alone does.
    """

    member: MemberConfig
    fold: int
    folds: np.ndarray
    clips: tuple[Clip, ...]
    channels: str
    window_s: float
    extractor: Extractor
    network: DeviceNetwork
    embedding_path: Path
    seed: list[int]
    key: str
    network_key: str

    @property
    def name(self) -> str:
        return f"{self.member.name}-{fold_name(self.fold)}"

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of what the network is fed for one window."""
        return self.network.shape(round(self.window_s * self.network.front_end.sample_rate_hz))

    def heard(self, row: int) -> np.ndarray:
        """What the device's network is fed of a clip's first window, (channels, *shape), float32."""
        config, image = self.network.front_end, self.network.image
        samples = clip_samples(self.clips[row], config.sample_rate_hz, self.channels)
        cells = log_mel(window_samples(samples, config.sample_rate_hz, self.window_s), config)
        if image is None:
            return np.ascontiguousarray(cells[:, None])
        assert self.network.colours is not None
        return network_images(cells, image, self.network.colours)

    def module(self) -> nn.Module:
        return self.extractor.device_module()


ShippedTask = NetworkTask | FrozenTask


def frozen_task(run: Run, member: MemberConfig, fold: int = ALL_FOLDS) -> FrozenTask:
    """A frozen member of a run for a fold.

    Raises
    ------
    ConfigError
        When no device can compute it.
    """
    recipe = run.recipe
    extractor = build_extractor(member.extractor, run.options.weights)
    network = extractor.for_device(recipe.sample_rate_hz, recipe.window_s)
    embedding, embedding_key = frozen_embedding(run, member)
    assert isinstance(embedding, np.memmap)
    image = None if network.image is None else network.image.to_dict()
    described = (extractor.key, network.front_end.to_dict(), image, recipe.window_s)
    seed = [run.seed, member.number, fold]
    folds = np.array([clip.fold for clip in run.clips])
    return FrozenTask(
        member=member,
        fold=fold,
        folds=folds,
        clips=tuple(run.clips),
        channels=recipe.channels,
        window_s=recipe.window_s,
        extractor=extractor,
        network=network,
        embedding_path=Path(str(embedding.filename)),
        seed=seed,
        key=fingerprint(described, embedding_key, fold, folds.tolist(), seed),
        network_key=fingerprint(described),
    )


def answers_of(task: ShippedTask) -> np.ndarray:
    """What a task's network, as it was run, made of every clip: (clips, outputs)."""
    if isinstance(task, FrozenTask):
        embedding: np.ndarray = np.load(task.embedding_path, mmap_mode="r", allow_pickle=False)
        return embedding
    return load_answers(task)["answers"]


def frozen_costs(task: FrozenTask) -> dict[str, int]:
    """``parameters`` and ``multiply_accumulates`` of a window."""
    module = task.module()
    return {
        "parameters": parameter_count(module),
        "multiply_accumulates": operation_count(module, task.shape),
    }


def front_end_names(
    known: Mapping[str, LogMelConfig], tasks: Sequence[ShippedTask]
) -> dict[str, tuple[str, LogMelConfig]]:
    """Of each frozen member the name and configuration of its front end in a bundle; equal ones share a name.

    Parameters
    ----------
    known : mapping
        The recipe's front ends.
    """
    named = dict(known)
    names = {}
    for task in tasks:
        if isinstance(task, FrozenTask):
            config = task.network.front_end
            name = next((name for name, other in named.items() if other == config), task.member.name)
            while named.get(name, config) != config:
                name += "-frozen"
            named[name] = config
            names[task.member.name] = (name, config)
    return names


def foreign_networks(run: Run, system: str) -> list[str]:
    """Sentences on the networks of a fusion that hold other people's weights, or began as those."""
    fusion = next(fusion for fusion in run.recipe.fusions if fusion.name == system)
    sentences = []
    for member in (run.recipe.member(name) for name in fusion.members):
        if member.trained:
            weights = member.network.get("weights")
            said = f"began as somebody else's network: {Path(weights).name}" if weights else ""
        else:
            extractor = build_extractor(member.extractor, run.options.weights)
            credit = extractor.for_device(run.recipe.sample_rate_hz, run.recipe.window_s).credit
            said = f"is somebody else's network: {credit}" if credit else ""
        if said:
            sentences.append(f"Member {member.name} {said}, under its makers' licence.")
    return sentences
