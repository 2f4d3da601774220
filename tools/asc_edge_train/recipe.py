"""Recipes: everything that a training run depends on beside the data, in one TOML file."""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import dataclass, field, fields, replace
from importlib import resources
from pathlib import Path
from typing import Any

from asc_edge.errors import ConfigError
from asc_edge.frontend import LogMelConfig
from asc_edge_train.training_config import TrainingConfig

__all__ = [
    "CorpusConfig",
    "FusionConfig",
    "Mapping",
    "MemberConfig",
    "Recipe",
    "RoomConfig",
    "TrainingConfig",
    "load_recipe",
    "recipe_names",
]


@dataclass(frozen=True, kw_only=True)
class CorpusConfig:
    """One data set: its layout and its folder under ``--data``."""

    layout: str
    folder: str


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
    """Extra training variants of every clip: another room, level and noise."""

    count: int = 0
    folder: str = ""
    licences: list[str] = field(default_factory=list)
    level_db: list[float] = field(default_factory=lambda: [-20.0, 0.0])
    noise_db: list[float] = field(default_factory=lambda: [-60.0, -30.0])


@dataclass(frozen=True, kw_only=True)
class MemberConfig:
    """One member of the fusion: a network, what it is trained on, and what it answers."""

    name: str
    kind: str
    target: str
    front_end: str
    floor_db: float
    network: dict[str, Any]
    training: TrainingConfig


@dataclass(frozen=True, kw_only=True)
class FusionConfig:
    """The linear SVMs: grid of C, ``class_weight`` (none, balanced), and the prior of the posteriors."""

    c_grid: list[float]
    class_weight: str = "none"
    prior: str = "data"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A whole recipe; see ``recipes/home.toml`` for what each field is for."""

    name: str
    version: str
    summary: str
    labels: tuple[str, ...]
    labels_not_covered: tuple[str, ...]
    metric: str
    sample_rate_hz: int
    window_s: float
    hop_s: float
    silence_db: float
    folds: int
    seed: int
    licences: tuple[str, ...]
    protocol: str
    caveats: tuple[str, ...]
    front_ends: dict[str, LogMelConfig]
    corpora: tuple[CorpusConfig, ...]
    mappings: dict[str, Mapping]
    fine_names: dict[str, str]
    room_variants: RoomConfig
    members: tuple[MemberConfig, ...]
    fusion: FusionConfig
    clips_per_class_and_fold: int = 0
    smoke: dict[str, Any] = field(default_factory=dict)

    def for_smoke(self) -> Recipe:
        """The same recipe with few clips, few epochs and small networks, to see that every stage works."""
        smoke = self.smoke
        members = []
        for member in self.members:
            training = replace(
                member.training,
                epochs=int(smoke.get("epochs", 1)),
                samples_per_epoch=int(smoke.get("samples_per_epoch", 64)),
                batch=min(member.training.batch, 16),
                autocast="none",
            )
            network = dict(member.network)
            network["filters"] = smoke.get("filters", {}).get(member.name, network["filters"])
            if "gru_size" in network:
                network["gru_size"] = 8
            members.append(replace(member, training=training, network=network))
        fusion = replace(self.fusion, c_grid=list(smoke.get("c_grid", self.fusion.c_grid[-2:])))
        limit = int(smoke.get("clips_per_class_and_fold", 3))
        return replace(self, members=tuple(members), fusion=fusion, clips_per_class_and_fold=limit)


def recipe_names() -> list[str]:
    """Names of the recipes that ship."""
    return sorted(Path(entry.name).stem for entry in _shipped().iterdir() if entry.name.endswith(".toml"))


def load_recipe(name_or_path: str) -> Recipe:
    """Read a recipe that ships, by name, or any TOML file, by path.

    Raises
    ------
    ConfigError
        When there is none, or it names something unknown.
    """
    path = Path(name_or_path)
    if path.suffix == ".toml":
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: recipe can't be read: {error}") from None
    elif name_or_path in recipe_names():
        text = (_shipped() / f"{name_or_path}.toml").read_text(encoding="utf-8")
    else:
        known = ", ".join(recipe_names())
        raise ConfigError(f"there is no recipe {name_or_path!r}; known are {known}, or give a .toml file")
    try:
        return parse_recipe(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name_or_path}: not valid TOML: {error}") from None


def parse_recipe(values: dict[str, Any]) -> Recipe:
    """Recipe from parsed TOML.

    Raises
    ------
    ConfigError
        For unknown or missing fields, labels, members and front ends.
    """
    values = dict(values)
    for name in ("labels", "labels_not_covered", "licences", "caveats"):
        values[name] = tuple(values.get(name, ()))
    values["front_ends"] = {k: LogMelConfig.from_dict(v) for k, v in values.get("front_ends", {}).items()}
    values["corpora"] = tuple(_build(CorpusConfig, v, "corpora") for v in values.get("corpora", ()))
    values["mappings"] = {
        k: _build(Mapping, v, f"mappings.{k}") for k, v in values.get("mappings", {}).items()
    }
    values["room_variants"] = _build(RoomConfig, values.get("room_variants", {}), "room_variants")
    values["fusion"] = _build(FusionConfig, values.get("fusion", {}), "fusion")
    values["members"] = tuple(_member(v) for v in values.get("members", ()))
    values.setdefault("fine_names", {})
    recipe: Recipe = _build(Recipe, values, "recipe")
    _check(recipe)
    return recipe


def fingerprint(*parts: Any) -> str:
    """SHA-256 of values that JSON or ``repr`` can write: what a stage's result depends on."""
    text = json.dumps(parts, sort_keys=True, default=repr)
    return hashlib.sha256(text.encode()).hexdigest()


