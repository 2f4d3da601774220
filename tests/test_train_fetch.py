"""Fetching corpora from a server on this machine that behaves like Zenodo, and like worse ones."""

from __future__ import annotations

import argparse
import errno
import hashlib
import io
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from asc_edge.errors import UsageError
from asc_edge_train.datasets import load_corpus
from asc_edge_train.fetch import add_fetch_command, fetch_corpus, registry
from asc_edge_train.fetch.download import download
from asc_edge_train.fetch.registry import CorpusSource, FetchError, RemoteFile, load_registry, remote_files
from dataset_trees import write_dcase2018_task5
from file_server import BODY, Server, serve, zipped

MD5 = f"md5:{hashlib.md5(BODY).hexdigest()}"


@pytest.fixture
def server() -> Iterator[Server]:
    with serve() as running:
        yield running


# Catches: a transfer of 45 GB that begins at 0 again; a part that is appended to itself.
def test_broken_transfer_goes_on(server: Server, tmp_path: Path) -> None:
    file = server.file("a.bin", checksum=MD5)
    server.breaks = 1
    with pytest.raises(FetchError, match=r"broke off after 1\.\d MB.*same command"):
        download(file, tmp_path, attempts=1)
    part = tmp_path / "a.bin.part"
    have = part.stat().st_size
    assert 1_000_000 < have <= 1_500_000
    assert part.read_bytes() == BODY[:have]
    seen: list[tuple[int, int]] = []
    path = download(file, tmp_path, lambda done, total: seen.append((done, total)), attempts=1)
    assert path.read_bytes() == BODY
    assert server.asked[-1][1] == f"bytes={have}-"
    assert seen[0] == (have, 3_000_000)
    assert seen[-1] == (3_000_000, 3_000_000)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.bin"]
    # what is there and right isn't asked for again
    asked = len(server.asked)
    download(file, tmp_path)
    assert len(server.asked) == asked


# Catches: giving up at the first hiccup of a server; trying for ever.
def test_lost_connections_are_taken_up_again(server: Server, tmp_path: Path) -> None:
    file = server.file("a.bin")
    server.breaks, server.failures = 2, 1
    assert download(file, tmp_path, wait_s=0).read_bytes() == BODY
    assert [asked for _, asked in server.asked][:2] == ["", ""]
    server.failures = 5
    with pytest.raises(FetchError, match="answers 503"):
        download(server.file("b.bin"), tmp_path, wait_s=0)


# Catches: the two halves of two versions put together, where no checksum would tell.
@pytest.mark.parametrize("etag", ['"v1"', ""])
def test_without_a_checksum_only_the_same_version_goes_on(server: Server, tmp_path: Path, etag: str) -> None:
    server.etag = etag
    file = server.file("a.bin", checksum="")
    server.breaks = 1
    with pytest.raises(FetchError):
        download(file, tmp_path, attempts=1)
    changed = BODY[::-1]
    server.file("a.bin", changed)
    server.etag = etag and '"v2"'
    assert download(file, tmp_path, attempts=1).read_bytes() == changed


def test_without_a_checksum_the_same_version_does_go_on(server: Server, tmp_path: Path) -> None:
    file = server.file("a.bin", checksum="")
    server.breaks = 1
    assert download(file, tmp_path, wait_s=0).read_bytes() == BODY
    assert server.asked[-1][1].startswith("bytes=1")


# Catches: a whole answer written behind the part that is already there.
def test_server_without_ranges(server: Server, tmp_path: Path) -> None:
    server.ranges = False
    file = server.file("a.bin", checksum=MD5)
    server.breaks = 1
    assert download(file, tmp_path, wait_s=0).read_bytes() == BODY


# Catches: half a file taken for whole where the server doesn't say how much it sends.
def test_server_without_lengths(server: Server, tmp_path: Path) -> None:
    server.lengths, server.breaks = False, 1
    file = server.file("a.bin", checksum="", size=len(BODY))
    assert download(file, tmp_path, wait_s=0).read_bytes() == BODY


# Catches: a part file that is longer than the file, or just complete, ending in errors for ever.
@pytest.mark.parametrize("part", [BODY, BODY + b"more"])
@pytest.mark.parametrize("size", [0, len(BODY)])
def test_part_that_is_complete_or_too_long(server: Server, tmp_path: Path, part: bytes, size: int) -> None:
    (tmp_path / "a.bin.part").write_bytes(part)
    assert download(server.file("a.bin", size=size), tmp_path, wait_s=0).read_bytes() == BODY


