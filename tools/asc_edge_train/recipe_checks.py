"""What a recipe must not contradict itself in."""

from __future__ import annotations

from collections import Counter

from asc_edge.errors import ConfigError
from asc_edge_train.recipe_schema import MemberConfig, Recipe

__all__ = ["check_recipe"]

# What can be exported, and what the device can feed.
_SHIPPED_NETWORKS = {"crnn", "cnn", "efficientat_mn", "stream_cnn"}
# Variants of each clip, and rooms of each kind; an array takes seconds to simulate.
_MOST_ROOMS = {"count": 100, "simulated": 1000, "arrays": 1000}


def check_recipe(recipe: Recipe) -> None:
    """Refuse a recipe that can't be run.

    Raises
    ------
    ConfigError
        One line: which part, what is wrong, what would be right.
    """
    where = f"recipe {recipe.name}"
    if recipe.labels and (list(recipe.labels) != sorted(set(recipe.labels)) or len(recipe.labels) < 2):
        raise ConfigError(f'{where}: labels must be two or more, sorted, each once, or "classes"')
    if recipe.folds < 2:
        raise ConfigError(f"{where}: folds must be 2 or more")
    if recipe.metric not in {"macro_f1", "accuracy"}:
        raise ConfigError(f"{where}: metric is macro_f1 or accuracy, not {recipe.metric!r}")
    if recipe.channels not in {"mono", "per_channel"}:
        raise ConfigError(f"{where}: channels is mono or per_channel, not {recipe.channels!r}")
    if any(fold <= recipe.folds for fold in recipe.evaluation_folds):
        raise ConfigError(f"{where}: evaluation_folds must lie beyond the {recipe.folds} folds")
    if any(not 0.5 <= speed <= 2.0 or speed == 1.0 for speed in recipe.speed_variants):
        raise ConfigError(f"{where}: speed_variants lie between 0.5 and 2, and are not 1")
    if not recipe.members:
        raise ConfigError(f"{where}: has no member")
    if recipe.fusion.class_weight not in {"none", "balanced"}:
        raise ConfigError(f"fusion: class_weight is none or balanced, not {recipe.fusion.class_weight!r}")
    if recipe.fusion.prior not in {"data", "uniform"}:
        raise ConfigError(f"fusion: prior is data or uniform, not {recipe.fusion.prior!r}")
    _check_protocol(recipe)
    _check_rooms(recipe)
    _check_scenes(recipe)
    for member in recipe.members:
        _check_member(recipe, member)
    _check_fusions(recipe)
    _check_ablation(recipe)


def _check_protocol(recipe: Recipe) -> None:
    where = f"recipe {recipe.name}"
    if recipe.labels:
        _check_mappings(recipe)
    if recipe.split not in {"folds", "recordist", "corpus"}:
        raise ConfigError(f"{where}: split is folds, recordist or corpus, not {recipe.split!r}")
    if recipe.unknown_recall and not 0.5 <= recipe.unknown_recall < 1.0:
        raise ConfigError(f"{where}: unknown_recall is 0, or from 0.5 to below 1")


def _check_rooms(recipe: Recipe) -> None:
    rooms = recipe.room_variants
    for name, most in _MOST_ROOMS.items():
        if not 0 <= getattr(rooms, name) <= most:
            raise ConfigError(f"room_variants: {name} lies in 0 to {most}")
    for name in ("level_db", "noise_db"):
        limits = getattr(rooms, name)
        if len(limits) != 2 or not -120.0 <= limits[0] <= limits[1] <= 0.0:
            raise ConfigError(f"room_variants: {name} is the least and the greatest, from -120 to 0")
    if rooms.count and not (rooms.folder or rooms.simulated or rooms.arrays):
        raise ConfigError("room_variants: count needs rooms: a folder, simulated ones or arrays")


def _check_scenes(recipe: Recipe) -> None:
    scenes = recipe.scenes
    if min(scenes.absence, scenes.social_activity, scenes.watching_tv, scenes.rooms) < 0:
        raise ConfigError("scenes: counts are 0 or more")
    unknown = sorted(set(scenes.counts) - set(recipe.labels))
    if unknown:
        raise ConfigError(f"scenes: {unknown[0]!r} is not a label of recipe {recipe.name}")
    if len(scenes.voices) != 2 or not 2 <= scenes.voices[0] <= scenes.voices[1] <= 6:
        raise ConfigError("scenes: voices are fewest and most, from 2 to 6")
    if scenes.social_activity and not scenes.rooms:
        raise ConfigError("scenes: social_activity needs rooms, 1 or more, for its voices' places")
    for name, (low, high) in (("level_db", scenes.level_db), ("quiet_db", scenes.quiet_db)):
        if not -90.0 <= low <= high <= -6.0:
            raise ConfigError(f"scenes: {name} lies in -90 to -6 dB of full scale, low before high")


def _check_mappings(recipe: Recipe) -> None:
    for layout, mapping in recipe.mappings.items():
        targets = {*mapping.labels.values(), *([mapping.default] if mapping.default else [])}
        unknown = sorted(targets - set(recipe.labels))
        if unknown:
            raise ConfigError(f"mappings.{layout}: {unknown[0]!r} is not a label of recipe {recipe.name}")


