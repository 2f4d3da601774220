"""One lesson from beginning to end: remembered, judged, and kept as a bundle of its own."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asc_edge.bundle import write_bundle
from asc_edge.errors import BundleError, TeachingError
from asc_edge.events import SILENT, UNKNOWN
from asc_edge.presence import PRESENCE
from asc_edge.teaching.judging import Judgement, judge
from asc_edge.teaching.lessons import Lesson
from asc_edge.teaching.memory import Memory

if TYPE_CHECKING:
    from asc_edge.bundle import Bundle
    from asc_edge.manifest import MemorySpec
    from asc_edge.teaching.hearing import Heard
    from asc_edge.teaching.refit import Examples

__all__ = ["check_label", "check_new", "judge_lesson", "make_lesson", "memory_of", "write_taught"]

_LABEL = re.compile(r"[a-z][a-z0-9_]{0,39}")
_MOST_LABELS = 64
# What is said in an activity's place where none goes on, or where nobody is.
_TAKEN = {UNKNOWN, SILENT, PRESENCE, "undecided", "no_input", "ok"}


def memory_of(bundle: Bundle) -> tuple[Memory, MemorySpec]:
    """What a bundle remembers of its training.

    Raises
    ------
    BundleError
        When it can't be taught.
    """
    spec = bundle.manifest.memory
    if spec is None:
        why = (
            "it was taught already; teach the bundle that it comes from"
            if "taught" in bundle.manifest.raw
            else "it holds no memory of its training; have asc-edge-train pack it again, which adds one"
        )
        raise BundleError(f"{bundle.path.name} can't be taught: {why}")
    return Memory.from_npz(bundle.read(spec.file), bundle.manifest), spec


def check_label(label: str, bundle: Bundle, lessons: Sequence[Lesson]) -> None:
    """Refuse names that can't be labels.

    Raises
    ------
    TeachingError
    """
    if not _LABEL.fullmatch(label) or label in _TAKEN:
        raise TeachingError(
            f"{label!r} can't be a label: use small letters, digits and _, for instance washing_machine"
        )
    known = {*bundle.labels, *(lesson.examples.label for lesson in lessons)}
    if label not in known and len(known) >= _MOST_LABELS:
        raise TeachingError(f"there are {len(known)} labels already, and more can't be taught")


def check_new(label: str, heard: Sequence[Heard], lessons: Sequence[Lesson]) -> None:
    """Refuse a recording that was taught before, as this label or another one.

    Raises
    ------
    TeachingError
    """
    before = {name: lesson.examples.label for lesson in lessons for name in lesson.recordings}
    seen: dict[str, str] = {}
    for one in heard:
        if one.recording in before:
            other = before[one.recording]
            what = "already" if other == label else f"as {other}, and can't be {label}, too"
            raise TeachingError(
                f"{one.name}: this recording was taught {what}; to undo that: asc-edge teach --undo"
            )
        if one.recording in seen:
            raise TeachingError(f"{one.name} is the same recording as {seen[one.recording]}; give it once")
        seen[one.recording] = one.name


def make_lesson(examples: Examples, heard: Sequence[Heard]) -> Lesson:
    """A lesson of this moment."""
    return Lesson(
        examples,
        datetime.now(UTC).isoformat(timespec="seconds"),
        round(sum(one.usable_s for one in heard), 1),
        tuple(one.recording for one in heard),
    )


def judge_lesson(bundle: Bundle, lessons: Sequence[Lesson]) -> Judgement:
    """Refit with all lessons, the last of which is new.

    Raises
    ------
    BundleError
        When the bundle can't be taught.
    """
    memory, spec = memory_of(bundle)
    return judge(bundle.labels, memory, spec, [lesson.examples for lesson in lessons])


def write_taught(path: Path, base: Bundle, judgement: Judgement, lessons: Sequence[Lesson]) -> None:
    """Write the bundle that has learnt all lessons: networks as they were, SVMs and fusion new.

    Raises
    ------
    BundleError, OSError
    """
    raw: dict[str, Any] = copy.deepcopy(dict(base.manifest.raw))
    # What was measured on the base is not what this one does.
    for key in ("schema", "created_by", "files", "memory", "accuracy"):
        raw.pop(key, None)
    if isinstance(raw.get("card"), dict):
        raw["card"] = {key: value for key, value in raw["card"].items() if key in ("data", "limits")}
    labels = judgement.labels
    system = judgement.system
    raw["labels"] = list(labels)
    raw["labels_not_covered"] = [name for name in base.labels_not_covered if name not in labels]
    raw["version"] = f"{base.version}+taught.{len(lessons)}"
    raw["members"] = [
        asdict(replace(member, outputs=system.svms[member.name].outputs) if member.svm else member)
        for member in base.members
    ]
    raw["taught"] = {
        "labels": list(labels[len(base.labels) :]),
        "base": base.sha256,
        "base_name": f"{base.name} {base.version}",
        "lessons": [
            {"label": one.examples.label, "taught_at": one.taught_at, "seconds": one.seconds}
            for one in lessons
        ],
        "macro_f1": [judgement.macro_f1_before, judgement.macro_f1_after],
        "figures": [asdict(row) for row in judgement.figures],
    }
    left_out = {base.manifest.memory.file} if base.manifest.memory is not None else set()
    files = {
        name: base.read(name)
        for name in base.file_names
        if name not in left_out and not name.startswith("golden/")
    }
    files[base.manifest.fusion] = system.fusion.to_npz()
    for member in base.members:
        if member.svm is not None:
            files[member.svm] = system.svms[member.name].to_npz()
    write_bundle(path, raw, files)