# Catches: a damaged or exchanged file that passes; a damaged part that is gone on with.
def test_wrong_checksum(server: Server, tmp_path: Path) -> None:
    file = server.file("a.bin", checksum=f"md5:{'0' * 32}")
    with pytest.raises(FetchError, match="checksum is not the published one"):
        download(file, tmp_path)
    assert not list(tmp_path.iterdir())


def test_missing_file_and_missing_server(server: Server, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="404"):
        download(RemoteFile(name="no.zip", url=f"{server.url}/no.zip"), tmp_path)
    assert len(server.asked) == 1
    with pytest.raises(FetchError, match="no connection"):
        download(RemoteFile(name="no.zip", url="http://127.0.0.1:9/no.zip"), tmp_path, attempts=1)


# Catches: Ctrl-C or a full disk that costs everything there was.
@pytest.mark.parametrize("fault", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device")])
def test_interruption_keeps_the_part(server: Server, tmp_path: Path, fault: BaseException) -> None:
    file = server.file("a.bin", checksum=MD5)

    def progress(done: int, _total: int) -> None:
        if done > 1_000_000:
            raise fault

    expected = KeyboardInterrupt if isinstance(fault, KeyboardInterrupt) else FetchError
    with pytest.raises(expected) as caught:
        download(file, tmp_path, progress)
    if expected is FetchError:
        assert "No space left" in str(caught.value)
    assert (tmp_path / "a.bin.part").stat().st_size > 1_000_000
    assert download(file, tmp_path).read_bytes() == BODY
    assert server.asked[-1][1].startswith("bytes=1")


def make_source(**fields: object) -> CorpusSource:
    values = {"title": "T", "layout": "folders", "licence": "L", "licence_url": "U", "home": "H", **fields}
    return CorpusSource(name="toy", **values)  # type: ignore[arg-type]


@pytest.fixture
def task5(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CorpusSource:
    """Task 5 in miniature, as two records of archives."""
    write_dcase2018_task5(tmp_path / "tree", labels=("absence", "cooking"), seconds=0.02)
    tree = tmp_path / "tree"
    files = {p.relative_to(tree).as_posix(): p.read_bytes() for p in tree.rglob("*.*") if p.is_file()}
    dev = {name: body for name, body in files.items() if "-dev/" in name}
    audio = {name: body for name, body in dev.items() if name.endswith(".wav")}
    server.record(
        11,
        {
            "dev.meta.zip": zipped({name: body for name, body in dev.items() if name not in audio}),
            "dev.audio.1.zip": zipped(dict(list(audio.items())[:9])),
            "dev.audio.2.zip": zipped(dict(list(audio.items())[9:])),
            "readme.md": b"read me",
        },
    )
    server.record(12, {"eval.zip": zipped({name: body for name, body in files.items() if name not in dev})})
    monkeypatch.setattr(registry, "ZENODO", f"{server.url}/records")
    return make_source(zenodo=(11, 12), layout="dcase2018-task5")


# Catches: archives unpacked where no loader looks; parts of a set that can't be used; work done twice.
def test_corpus_from_records(server: Server, task5: CorpusSource, tmp_path: Path) -> None:
    folder = fetch_corpus(task5, tmp_path / "out", only=["*.meta.zip", "*.audio.1.zip"])
    assert folder == tmp_path / "out" / "toy"
    some = load_corpus("dcase2018-task5", folder, missing="skip")
    assert len(some) == 9
    assert some.left_out == {"listed but absent": 7}
    server.asked.clear()
    fetch_corpus(task5, tmp_path / "out", quiet=True)
    assert not any("meta" in path for path, _ in server.asked)
    assert load_corpus("dcase2018-task5", folder) == [
        *load_corpus("dcase2018-task5", folder / "DCASE2018-task5-dev"),
        *load_corpus("dcase2018-task5", folder / "DCASE2018-task5-eval"),
    ]
    assert (folder / "readme.md").read_text() == "read me"
    assert not (folder / ".archives").exists()
    server.asked.clear()
    fetch_corpus(task5, tmp_path / "out")
    assert [path for path, _ in server.asked] == ["/records/11", "/records/12"]


# Catches: an archive that is recorded as done although it couldn't be unpacked.
def test_broken_archive_is_not_done(server: Server, tmp_path: Path) -> None:
    source = make_source(files=(server.file("a.zip", zipped({"x/a.wav": b"a" * 500})[:300]),))
    for _ in range(2):
        with pytest.raises(FetchError, match="damaged"):
            fetch_corpus(source, tmp_path)
    source = make_source(files=(server.file("a.zip", zipped({"x/a.wav": b"b"})),))
    fetch_corpus(source, tmp_path, keep=True)
    assert (tmp_path / "toy" / "x" / "a.wav").read_bytes() == b"b"
    assert (tmp_path / "toy" / ".archives" / "a.zip").is_file()


# Catches: KeyErrors from an answer that isn't a record.
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"<html>", "not a list"),
        (b'{"files": [{"key": "a.zip"}]}', "not a list"),
        (b"[]", "not a list"),
    ],
)
def test_record_that_is_none(server: Server, answer: bytes, words: str) -> None:
    server.files["/records/1"] = answer
    with pytest.raises(FetchError, match=words):
        remote_files(make_source(zenodo=(1,)), zenodo=f"{server.url}/records")
    with pytest.raises(FetchError, match="answers 404"):
        remote_files(make_source(zenodo=(2,)), zenodo=f"{server.url}/records")