def _check_member(recipe: Recipe, member: MemberConfig) -> None:
    where = f"members.{member.name}"
    if member.kind == "features":
        if not member.extractor or member.network or member.training:
            raise ConfigError(
                f"{where}: a member of kind features has an extractor, and no network or training"
            )
        return
    if (member.kind, member.target) not in {("posterior", "label"), ("embedding_svm", "fine")}:
        raise ConfigError(f"{where}: kind and target must be posterior/label or embedding_svm/fine")
    if member.extractor or member.training is None or not member.network:
        raise ConfigError(f"{where}: a trained member needs a network and a training, and no extractor")
    if member.front_end not in recipe.front_ends:
        raise ConfigError(f"{where}: there is no front end {member.front_end!r}")
    _check_input(recipe, member)
    if member.final not in {"refit", "fold_mean"}:
        raise ConfigError(f"{where}: final is refit or fold_mean, not {member.final!r}")
    if member.final == "fold_mean" and member.kind != "posterior":
        raise ConfigError(f"{where}: only posteriors can be averaged over fold networks")
    if member.repeats < 1 or (member.repeats > 1 and member.kind != "posterior"):
        raise ConfigError(f"{where}: repeats is 1 or more, and only posteriors can be averaged")
    _check_teaching(recipe, member)
    unknown = sorted(name for name in member.grid if not hasattr(member.training, name))
    if unknown:
        raise ConfigError(f"{where}: grid names the unknown training field {unknown[0]!r}")


def _check_input(recipe: Recipe, member: MemberConfig) -> None:
    where = f"members.{member.name}"
    if member.input not in {"picture", "frames", "level"}:
        raise ConfigError(f"{where}: input is picture, frames or level, not {member.input!r}")
    if member.floor_db is not None and member.floor_db >= 0:
        raise ConfigError(f"{where}: floor_db must be below 0")
    if (member.input == "frames" and member.floor_db is not None) or (
        member.input == "level" and member.floor_db is None
    ):
        raise ConfigError(f"{where}: levels have a floor_db, and bare frames have none")
    if member.input == "level" and not recipe.front_ends[member.front_end].is_plain_db:
        raise ConfigError(f"{where}: levels are drawn from a front end in plain dB that is not centred")
    if member.network.get("type") == "stream_cnn" and member.input != "level":
        raise ConfigError(f'{where}: a stream_cnn is fed levels: input = "level"')


def _check_teaching(recipe: Recipe, student: MemberConfig) -> None:
    teaching, where = student.teaching, f"members.{student.name}.teaching"
    if teaching is None:
        return
    members = {member.name: member for member in recipe.members}
    if not teaching.members:
        raise ConfigError(f"{where}: names no members")
    for name in teaching.members:
        teacher = members.get(name)
        if teacher is None:
            raise ConfigError(f"{where}: there is no member {name!r}")
        if teacher.teaching is not None:
            raise ConfigError(f"{where}: {name!r} is a student itself")
        alike = teacher.kind == "posterior" and student.target == teacher.target
        if teacher.trained and not (alike and teacher.repeats == 1 and not teacher.grid):
            raise ConfigError(
                f"{where}: {name!r} can't teach: a trained teacher is one network that answers in posteriors "
                "of the student's classes"
            )
    if not 0.0 <= teaching.weight <= 1.0 or teaching.temperature <= 0.0 or teaching.c <= 0.0:
        raise ConfigError(f"{where}: weight lies in 0 to 1, temperature and c are above 0")


def _check_fusions(recipe: Recipe) -> None:
    members = {member.name: member for member in recipe.members}
    doubled = [name for name, count in Counter(_system_names(recipe)).items() if count > 1]
    if doubled:
        raise ConfigError(f"recipe {recipe.name}: {doubled[0]!r} names two members or fusions")
    for fusion in recipe.fusions:
        unknown = sorted(set(fusion.members) - members.keys())
        if unknown or not fusion.members:
            what = f"there is no member {unknown[0]!r}" if unknown else "names no members"
            raise ConfigError(f"fusions.{fusion.name}: {what}")
        weights = recipe.fusion_of(fusion).weights
        if weights not in {"per_label", "shared"}:
            raise ConfigError(f"fusions.{fusion.name}: weights is per_label or shared, not {weights!r}")
    if not recipe.ship:
        return
    shipped = [fusion for fusion in recipe.fusions if fusion.name == recipe.ship]
    if not shipped:
        raise ConfigError(f"recipe {recipe.name}: ship names the unknown fusion {recipe.ship!r}")
    if not recipe.licences:
        raise ConfigError(f"recipe {recipe.name}: what ships needs a list of licences to train on")
    if recipe.fusion_of(shipped[0]).weights == "shared":
        raise ConfigError(f"recipe {recipe.name}: the device can't run a fusion of shared weights")
    for name in shipped[0].members:
        # What its extractor can't do on a device, the extractor says.
        if members[name].trained:
            _check_shipped(recipe, members[name])


def _check_shipped(recipe: Recipe, member: MemberConfig) -> None:
    where = f"recipe {recipe.name}"
    fits = member.network.get("type") in _SHIPPED_NETWORKS
    if not fits or member.final != "refit" or member.repeats > 1:
        raise ConfigError(f"{where}: the device can't run member {member.name!r} of what it ships")
    front_end = recipe.front_ends[member.front_end]
    if front_end.sample_rate_hz != recipe.sample_rate_hz:
        raise ConfigError(
            f"{where}: member {member.name!r} of what it ships hears {front_end.sample_rate_hz} Hz "
            f"where the device hears the recipe's {recipe.sample_rate_hz} Hz"
        )
    if member.fed == "picture" and not front_end.is_plain_db:
        raise ConfigError(
            f"{where}: member {member.name!r} of what it ships is fed pictures of a front end that "
            "is centred or not in plain dB, which the device can't draw"
        )


def _check_ablation(recipe: Recipe) -> None:
    if recipe.ablation is None:
        return
    name = recipe.ablation.member
    if not any(member.name == name and member.trained for member in recipe.members):
        raise ConfigError(f"ablation: {name!r} is not a trained member of recipe {recipe.name}")


def _system_names(recipe: Recipe) -> list[str]:
    return [member.name for member in recipe.members] + [fusion.name for fusion in recipe.fusions]
