"""A server of files on this machine, with the faults of real ones, and archives for it to serve."""

from __future__ import annotations

import hashlib
import io
import json
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

from asc_edge_train.fetch.registry import RemoteFile

BODY = np.random.default_rng(5).bytes(3_000_000)


@dataclass
class Server:
    """What the server holds, how it misbehaves, and what it was asked."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    ranges: bool = True
    lengths: bool = True
    etag: str = '"v1"'
    breaks: int = 0  # answers that end in the middle
    failures: int = 0  # answers of 503
    asked: list[tuple[str, str]] = field(default_factory=list)

    def file(self, name: str, body: bytes = BODY, checksum: str | None = None, size: int = 0) -> RemoteFile:
        self.files[f"/{name}"] = body
        known = f"md5:{hashlib.md5(body).hexdigest()}" if checksum is None else checksum
        return RemoteFile(name=name, url=f"{self.url}/{name}", checksum=known, size=size)

    def record(self, number: int, bodies: dict[str, bytes]) -> None:
        """A Zenodo record: a list of files with sizes and checksums, and the files."""
        listed = []
        for name, body in bodies.items():
            path = f"/api/records/{number}/files/{name}/content"
            self.files[path] = body
            digest = f"md5:{hashlib.md5(body).hexdigest()}"
            listed.append(
                {"key": name, "size": len(body), "checksum": digest, "links": {"self": self.url + path}}
            )
        self.files[f"/records/{number}"] = json.dumps({"id": number, "files": listed}).encode()


class Handler(BaseHTTPRequestHandler):
    state: Server

    def do_GET(self) -> None:
        state, asked = self.state, self.headers.get("Range", "")
        state.asked.append((self.path, asked))
        body = state.files.get(self.path)
        if state.failures:
            state.failures -= 1
            self.send_error(503)
            return
        if body is None:
            self.send_error(404)
            return
        start = 0
        stale = self.headers.get("If-Range", state.etag) != state.etag
        if asked and state.ranges and not stale:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            if start >= len(body):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        else:
            self.send_response(200)
        if state.etag:
            self.send_header("ETag", state.etag)
        if state.lengths:
            self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        if state.breaks:
            state.breaks -= 1
            self.wfile.write(body[start : (start + len(body)) // 2])
        else:
            self.wfile.write(body[start:])

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serve() -> Iterator[Server]:
    """A running server; it ends with the block."""
    state = Server()
    handler = type("BoundHandler", (Handler,), {"state": state})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        state.url = f"http://127.0.0.1:{http.server_address[1]}"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield state
        http.shutdown()
        thread.join()


def zipped(bodies: dict[str, bytes]) -> bytes:
    """A zip archive of these files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, body in bodies.items():
            archive.writestr(name, body)
    return buffer.getvalue()