# Catches: a server that names a file into another folder of this machine.
@pytest.mark.parametrize("name", ["../a", "b/a", "b\\a", ".fetched.json", ".."])
def test_record_with_unsafe_names(server: Server, name: str) -> None:
    server.record(1, {name: b""})
    with pytest.raises(FetchError, match="unsafe name"):
        remote_files(make_source(zenodo=(1,)), zenodo=f"{server.url}/records")


def test_disk_that_is_too_small(server: Server, tmp_path: Path) -> None:
    source = make_source(files=(server.file("a.zip", size=10**18),))
    with pytest.raises(FetchError, match=r"needs 1000000000\.0 GB"):
        fetch_corpus(source, tmp_path)
    assert not server.asked
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FetchError, match="file"):
        fetch_corpus(source, tmp_path / "file")


def run_command(*argv: str) -> int:
    parser = argparse.ArgumentParser()
    add_fetch_command(parser.add_subparsers())
    args = parser.parse_args(["fetch", *argv])
    code: int = args.run(args, argv)
    return code


# Catches: a download that begins before its licence was accepted.
def test_licence_comes_first(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = make_source(files=(server.file("a.zip", zipped({"x/a.wav": b"a"})),))
    monkeypatch.setattr(registry, "load_registry", lambda: {"toy": source})
    out = ("toy", "--out", str(tmp_path))
    monkeypatch.setattr("sys.stdin", io.StringIO("yes\n"))  # a pipe, not a person
    with pytest.raises(UsageError, match="--accept-licence"):
        run_command(*out)

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for typed in ("no\n", "\n", ""):
        monkeypatch.setattr("sys.stdin", Terminal(typed))
        with pytest.raises(UsageError, match="not accepted"):
            run_command(*out)
    assert not server.asked
    assert "licence: L" in capsys.readouterr().out
    monkeypatch.setattr("sys.stdin", Terminal("yes\n"))
    assert run_command(*out) == 0
    assert (tmp_path / "toy" / "x" / "a.wav").is_file()
    monkeypatch.setattr("sys.stdin", None)
    assert run_command(*out, "--accept-licence") == 0


def test_command_used_wrongly(capsys: pytest.CaptureFixture[str]) -> None:
    for argv, words in (
        (("nothing", "--out", "x"), "unknown corpus 'nothing'"),
        (("--out", "x"), "no corpus named"),
        (("esc50",), "--out"),
    ):
        with pytest.raises(UsageError, match=words):
            run_command(*argv)
    assert run_command("--list") == 0
    assert "urbansound8k" in capsys.readouterr().out


# Catches: an entry that lacks a licence or a layout, or can't be fetched and doesn't say where to ask.
def test_registry() -> None:
    from asc_edge_train.datasets import LAYOUTS

    corpora = load_registry()
    assert {source.layout for source in corpora.values()} <= set(LAYOUTS)
    for source in corpora.values():
        assert source.licence
        assert source.licence_url.startswith("https://")
        assert all(file.url.startswith("https://") for file in source.files)
    with pytest.raises(UsageError, match="https://sites"):
        remote_files(corpora["litis-rouen"])
    with pytest.raises(UsageError, match=r"no file of esc50 matches \*\.rar"):
        remote_files(corpora["esc50"], ["*.rar"])


# Catches: `asc-edge-train --help` waiting for requests.
def test_command_is_added_without_anything_heavy() -> None:
    import subprocess

    code = (
        "import argparse, sys; from asc_edge_train.fetch import add_fetch_command; "
        "add_fetch_command(argparse.ArgumentParser().add_subparsers()); "
        "print({'pooch', 'requests', 'tqdm', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
