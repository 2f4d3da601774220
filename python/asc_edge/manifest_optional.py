"""What few bundles have in their manifests: a threshold for unknown sounds, a memory to teach with, lessons.

All of it came with schema 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from asc_edge.errors import BundleError
from asc_edge.manifest_members import MemberSpec
from asc_edge.manifest_values import flag, get, names, number

__all__ = ["OPTIONAL_PARTS", "MemorySpec", "read_memory", "read_taught", "read_unknown_below"]

OPTIONAL_PARTS = ("thresholds", "memory", "taught")


@dataclass(frozen=True, slots=True)
class MemorySpec:
    """What is needed to fit SVMs and fusion again: embeddings of training clips, and how it was done.

    Attributes
    ----------
    file : str
        File name inside the bundle; see `asc_edge.teaching.memory`.
    member_c : dict of str to float
        C of each embedding member's SVM.
    fusion_c : float
        C of the fusion's SVM.
    balanced : bool
        Whether classes weigh the same in the SVMs, however many clips they have.
    uniform_prior : bool
        Whether they do in the sigmoids.
    """

    file: str
    member_c: Mapping[str, float]
    fusion_c: float
    balanced: bool
    uniform_prior: bool


def read_unknown_below(raw: Mapping[str, Any], labels: int) -> float | None:
    """``thresholds.unknown_below``; None where there is none.

    Raises
    ------
    BundleError
    """
    if "thresholds" not in raw:
        return None
    thresholds = get(raw, "thresholds", dict)
    if set(thresholds) != {"unknown_below"}:
        raise BundleError("manifest: thresholds holds unknown_below, and nothing else")
    value = number(thresholds, "unknown_below")
    # No highest posterior of so many labels is lower, and none is higher than 1.
    if not 1.0 / labels < value < 1.0:
        raise BundleError(f"manifest: impossible unknown_below {value}: give 1 / {labels} labels up to 1")
    return value


def read_taught(value: object, labels: tuple[str, ...]) -> tuple[str, ...]:
    """Labels that the bundle was taught, the last of all; empty where there is no ``taught``.

    Raises
    ------
    BundleError
    """
    if value is None:
        return ()
    if not isinstance(value, dict):
        raise BundleError("manifest: taught is not an object")
    taught = names(value, "labels")
    if taught != labels[len(labels) - len(taught) :] or len(labels) - len(taught) < 2:
        raise BundleError("manifest: the taught labels are not the last of more than two others")
    return taught


def read_memory(value: object, members: tuple[MemberSpec, ...]) -> MemorySpec | None:
    """``memory``, held against the members; None where there is none.

    Raises
    ------
    BundleError
    """
    if value is None:
        return None
    if not isinstance(value, dict):
        raise BundleError("manifest: memory is not an object")
    given = get(value, "member_c", dict)
    trained = [member.name for member in members if member.svm is not None]
    if sorted(map(str, given)) != sorted(trained):
        raise BundleError("manifest: memory: member_c doesn't name the members that have an SVM")
    spec = MemorySpec(
        file=get(value, "file", str),
        member_c={name: number(given, name) for name in trained},
        fusion_c=number(value, "fusion_c"),
        balanced=flag(value, "balanced"),
        uniform_prior=flag(value, "uniform_prior"),
    )
    if not all(c > 0 for c in (spec.fusion_c, *spec.member_c.values())):
        raise BundleError("manifest: memory: a C is not above 0")
    return spec
