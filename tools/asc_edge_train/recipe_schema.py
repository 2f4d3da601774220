"""What a recipe is made of: one dataclass per table of its TOML file."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from typing import Any

from asc_edge.frontend import LogMelConfig
from asc_edge_train.training_config import TrainingConfig

__all__ = [
    "AblationConfig",
    "CorpusConfig",
    "FusionConfig",
    "Mapping",
    "MemberConfig",
    "Recipe",
    "RoomConfig",
    "ScenesConfig",
    "SystemConfig",
    "TeachingConfig",
    "TrainingConfig",
    "VariantConfig",
]


@dataclass(frozen=True, kw_only=True)
class CorpusConfig:
    """One data set: its layout, its folder under ``--data``, and what its loader is told beside."""

    layout: str
    folder: str
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Mapping:
    """From a corpus's classes to the bundle's labels; without ``default``, unnamed classes are left out."""

    labels: dict[str, str] = field(default_factory=dict)
    default: str = ""
    exclude: list[str] = field(default_factory=list)

    def label_of(self, fine: str, known: tuple[str, ...]) -> str | None:
        """Label of a class, or None where its clips are left out. A class that is a label maps to itself."""
        if fine in self.exclude:
            return None
        return self.labels.get(fine) or self.default or (fine if fine in known else None)


@dataclass(frozen=True, kw_only=True)
class RoomConfig:
    """Extra training variants of every clip: another room, level and noise.

    Rooms are the measured responses of ``folder``, and ``simulated`` ones of seeded size and reverberation.
    ``arrays`` more are simulated arrays in rooms: a variant is one of their channels, with a microphone's own
    gain, response, offset, noise and converter (`asc_edge_train.arrays.ArrayConfig`).
    """

    count: int = 0
    simulated: int = 0
    arrays: int = 0
    folder: str = ""
    licences: list[str] = field(default_factory=list)
    level_db: list[float] = field(default_factory=lambda: [-20.0, 0.0])
    noise_db: list[float] = field(default_factory=lambda: [-60.0, -30.0])

    def described(self) -> dict[str, Any]:
        """What variants depend on; without arrays the same as before there were any."""
        return {name: value for name, value in vars(self).items() if name != "arrays" or value}


@dataclass(frozen=True, kw_only=True)
class ScenesConfig:
    """Clips that are simulated from real pieces, for labels that nobody recorded.

    Attributes
    ----------
    absence, social_activity, watching_tv : int
        How many of each label.
    folder : str
        Under ``--data``: the sets that pieces are taken from, beside their ``manifest.csv``.
    rooms : int
        Simulated rooms of each fold, beside the measured ones.
    voices : list of int
        Fewest and most in a scene of ``social_activity``.
    level_db, quiet_db : list of float
        RMS in dB of full scale: of sounds, and of empty rooms.
    """

    absence: int = 0
    social_activity: int = 0
    watching_tv: int = 0
    folder: str = "home_extra"
    rooms: int = 6
    voices: list[int] = field(default_factory=lambda: [2, 5])
    level_db: list[float] = field(default_factory=lambda: [-45.0, -12.0])
    quiet_db: list[float] = field(default_factory=lambda: [-70.0, -45.0])

    @property
    def counts(self) -> dict[str, int]:
        """How many scenes of every label that has some."""
        labels = ("absence", "social_activity", "watching_tv")
        return {label: getattr(self, label) for label in labels if getattr(self, label)}


@dataclass(frozen=True, kw_only=True)
class TeachingConfig:
    """Who teaches a student, and how much it listens.

    Attributes
    ----------
    members : list of str
        Teachers: frozen members, or trained ones with the student's target that answer in posteriors.
    weight : float
        Share of the teachers' posteriors in what the student learns; the rest is the label.
    temperature : float
        Above 1, what the teachers hold for unlikely counts for more.
    c : float
        Of the logistic regression that makes posteriors of a frozen teacher's embedding.
    own_clips : bool
        Whether that regression has also heard the clip that it speaks of. What it says is then right more
        often, and says less of what it couldn't have known. It never hears the student's held-out fold.
    """

    members: list[str]
    weight: float = 0.7
    temperature: float = 2.0
    c: float = 0.01
    own_clips: bool = False


@dataclass(frozen=True, kw_only=True)
class MemberConfig:
    """One member of the fusion: what it looks at, what it is trained on, and what it answers.

    Attributes
    ----------
    kind : {"posterior", "embedding_svm", "features"}
        A trained network that ends in posteriors; a trained network whose embedding a linear SVM scores; a
        frozen network of somebody else (``extractor``) whose embedding a linear SVM scores.
    target : {"label", "fine"}
        What a trained network is trained to tell apart.
    floor_db : float, optional
        Floor of the picture below the window's maximum, or of levels, absolute. Without one the network is
        fed the bare frames.
    input : {"picture", "frames", "level"}
        What a trained network is fed; see `asc_edge.manifest.MemberSpec`. A picture without a floor is bare
        frames.
    final : {"refit", "fold_mean"}
        Who answers for the evaluation part: a network trained on all folds, or the mean of the fold networks
        (as the paper does for its CRNN).
    grid : dict of list
        Values of ``training`` fields to choose from by the folds: learning rates and batch sizes, say.
    optional : bool
        Leave the member out, saying so, where its weight file isn't there.
    repeats : int
        Networks of different seeds whose posteriors are averaged: better answers at so many times the cost.
    half_precision : bool
        Round a trained network's weights to 16 bits before it answers, and keep them so: half the bytes.
    teaching : TeachingConfig, optional
        Other members that this one also learns from.
    number : int
        Which member of the recipe it is: its networks' seed, whichever other members are left out.
    """

    name: str
    kind: str
    target: str = "label"
    title: str = ""
    front_end: str = ""
    floor_db: float | None = None
    input: str = "picture"
    network: dict[str, Any] = field(default_factory=dict)
    training: TrainingConfig | None = None
    grid: dict[str, list[Any]] = field(default_factory=dict)
    final: str = "refit"
    extractor: dict[str, Any] = field(default_factory=dict)
    optional: bool = False
    repeats: int = 1
    half_precision: bool = False
    teaching: TeachingConfig | None = None
    number: int = 0

    @property
    def trained(self) -> bool:
        return self.kind != "features"

    @property
    def fed(self) -> str:
        """What the network is fed in fact: ``picture``, ``frames`` or ``level``."""
        return "frames" if self.floor_db is None else self.input

    def points(self) -> list[MemberConfig]:
        """The member at every point of its grid; only itself where it has none."""
        names = sorted(self.grid)
        points = []
        for values in itertools.product(*(self.grid[name] for name in names)):
            assert self.training is not None
            chosen = replace(self.training, **dict(zip(names, values, strict=True)))
            points.append(replace(self, training=chosen, grid={}))
        return points if names else [self]


@dataclass(frozen=True, kw_only=True)
class SystemConfig:
    """A late fusion: the members that go into it, and ``weights`` where they aren't the recipe's."""

    name: str
    members: list[str]
    title: str = ""
    weights: str = ""


@dataclass(frozen=True, kw_only=True)
class FusionConfig:
    """The linear SVMs.

    Attributes
    ----------
    c_grid : list of float
    class_weight : {"none", "balanced"}
    prior : {"data", "uniform"}
        Of the fused posteriors.
    weights : {"per_label", "shared"}
        Of fusions: one for every pair of a member's output and a label, as in the paper; or one per member,
        on decision values and logarithms of posteriors.
    """

    c_grid: list[float]
    class_weight: str = "none"
    prior: str = "data"
    weights: str = "per_label"


@dataclass(frozen=True, kw_only=True)
class VariantConfig:
    """One line of an ablation: fields of the member's tables, and of the recipe, to change."""

    name: str
    teaching: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    network: dict[str, Any] = field(default_factory=dict)
    recipe: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class AblationConfig:
    """Which member is trained again and again.

    ``training`` and ``network`` change all variants: fewer epochs and a narrower network, say, where the
    member itself would take too long.
    """

    member: str
    variants: tuple[VariantConfig, ...]
    training: dict[str, Any] = field(default_factory=dict)
    network: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A whole recipe; see ``recipes/home.toml`` and ``recipes/esc50.toml`` for what each field is for.

    Attributes
    ----------
    labels : tuple of str
        What is told apart; empty (``"classes"`` in the file) for all classes of the corpora.
    metric : {"macro_f1", "accuracy"}
        What everything is chosen by.
    fold_average : bool
        Report the development part as the mean of the folds' figures (DCASE 2018 task 5), not of all clips.
    evaluation_folds : tuple of int
        Folds that are scored once, at the end. Other folds beyond ``folds`` are left out altogether.
    channels : {"mono", "per_channel"}
        The mean of the microphones, or every microphone as an example of its own, with answers averaged.
    speed_variants : tuple of float
        Extra training variants of every clip: played so many times as fast, with the pitch changed as much.
    licences : tuple of str
        Families of licences that may be trained on; empty for any, and then nothing is shipped.
    split : {"folds", "recordist", "corpus"}
        What is held out at a time: a fold of recordings, or all that one person recorded, or a whole corpus.
        The latter two ship nothing.
    unknown_recall : float
        Share of clips, out of fold, that must pass for known: the bundle then tells below which posterior a
        sound is unknown. 0 for no such threshold.
    ship : str
        The fusion that goes into the bundle; empty for none.
    """

    name: str
    version: str
    summary: str
    labels: tuple[str, ...]
    metric: str
    sample_rate_hz: int
    window_s: float
    folds: int
    seed: int
    protocol: str
    front_ends: dict[str, LogMelConfig]
    corpora: tuple[CorpusConfig, ...]
    members: tuple[MemberConfig, ...]
    fusion: FusionConfig
    fusions: tuple[SystemConfig, ...]
    room_variants: RoomConfig
    scenes: ScenesConfig = field(default_factory=ScenesConfig)
    labels_not_covered: tuple[str, ...] = ()
    fold_average: bool = False
    evaluation_folds: tuple[int, ...] = ()
    channels: str = "mono"
    speed_variants: tuple[float, ...] = ()
    hop_s: float = 1.0
    silence_db: float = -75.0
    licences: tuple[str, ...] = ()
    caveats: tuple[str, ...] = ()
    mappings: dict[str, Mapping] = field(default_factory=dict)
    fine_names: dict[str, str] = field(default_factory=dict)
    ship: str = ""
    reference: tuple[dict[str, Any], ...] = ()
    ablation: AblationConfig | None = None
    split: str = "folds"
    unknown_recall: float = 0.0
    clips_per_class_and_fold: int = 0
    smoke: dict[str, Any] = field(default_factory=dict)

    def member(self, name: str) -> MemberConfig:
        return next(member for member in self.members if member.name == name)

    def fusion_of(self, system: SystemConfig) -> FusionConfig:
        """How a fusion is fitted: as the recipe says, but for what the fusion itself says."""
        return replace(self.fusion, weights=system.weights or self.fusion.weights)

    def without(self, absent: set[str]) -> Recipe:
        """The recipe without some members, and without the fusions that name them.

        A student goes on with the teachers that are left, and without any it learns from labels alone.
        """
        members = tuple(
            _without_teachers(member, absent) for member in self.members if member.name not in absent
        )
        fusions = tuple(fusion for fusion in self.fusions if not absent & set(fusion.members))
        return replace(self, members=members, fusions=fusions)

    def for_smoke(self) -> Recipe:
        """The same recipe with few clips, few epochs and small networks, to see that every stage works."""
        smoke = self.smoke
        kept = self.without(set(smoke.get("without", ())))
        members = tuple(_smoke_member(member, smoke) for member in kept.members)
        fusion = replace(self.fusion, c_grid=list(smoke.get("c_grid", self.fusion.c_grid[-2:])))
        limit = int(smoke.get("clips_per_class_and_fold", 3))
        # A simulated room takes longer than a scene.
        scenes = replace(self.scenes, rooms=min(1, self.scenes.rooms))
        return replace(kept, members=members, fusion=fusion, scenes=scenes, clips_per_class_and_fold=limit)


def _without_teachers(member: MemberConfig, absent: set[str]) -> MemberConfig:
    if member.teaching is None or not absent & set(member.teaching.members):
        return member
    left = [name for name in member.teaching.members if name not in absent]
    return replace(member, teaching=replace(member.teaching, members=left) if left else None)


def _smoke_member(member: MemberConfig, smoke: dict[str, Any]) -> MemberConfig:
    if member.training is None:
        return member
    training = replace(
        member.training,
        epochs=int(smoke.get("epochs", 1)),
        samples_per_epoch=int(smoke.get("samples_per_epoch", 64)),
        batch=min(member.training.batch, 16),
        autocast="none",
    )
    network = dict(member.network)
    filters = smoke.get("filters", {}).get(member.name)
    if filters:
        network["filters"] = filters
    if "gru_size" in network:
        network["gru_size"] = 8
    grid = {name: values[:2] for name, values in member.grid.items() if name != "batch"}
    return replace(member, training=training, network=network, grid=grid)
