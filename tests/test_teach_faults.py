"""Teaching that goes wrong: plugs that are pulled, disks that are full, sounds that contradict each other."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from asc_edge import Bundle
from asc_edge.teaching.lessons import TaughtFolder
from command import COMMAND, asc_edge, assert_one_line_error, environment
from teach_system import mixture, write_clip, write_teachable

# Kills itself without a word: at the n-th change below a folder, or when the n-th SVM is to be fitted.
_DIES = """
import os, signal, sys
from asc_edge.cli import main
from asc_edge.teaching import refit

what, at, root = sys.argv[1], int(sys.argv[2]), sys.argv[3]
seen = 0

def count():
    global seen
    seen += 1
    if seen == at:
        os.kill(os.getpid(), signal.SIGKILL)

def hook(event, args):
    writes = event in ("os.rename", "os.remove", "os.chmod", "os.mkdir", "tempfile.mkstemp")
    writes = writes or (event == "open" and args[2] & (os.O_WRONLY | os.O_RDWR))
    if writes and any(str(one).startswith(root) for one in args):
        count()

def fit(*args, **kwargs):
    count()
    return fitted(*args, **kwargs)

fitted = refit.fit_linear_svm
if what == "write":
    sys.addaudithook(hook)
else:
    refit.fit_linear_svm = fit
sys.exit(main(sys.argv[4:]))
"""


@pytest.fixture(scope="module")
def teachable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_teachable(tmp_path_factory.mktemp("teach") / "bands.ascb")


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("clips")
    return [str(write_clip(folder / f"{n}.wav", mixture(8.0, 10 * n))) for n in range(8)]


def teach(label: str, teachable: Path, clips: list[str]) -> list[str]:
    return ["teach", label, "--bundle", str(teachable), "--input", *clips]


# Catches: a bundle that is written in place, a lesson without its bundle that is counted, a number that is
# taken twice, and rubbish of one that was killed in the way of the next.
@pytest.mark.slow
def test_a_plug_that_is_pulled_at_any_moment(teachable: Path, clips: list[str], tmp_path: Path) -> None:
    env = environment({"XDG_STATE_HOME": str(tmp_path)})
    assert asc_edge(*teach("both", teachable, clips[:3]), env=env).returncode == 0
    folder = TaughtFolder(Bundle.open(teachable), tmp_path / "asc-edge" / "taught")
    first = folder.newest()
    assert first is not None
    whole = first.read_bytes()
    moments = [("fit", 1), ("fit", 30), *(("write", number) for number in range(1, 30))]
    killed = 0
    for what, number in moments:
        line = [sys.executable, "-c", _DIES, what, str(number), str(tmp_path)]
        done = subprocess.run(
            [*line, *teach("both", teachable, clips[3:6])], env=env, capture_output=True, check=False
        )
        if done.returncode == 0:
            assert what == "write", "no SVM was fitted"
            break
        assert done.returncode == -9, done.stderr
        killed += 1
        newest = folder.newest()
        assert newest is not None
        Bundle.open(newest)
        assert len(folder.lessons()) == len(folder.numbers()) == (1 if newest == first else 2)
        assert first.read_bytes() == whole
        if newest != first:
            folder.undo()
    else:
        pytest.fail("it never came to its end")
    assert killed >= 8
    assert len(folder.lessons()) == 2
    heard = asc_edge("classify", "--bundle", f"{teachable}+taught", clips[7], env=env)
    assert "both" in heard.stdout, heard.stderr


# Catches: half a bundle where the disk is full, and a lesson that is kept without one.
def test_a_disk_that_takes_no_more(teachable: Path, clips: list[str], tmp_path: Path) -> None:
    env = environment({"XDG_STATE_HOME": str(tmp_path)})
    line = ["bash", "-c", 'ulimit -f 4; exec "$@"', "bash", *COMMAND]
    done = subprocess.run(
        [*line, *teach("both", teachable, clips[:4])], env=env, capture_output=True, check=False, text=True
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("can't be written: File too large; nothing has changed")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


# Catches: two names for one sound, of which the second silences the first.
def test_the_same_sound_under_another_name(teachable: Path, clips: list[str], tmp_path: Path) -> None:
    env = {"XDG_STATE_HOME": str(tmp_path)}
    assert asc_edge(*teach("first", teachable, clips[:4]), env=env).returncode == 0
    done = asc_edge(*teach("second", teachable, clips[4:]), env=env)
    assert done.returncode == 1, done.stdout
    assert "not kept: " in done.stderr
    assert "first, which was taught before, would be recognised less often" in done.stderr
    assert "1  " in asc_edge("teach", "--list", "--bundle", teachable, env=env).stdout


# Catches: recall of pieces of one recording that is shown as if it were of several.
def test_one_long_recording_is_taught_with_a_warning(teachable: Path, tmp_path: Path) -> None:
    clip = str(write_clip(tmp_path / "long.wav", mixture(40.0, 5)))
    done = asc_edge(*teach("both", teachable, [clip]), env={"XDG_STATE_HOME": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    assert "only one recording" in done.stderr


# Catches: a traceback on a file that ends before it begins.
@pytest.mark.parametrize("seconds", [0.0, 0.01, 0.5])
def test_files_that_are_too_short(teachable: Path, tmp_path: Path, seconds: float) -> None:
    path = tmp_path / "short.wav"
    soundfile.write(path, mixture(1.0, 1)[: round(16000 * seconds)], 16000, "PCM_16")
    done = asc_edge(*teach("both", teachable, [str(path)]), env={"XDG_STATE_HOME": str(tmp_path)})
    assert_one_line_error(done, 1, "teach at least 20 s" if seconds else "short.wav")


# Catches: labels that stand for no activity at all, which no automation could tell from one.
@pytest.mark.parametrize("label", ["unknown", "undecided", "presence", "no_input"])
def test_words_with_a_meaning_of_their_own(teachable: Path, label: str, tmp_path: Path) -> None:
    assert_one_line_error(asc_edge(*teach(label, teachable, ["x.wav"])), 1, "can't be a label")
