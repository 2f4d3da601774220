"""How well a finished run's system learns a sound that was left out, from one minute of it.

    python tools/teach_trial.py runs/home [SOUND ...] [--seconds 60]

For every fold: the networks that never heard it, the SVMs and the fusion without the sound, which is then
taught from recordings of the other folds, and tested on all recordings of this fold. So nothing in the system
has heard a clip that it is tested on. But the networks were trained while the sound was there, under its
corpus's label (mostly ``other``): what they know of it may be more, or in the wrong place, than of a sound
that they never heard. ``--unheard`` teaches half of this fold's recordings, which the networks haven't heard
either, and tests the other half; it's less sound, too.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asc_edge.manifest import MemorySpec
from asc_edge.teaching.judging import judge
from asc_edge.teaching.memory import Memory
from asc_edge.teaching.refit import Examples, fit_members, fit_system, make_table, predict
from asc_edge_train.clips import Clip
from asc_edge_train.remembering import choose_clips
from asc_edge_train.storage import load_arrays, read_json

CLIP_S = 5.0
_SOUNDS = (
    *("vacuum_cleaner", "washing_machine", "toilet_flush", "crying_baby", "clock_alarm", "door_wood_knock"),
    *("brushing_teeth", "snoring", "dog", "footsteps"),
)


@dataclass
class Trial:
    """A run's clips and what its networks say of them."""

    folder: Path
    clips: list[Clip]
    labels: list[str]
    scores: dict[str, np.ndarray]
    spec: MemorySpec

    @classmethod
    def open(cls, folder: Path) -> Trial:
        recipe = read_json(folder / "recipe.json")
        rows = read_json(folder / "table.json")
        clips = [Clip(**{**row, "path": Path(row["path"]), "faults_s": ()}) for row in rows]
        kinds = {member["name"]: member["kind"] for member in recipe["members"]}
        (system,) = (one for one in recipe["fusions"] if one["name"] == recipe["ship"])
        notes = read_json(folder / "fusions" / f"{system['name']}.json")
        c = {
            name: read_json(folder / "members" / f"{name}.json")["c"]
            for name in system["members"]
            if kinds[name] != "posterior"
        }
        fusion = recipe["fusion"]
        balanced, uniform = fusion["class_weight"] == "balanced", fusion["prior"] == "uniform"
        spec = MemorySpec("", c, notes["c"], balanced, uniform)
        members = folder / "members"
        scores = {name: load_arrays(members / f"{name}.npz")["scores"] for name in system["members"]}
        return cls(folder, clips, recipe["labels"], scores, spec)

    def answers(self, member: str, fold: int) -> np.ndarray:
        stored = load_arrays(self.folder / "networks" / f"{member}-fold{fold}.npz")["answers"]
        return stored.astype(np.float64)

    def fold(self, sound: str, fold: int, seconds: float, *, unheard: bool) -> dict[str, float]:
        """Teach and test one fold."""
        answers = {name: self.answers(name, fold) for name in self.scores}
        rows = [n for n, c in enumerate(self.clips) if c.fold != fold and c.fine != sound]
        kept, weights = choose_clips([self.clips[n] for n in rows], 1350)
        kept = np.array(rows)[kept]
        present = sorted({self.clips[n].label for n in kept}, key=self.labels.index)
        columns = [self.labels.index(label) for label in present]
        memory = Memory(
            np.array([present.index(self.clips[n].label) for n in kept]),
            np.array([self.clips[n].fold for n in kept]),
            weights,
            {
                name: values[kept][:, columns] if name in self.spec.member_c else values[kept]
                for name, values in self.scores.items()
            },
            {name: answers[name][kept] for name in self.spec.member_c},
        )
        own = [n for n, c in enumerate(self.clips) if c.fine == sound and (c.fold == fold) == unheard]
        own = [own[n] for n in np.random.default_rng(fold).permutation(len(own))]
        half = len(own) // 2 if unheard else len(own)
        taught = own[: min(half, round(seconds / CLIP_S))]
        target = [n for n, c in enumerate(self.clips) if c.fine == sound and c.fold == fold]
        groups = {self.clips[n].group for n in taught}
        target = [n for n in target if self.clips[n].group not in groups]
        others = [n for n, c in enumerate(self.clips) if c.fold == fold and c.fine != sound]
        lesson = Examples(
            "taught",
            tuple(self.clips[n].group for n in taught),
            {name: a[taught] for name, a in answers.items()},
        )
        start = time.monotonic()
        judgement = judge(present, memory, self.spec, [lesson])
        fit_s = time.monotonic() - start
        plain = make_table(present, memory, [])
        before = fit_system(plain, fit_members(plain, self.spec), self.spec)
        after = judgement.system
        truth = np.array([present.index(self.clips[n].label) for n in others])
        was, now = (
            predict(system, {name: a[others] for name, a in answers.items()}).argmax(axis=1)
            for system in (before, after)
        )
        heard = predict(after, {name: a[target] for name, a in answers.items()}).argmax(axis=1)
        return {
            "taught": len(taught),
            "hits": int((heard == len(present)).sum()),
            "of": len(target),
            "before": macro_f1(truth, was, len(present)),
            "after": macro_f1(truth, now, len(present)),
            "false": int((now == len(present)).sum()),
            "clips": len(others),
            "fit_s": fit_s,
            "refused": len(judgement.objections("taught")),
        }


def macro_f1(truth: np.ndarray, predicted: np.ndarray, classes: int) -> float:
    scores = []
    for k in range(classes):
        both = ((truth == k) & (predicted == k)).sum()
        scores.append(2 * both / max(1, (truth == k).sum() + (predicted == k).sum()))
    return float(np.mean(scores))


def main() -> None:
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=style)
    parser.add_argument("run", type=Path)
    parser.add_argument("sounds", nargs="*", default=_SOUNDS)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--unheard", action="store_true")
    parser.add_argument("--out", type=Path, help="write the figures as JSON, too")
    args = parser.parse_args()
    trial = Trial.open(args.run)
    results = {}
    print(f"{'sound':18} recall on others    macro-F1 of the other labels   false alarms        fit")
    for sound in args.sounds:
        folds = sorted({clip.fold for clip in trial.clips})
        rows = [trial.fold(sound, fold, args.seconds, unheard=args.unheard) for fold in folds]
        hits, of, false, clips = (sum(row[key] for row in rows) for key in ("hits", "of", "false", "clips"))
        before, after = (100 * np.mean([row[key] for row in rows]) for key in ("before", "after"))
        refused = sum(row["refused"] > 0 for row in rows)
        results[sound] = {
            "refused": refused,
            "folds": len(folds),
            "taught_clips": [row["taught"] for row in rows],
            "recall": hits / of,
            "tested": of,
            "before": before,
            "after": after,
            "false": false,
            "clips": clips,
        }
        print(
            f"{sound:18} {100 * hits / of:5.1f} % of {of:3}    {before:5.1f} -> {after:5.1f} "
            f"({after - before:+.1f})"
            f"        {false:4} of {clips}     {max(row['fit_s'] for row in rows):.1f} s"
            f"   refused {refused} of {len(folds)}",
            flush=True,
        )
    if args.out:
        args.out.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