def _shipped() -> Any:
    return resources.files("asc_edge_train.recipes")


def _member(values: dict[str, Any]) -> MemberConfig:
    values = dict(values)
    where = f"members.{values.get('name', '?')}"
    values["training"] = _build(TrainingConfig, values.get("training", {}), f"{where}.training")
    member: MemberConfig = _build(MemberConfig, values, where)
    return member


def _build(kind: type, values: dict[str, Any], where: str) -> Any:
    known = {f.name for f in fields(kind)}
    unknown = sorted(values.keys() - known)
    if unknown:
        raise ConfigError(f"{where}: unknown field {unknown[0]!r}; known are {', '.join(sorted(known))}")
    try:
        return kind(**values)
    except TypeError as error:
        raise ConfigError(f"{where}: {error}") from None


def _check(recipe: Recipe) -> None:
    if list(recipe.labels) != sorted(set(recipe.labels)) or len(recipe.labels) < 2:
        raise ConfigError(f"recipe {recipe.name}: labels must be two or more, sorted, each once")
    if recipe.folds < 2:
        raise ConfigError(f"recipe {recipe.name}: folds must be 2 or more")
    if not recipe.members:
        raise ConfigError(f"recipe {recipe.name}: has no member")
    for layout, mapping in recipe.mappings.items():
        targets = {*mapping.labels.values(), *([mapping.default] if mapping.default else [])}
        unknown = sorted(targets - set(recipe.labels))
        if unknown:
            raise ConfigError(f"mappings.{layout}: {unknown[0]!r} is not a label of recipe {recipe.name}")
    for member in recipe.members:
        if member.front_end not in recipe.front_ends:
            raise ConfigError(f"members.{member.name}: there is no front end {member.front_end!r}")
        if (member.kind, member.target) not in {("posterior", "label"), ("embedding_svm", "fine")}:
            raise ConfigError(
                f"members.{member.name}: kind and target must be posterior/label or embedding_svm/fine"
            )
        if member.floor_db >= 0:
            raise ConfigError(f"members.{member.name}: floor_db must be below 0")
    if recipe.fusion.class_weight not in {"none", "balanced"} or recipe.fusion.prior not in {
        "data",
        "uniform",
    }:
        raise ConfigError("fusion: class_weight is none or balanced, prior is data or uniform")
