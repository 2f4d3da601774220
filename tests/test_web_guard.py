"""Who may look at the page, by which name, and what fences every answer in."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from asc_edge.web import WebSettings, open_web
from web_pages import STATS, TOKEN, EventStream, ask, port_of, served

PRIVATE = [
    *("/api/state", "/api/timeline", "/api/history?day=2026-01-31", "/api/health", "/api/configuration"),
    "/api/events",
]


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(TOKEN + "\n")
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("path", ["/", "/app.js", "/style.css", "/icon.svg", "/api/state", "/nowhere"])
def test_every_answer_is_fenced_in(path: str) -> None:
    # Catches an answer without its policy, scripts of the wrong type, and a door for other pages.
    with served() as sink:
        status, headers, body = ask(sink, path, Origin="http://evil.example")
    assert status == (404 if path == "/nowhere" else 200)
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "*" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert not [name for name in headers if name.startswith("access-control")]
    assert "server" not in headers
    assert headers["cache-control"] in ("no-store", "no-cache")
    if path.endswith(".js"):
        assert headers["content-type"].startswith("text/javascript")
    if path == "/":
        page = body.decode()
        assert "http://" not in page
        assert "https://" not in page
        assert "<style" not in page
        assert " style=" not in page
        assert " on" + "click" not in page


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8420", 200),
        ("localhost", 200),
        ("[::1]:9", 200),
        ("LOCALHOST:80", 200),
        ("evil.example:8420", 403),
        ("localhost.evil.example", 403),
        ("127.0.0.1.evil.example", 403),
        ("192.168.1.9", 403),
    ],
)
@pytest.mark.parametrize("path", ["/", "/api/state", "/api/events"])
def test_other_names_are_refused(host: str, status: int, path: str) -> None:
    # Catches DNS rebinding: a foreign page whose name has been turned to this machine.
    with served() as sink, socket.create_connection(("127.0.0.1", port_of(sink)), timeout=10) as raw:
        raw.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        answer = raw.recv(200).split(b"\r\n")[0].decode()
    assert answer.split()[1] == str(status)


def test_other_pages_may_not_ask() -> None:
    # Catches a page of another port of this machine that reads or embeds what goes on.
    with served() as sink:
        for site in ("cross-site", "same-site"):
            assert ask(sink, "/api/state", Sec_Fetch_Site=site)[0] == 403
        assert ask(sink, "/api/state", Sec_Fetch_Site="same-origin")[0] == 200
        assert ask(sink, "/", Sec_Fetch_Site="cross-site")[0] == 200


@pytest.mark.parametrize("path", PRIVATE)
def test_nothing_of_the_home_without_the_token(path: str, token_file: Path) -> None:
    # Catches one endpoint that was forgotten.
    with served(token_file) as sink:
        assert ask(sink, path)[0] == 401
        assert ask(sink, path, Authorization=f"Bearer {TOKEN}x")[0] == 401
        assert ask(sink, path, Authorization=f"Basic {TOKEN}")[0] == 401
        assert ask(sink, f"{path}{'&' if '?' in path else '?'}token={TOKEN}")[0] == 401
        if path != "/api/events":
            assert ask(sink, path, Authorization=f"Bearer {TOKEN}")[0] == 200
        assert ask(sink, "/")[0] == 200
        assert ask(sink, "/api/session")[2]["token_needed"] is True


def test_a_token_is_changed_into_a_cookie(token_file: Path) -> None:
    # Catches a token kept by the browser, a cookie that scripts can read, and one that outlives its token.
    body = json.dumps({"token": TOKEN})
    with served(token_file) as sink:
        status, headers, _ = ask(sink, "/api/session", "POST", body, Content_Type="application/json")
        cookie = headers["set-cookie"]
        assert status == 200
        assert TOKEN not in cookie
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        pair = cookie.partition(";")[0]
        assert ask(sink, "/api/state", Cookie=pair)[0] == 200
        assert ask(sink, "/api/state", Cookie=pair[:-1] + "x")[0] == 401
        stream = EventStream(sink, Cookie=pair)
        assert stream.answer.status == 200
        stream.close()
    token_file.write_text("another-token-of-this-home")
    with served(token_file) as sink:
        assert ask(sink, "/api/state", Cookie=pair)[0] == 401
        # Forms of other pages can send these.
        assert ask(sink, "/api/session", "POST", body, Content_Type="text/plain")[0] == 415


@pytest.mark.parametrize(
    "body", ["", "[]", "{}", '{"token": 5}', '{"token": "\\ud800"}', '{"token": ""}', "x" * 9000]
)
def test_odd_tokens_are_refused(body: str, token_file: Path) -> None:
    # Catches an empty token that fits an empty secret, and errors inside that look like an answer.
    with served(token_file) as sink:
        status, _, _ = ask(sink, "/api/session", "POST", body, Content_Type="application/json")
        assert 400 <= status < 500
        assert ask(sink, "/api/session")[2]["signed_in"] is False


def test_a_token_file_for_all_eyes_is_reported(token_file: Path) -> None:
    token_file.chmod(0o644)
    complaints: list[str] = []
    open_web(WebSettings(port=0, token_file=str(token_file)), complaints.append).stats(STATS)
    assert complaints == [f"web: every user can read {token_file}: chmod 600 {token_file}"]


@pytest.mark.parametrize(
    "path", ["/../settings.py", "/%2e%2e/settings.py", "/static/app.js", "/app.py", "//etc/passwd"]
)
def test_only_the_pages_files_are_given(path: str) -> None:
    with served() as sink:
        status, _, body = ask(sink, path)
    assert status == 404
    assert body == {"error": "Not Found"}
