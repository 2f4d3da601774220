"""UrbanSound8K (Salamon et al. 2014): ten classes, ten official folds, clips of up to four seconds.

``audio/fold1/{source}-{class}-{occurrence}-{slice}.wav`` and ``metadata/UrbanSound8K.csv``. Rate, depth and
channels vary from file to file.
"""

from __future__ import annotations

from pathlib import Path

from asc_edge_train.clips import Clip, Corpus
from asc_edge_train.datasets.lists import ListedFiles, inner_folder, read_list, whole_number

__all__ = ["load_urbansound8k"]


def load_urbansound8k(folder: Path, *, missing: str = "error") -> Corpus:
    """Clips of UrbanSound8K in its ten folds; the group is the Freesound recording.

    Parameters
    ----------
    folder : Path
        ``UrbanSound8K``, or the folder around it.
    missing : {"error", "skip"}
        What to do about a listed file that isn't there.
    """
    folder = inner_folder(folder, "UrbanSound8K")
    files = ListedFiles(missing)
    list_path = folder / "metadata" / "UrbanSound8K.csv"
    clips = []
    for row in read_list(list_path, ("slice_file_name", "fsID", "fold", "class")):
        fold = whole_number(row["fold"], list_path, "fold")
        path = files.find(list_path, folder / "audio" / f"fold{fold}", row["slice_file_name"])
        if path is not None:
            clips.append(
                Clip(
                    path=path,
                    clip_id=f"urbansound8k/{path.stem}",
                    fine=row["class"],
                    group=f"freesound:{row['fsID']}",
                    fold=fold,
                    corpus="UrbanSound8K",
                    licence="CC-BY-NC",
                    attribution=(
                        f"https://freesound.org/s/{row['fsID']}/ by way of UrbanSound8K "
                        "(J. Salamon, C. Jacoby, J. P. Bello)"
                    ),
                )
            )
    return Corpus(clips, files.left_out)
