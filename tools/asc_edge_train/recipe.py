"""Recipes: everything that a training run depends on beside the data, in one TOML file."""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import fields
from importlib import resources
from pathlib import Path
from typing import Any

from asc_edge.errors import ConfigError
from asc_edge.frontend import LogMelConfig
from asc_edge_train.recipe_checks import check_recipe
from asc_edge_train.recipe_schema import (
    AblationConfig,
    CorpusConfig,
    FusionConfig,
    Mapping,
    MemberConfig,
    Recipe,
    RoomConfig,
    ScenesConfig,
    SystemConfig,
    TeachingConfig,
    TrainingConfig,
    VariantConfig,
)

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
    "fingerprint",
    "load_recipe",
    "parse_recipe",
    "recipe_names",
]


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
    if path.suffix != ".toml":
        if name_or_path not in recipe_names():
            known = ", ".join(recipe_names())
            raise ConfigError(f"there is no recipe {name_or_path!r}; known are {known}, or give a .toml file")
        with resources.as_file(_shipped() / f"{name_or_path}.toml") as shipped:
            return parse_recipe(_read_toml(shipped))
    return parse_recipe(_read_toml(path))


def _read_toml(path: Path) -> dict[str, Any]:
    """Values of a recipe file, with the parts that it includes: lists and tables of parts come first."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: recipe can't be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None
    for name in reversed(values.pop("include", [])):
        with resources.as_file(_shipped() / "parts" / f"{name}.toml") as shipped:
            part = _read_toml(path.parent / name if str(name).endswith(".toml") else shipped)
        values = _merged(part, values)
    return values


def _merged(part: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """A part under a recipe: lists of tables end to end, tables field by field, else what the recipe says."""
    merged = dict(part)
    for key, value in own.items():
        below = part.get(key)
        if isinstance(value, dict) and isinstance(below, dict):
            merged[key] = _merged(below, value)
        elif isinstance(value, list) and isinstance(below, list) and below and isinstance(below[0], dict):
            merged[key] = [*below, *value]
        else:
            merged[key] = value
    return merged


def parse_recipe(values: dict[str, Any]) -> Recipe:
    """Recipe from parsed TOML.

    Raises
    ------
    ConfigError
        For unknown or missing fields, labels, members and front ends.
    """
    values = dict(values)
    if values.get("labels") == "classes":
        values["labels"] = ()
    for name in (
        "labels",
        "labels_not_covered",
        "licences",
        "caveats",
        "evaluation_folds",
        "reference",
        "speed_variants",
    ):
        values[name] = tuple(values.get(name, ()))
    values["front_ends"] = {k: LogMelConfig.from_dict(v) for k, v in values.get("front_ends", {}).items()}
    values["corpora"] = tuple(_build(CorpusConfig, v, "corpora") for v in values.get("corpora", ()))
    values["mappings"] = {
        k: _build(Mapping, v, f"mappings.{k}") for k, v in values.get("mappings", {}).items()
    }
    values["room_variants"] = _build(RoomConfig, values.get("room_variants", {}), "room_variants")
    values["scenes"] = _build(ScenesConfig, values.get("scenes", {}), "scenes")
    values["fusion"] = _build(FusionConfig, values.get("fusion", {}), "fusion")
    trainings = values.pop("trainings", {})
    members = enumerate(values.get("members", ()))
    values["members"] = tuple(_member({"number": number, **v}, trainings) for number, v in members)
    values["fusions"] = tuple(_build(SystemConfig, v, "fusions") for v in values.get("fusions", ()))
    if values.get("ablation") is not None:
        values["ablation"] = _ablation(values["ablation"])
    recipe: Recipe = _build(Recipe, values, "recipe")
    check_recipe(recipe)
    return recipe


def fingerprint(*parts: Any) -> str:
    """SHA-256 of values that JSON or ``repr`` can write: what a stage's result depends on."""
    text = json.dumps(parts, sort_keys=True, default=repr)
    return hashlib.sha256(text.encode()).hexdigest()


def _shipped() -> Any:
    return resources.files("asc_edge_train.recipes")


def _member(values: dict[str, Any], trainings: dict[str, Any]) -> MemberConfig:
    """A member; ``training`` may be the name of a table under ``[trainings]`` that several members share.

    Or a table of its own, whose ``base`` is such a name: then it says what is different.
    """
    values = dict(values)
    where = f"members.{values.get('name', '?')}"
    training = values.pop("training", None)
    if training is not None:
        own = {"base": training} if isinstance(training, str) else dict(training)
        base = own.pop("base", None)
        if base is not None and base not in trainings:
            raise ConfigError(f"{where}: there is no [trainings.{base}]")
        training = {**trainings.get(base, {}), **own}
    if values.get("teaching") is not None:
        values["teaching"] = _build(TeachingConfig, values["teaching"], f"{where}.teaching")
    if training is not None:
        values["training"] = _build(TrainingConfig, training, f"{where}.training")
    member: MemberConfig = _build(MemberConfig, values, where)
    return member


def _ablation(values: dict[str, Any]) -> AblationConfig:
    variants = tuple(_build(VariantConfig, v, "ablation.variants") for v in values.get("variants", ()))
    config: AblationConfig = _build(AblationConfig, {**values, "variants": variants}, "ablation")
    return config


def _build(kind: type, values: dict[str, Any], where: str) -> Any:
    known = {f.name for f in fields(kind)}
    unknown = sorted(values.keys() - known)
    if unknown:
        raise ConfigError(f"{where}: unknown field {unknown[0]!r}; known are {', '.join(sorted(known))}")
    try:
        return kind(**values)
    except (ConfigError, TypeError) as error:
        raise ConfigError(f"{where}: {error}") from None
