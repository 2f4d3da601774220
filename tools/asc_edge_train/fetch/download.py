"""Downloads that go on where they broke off, and that are checked."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from asc_edge_train.fetch.registry import FetchError, RemoteFile, reason

__all__ = ["ResumingDownloader", "download"]

_BLOCK_BYTES = 1 << 18
_TIMEOUT_S = (20, 60)
_OK, _PARTIAL, _BEYOND, _TOO_MANY, _SERVER_TROUBLE = 200, 206, 416, 429, 500


class ResumingDownloader:
    """A downloader for ``pooch`` that keeps what it has in a part file beside the target.

    A part is only gone on with where that can't mix two versions of a file: its checksum is known, or the
    server still has the version that the part was begun with (``ETag``).

    Parameters
    ----------
    part : Path
    file : RemoteFile
    progress : callable
        Called with the bytes there are and the bytes there will be (0 where that isn't known).
    attempts : int
        How often a lost connection is taken up again.
    wait_s : float
        Before the second attempt; doubled for every further one.
    """

    def __init__(
        self,
        part: Path,
        file: RemoteFile,
        progress: Callable[[int, int], None] = lambda done, total: None,
        *,
        attempts: int = 5,
        wait_s: float = 2.0,
    ) -> None:
        self._part = part
        self._tag = part.with_name(f"{part.name}.tag")
        self._file = file
        self._progress = progress
        self._attempts = attempts
        self._wait_s = wait_s

    def __call__(self, url: str, output_file: str, _pooch: Any) -> None:
        import requests

        for attempt in range(self._attempts):
            if attempt:
                time.sleep(self._wait_s * 2 ** (attempt - 1))
            try:
                self._fetch(url)
                break
            except requests.RequestException as error:
                if attempt == self._attempts - 1:
                    raise FetchError(
                        f"{url}: broke off after {self._have() / 1e6:.1f} MB ({reason(error)}); "
                        "the same command goes on from there"
                    ) from None
        self._part.replace(output_file)
        self._tag.unlink(missing_ok=True)

    def _have(self) -> int:
        return self._part.stat().st_size if self._part.is_file() else 0

    def _fetch(self, url: str) -> None:
        import requests

        have = self._resumable()
        if have and have == self._file.size:
            return
        headers = {"Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
            if self._tag.is_file():
                headers["If-Range"] = self._tag.read_text(encoding="ascii")
        with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT_S) as answer:
            if answer.status_code == _BEYOND and have:
                self._part.unlink()  # longer than the file is now
                raise requests.ConnectionError("part file beyond the end")
            if answer.status_code == _TOO_MANY or answer.status_code >= _SERVER_TROUBLE:
                answer.raise_for_status()
            if answer.status_code not in (_OK, _PARTIAL):
                raise FetchError(f"{url}: the server answers {answer.status_code} {answer.reason}")
            start = _start_of(answer) if answer.status_code == _PARTIAL else 0
            if start not in (0, have):
                raise FetchError(f"{url}: the server sends from byte {start}, not from {have}")
            self._write(answer, start)

    def _resumable(self) -> int:
        have = self._have()
        if have and not (self._file.checksum or self._tag.is_file()):
            have = 0
        return 0 if self._file.size and have > self._file.size else have

    def _write(self, answer: Any, start: int) -> None:
        import requests

        length = int(answer.headers.get("Content-Length") or 0)
        total = start + length if length else self._file.size
        tag = answer.headers.get("ETag", "")
        if tag and not tag.startswith("W/"):
            self._tag.write_text(tag, encoding="ascii", errors="ignore")
        else:
            self._tag.unlink(missing_ok=True)
        done = start
        with self._part.open("ab" if start else "wb") as stream:
            self._progress(done, total)
            for block in answer.iter_content(_BLOCK_BYTES):
                stream.write(block)
                done += len(block)
                self._progress(done, total)
        if total and done < total:
            raise requests.ConnectionError("the answer ended early")


def _start_of(answer: Any) -> int:
    named = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    return int(named[1]) if named else -1


def download(
    file: RemoteFile,
    folder: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
    *,
    attempts: int = 5,
    wait_s: float = 2.0,
) -> Path:
    """Path of a file in ``folder``, downloaded and checked unless it is there already.

    Raises
    ------
    FetchError
        When the server refuses it, the connection is lost for good, the disk is full, or the checksum is not
        the published one. What has arrived stays in ``<name>.part``, except after a wrong checksum.
    """
    import logging

    import pooch

    pooch.get_logger().setLevel(logging.WARNING)
    downloader = ResumingDownloader(
        folder / f"{file.name}.part", file, progress, attempts=attempts, wait_s=wait_s
    )
    try:
        fetched = pooch.retrieve(
            file.url, file.checksum or None, fname=file.name, path=folder, downloader=downloader
        )
    except OSError as error:
        raise FetchError(f"{folder / file.name}: {error.strerror or error}") from None
    except ValueError:
        raise FetchError(
            f"{file.url}: its checksum is not the published one; it was deleted, run the command again"
        ) from None
    return Path(fetched)
