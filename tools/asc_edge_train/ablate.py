"""Ablations: a member trained again with one switch changed at a time, on the same folds."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from asc_edge.errors import ConfigError
from asc_edge_train.recipe import Recipe, VariantConfig, parse_recipe
from asc_edge_train.reporting import ablation_table
from asc_edge_train.run import RunOptions, recipe_values
from asc_edge_train.stages import run_recipe
from asc_edge_train.storage import write_text

__all__ = ["ablate", "variant_recipe"]

BASELINE = VariantConfig(name="as it is")


def ablate(recipe: Recipe, options: RunOptions, only: list[str] | None = None) -> list[str]:
    """Run a recipe's ablation and give its table, which is also written to ``ablation.md``.

    Every variant is a run of its own in a folder below ``options.out``. Finished ones are not repeated, and
    all share one cache.

    Parameters
    ----------
    only : list of str, optional
        Names of the variants to run beside the baseline; all by default.

    Raises
    ------
    ConfigError
        When the recipe has no ablation, or no variant of such a name.
    """
    if recipe.ablation is None:
        raise ConfigError(f"recipe {recipe.name} has no [ablation]")
    known = {variant.name: variant for variant in recipe.ablation.variants}
    unknown = sorted(set(only or ()) - known.keys())
    if unknown:
        raise ConfigError(f"recipe {recipe.name}: no variant {unknown[0]!r}; known are {', '.join(known)}")
    folders = []
    for variant in [BASELINE, *(known[name] for name in only or known)]:
        folder = options.out / re.sub(r"[^\w.-]+", "-", variant.name)
        own = replace(options, out=folder, cache=options.cache or options.out / "cache")
        changed = variant_recipe(recipe, variant)
        if folders:
            _take_over(changed, folders[0], folder)
        run_recipe(changed, own)
        folders.append(folder)
    member = recipe.ablation.member
    table = ablation_table(folders, folders[0], [member])
    write_text(options.out / "ablation.md", "\n".join(table) + "\n")
    return table


def _take_over(recipe: Recipe, baseline: Path, folder: Path) -> None:
    """What frozen members came to in the baseline, where no switch has changed it: their stamps tell."""
    (folder / "members").mkdir(parents=True, exist_ok=True)
    for member in recipe.members:
        for path in (baseline / "members").glob(f"{member.name}.*") if not member.trained else ():
            if not (folder / "members" / path.name).exists():
                shutil.copy2(path, folder / "members")


def variant_recipe(recipe: Recipe, variant: VariantConfig) -> Recipe:
    """The ablation's member, and who teaches it, trained as the ablation and the variant say."""
    assert recipe.ablation is not None
    config = recipe.ablation
    teaching = recipe.member(config.member).teaching
    kept = {config.member, *(teaching.members if teaching is not None else ())}
    alone = replace(recipe.without({other.name for other in recipe.members} - kept), ship="", ablation=None)
    values: dict[str, Any] = recipe_values(alone)
    member = next(member for member in values["members"] if member["name"] == config.member)
    if variant.teaching:
        member["teaching"] = {**(member["teaching"] or {}), **variant.teaching}
    member["training"] |= config.training | variant.training
    member["network"] |= config.network | variant.network
    if member["kind"] == "posterior":
        # Only out-of-fold answers are compared: a network of all folds would be trained for nobody.
        member["final"] = "fold_mean"
    # What is scored once, at the end, has no say in which switch is better.
    values |= {"summary": f"{recipe.summary}: {variant.name}", "evaluation_folds": [], **variant.recipe}
    return parse_recipe(values)
