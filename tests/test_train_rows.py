"""Rows on disk: resumption, workers, keys."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from asc_edge.errors import UsageError
from asc_edge_train.parallel import Parallel, dask_cluster
from asc_edge_train.rows import cached_rows


def squares(items: Sequence[int]) -> np.ndarray:
    return np.array([[i, i * i] for i in items], dtype=np.float32)


EXPECTED = np.array([[i, i * i] for i in range(100)], dtype=np.float32)


# Catches: rows in the order in which workers finish, a last piece that is lost.
@pytest.mark.parametrize("jobs", [1, 2])
def test_rows_are_in_order(tmp_path: Path, jobs: int) -> None:
    counted: list[int] = []
    rows = cached_rows(
        tmp_path / "a.npy",
        "k",
        range(100),
        squares,
        parallel=Parallel(jobs),
        progress=counted.append,
        at_a_time=7,
    )
    np.testing.assert_array_equal(rows, EXPECTED)
    assert sum(counted) == 100


# Catches: an interrupted stage that starts again, or takes up the rows of another key.
def test_interrupted_rows_are_taken_up(tmp_path: Path) -> None:
    path, seen = tmp_path / "a.npy", []

    def breaking(items: Sequence[int]) -> np.ndarray:
        if items[0] >= 50:
            raise KeyboardInterrupt
        return squares(items)

    def watched(items: Sequence[int]) -> np.ndarray:
        seen.extend(items)
        return squares(items)

    with pytest.raises(KeyboardInterrupt):
        cached_rows(path, "k", range(100), breaking, at_a_time=10)
    np.testing.assert_array_equal(cached_rows(path, "k", range(100), watched, at_a_time=10), EXPECTED)
    assert seen == list(range(50, 100))
    cached_rows(path, "k", range(100), watched)
    assert len(seen) == 50
    with pytest.raises(KeyboardInterrupt):
        cached_rows(path, "other", range(100), breaking, at_a_time=10)
    seen.clear()
    cached_rows(path, "third", range(100), watched, at_a_time=10)
    assert len(seen) == 100


def test_a_scheduler_that_does_not_answer_is_one_line() -> None:
    pytest.importorskip("distributed")
    with pytest.raises(UsageError, match="no scheduler there") as error, dask_cluster("tcp://127.0.0.1:9"):
        pass
    assert "\n" not in str(error.value)


# Catches: a full disk that ends the process by a signal, hours later, or leaves half a file that is taken up.
def test_a_full_disk_is_told_at_once(tmp_path: Path) -> None:
    script = (
        "import resource, signal, sys; from pathlib import Path; import numpy as np\n"
        "from asc_edge_train.rows import cached_rows\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))\n"
        "cached_rows(Path(sys.argv[1]), 'k', range(1000), lambda items: np.zeros((len(items), 1000)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "a.npy")], capture_output=True, text=True, check=False
    )
    last = done.stderr.strip().splitlines()[-1]
    assert "a.npy.partial" in last
    assert done.returncode == 1
    assert not list(tmp_path.glob("*.npy*"))
