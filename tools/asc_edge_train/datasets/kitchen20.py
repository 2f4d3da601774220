"""Kitchen20 (Moreaux 2019): ``audio/`` and ``kitchen20.csv``.

Its own folds split 55 recordings, so they are not used: the fold is left open, and the group is the
recording. Where a person recorded the clips, the person is the group: one kitchen, one set of devices.
"""

from __future__ import annotations

import re
from pathlib import Path

from asc_edge_train.clips import Clip, Corpus
from asc_edge_train.datasets.lists import ListedFiles, read_list

__all__ = ["load_kitchen20"]


def load_kitchen20(folder: Path, *, missing: str = "error") -> Corpus:
    """Clips of a Kitchen20 folder, without folds.

    ``missing="skip"`` leaves listed files out that aren't there, and counts them.
    """
    files = ListedFiles(missing)
    list_path = folder / "kitchen20.csv"
    clips = []
    for row in read_list(list_path, ("filename", "category", "recordist", "source", "group")):
        path = files.find(list_path, folder / "audio", row["filename"])
        if path is None:
            continue
        own = row["source"] == "self_recorded"
        clips.append(
            Clip(
                path=path,
                clip_id=f"kitchen20/{Path(row['filename']).stem}-{row['category']}",
                fine=row["category"],
                group=_group(row),
                corpus="Kitchen20",
                licence="Apache-2.0",
                attribution=(
                    f"recorded for Kitchen20 by {row['recordist'] or 'its authors'} ({row['group']})"
                    if own
                    else f"https://freesound.org/s/{row['group']}/ by way of Kitchen20 (M. Moreaux)"
                ),
            )
        )
    return Corpus(clips, files.left_out)


def _group(row: dict[str, str]) -> str:
    if not row["recordist"]:
        return f"freesound:{row['group']}"
    # "J", "J2" and "J3" may be one person with a second take: as one group they can only be split too well.
    person = re.fullmatch(r"([A-Za-z]+)\d*", row["recordist"])
    return f"kitchen20:{person[1] if person else row['recordist']}"
