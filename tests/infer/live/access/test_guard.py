"""Requests that the live page refuses, and the headers of its answers."""

from __future__ import annotations

import base64
import hashlib
import json
import socket

import pytest

pytest.importorskip("uvicorn", reason="needs the live extra: pip install 'fkd[live]'")
pytest.importorskip("starlette", reason="needs the live extra: pip install 'fkd[live]'")

from live_client import JSON, ask, get_state
from live_page import TOKEN

from fkd_infer.live.server import LiveServer


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html"),
        ("/app.js", "text/javascript"),
        ("/controls.js", "text/javascript"),
        ("/server.js", "text/javascript"),
        ("/theme.css", "text/css"),
        ("/style.css", "text/css"),
        ("/icon.svg", "image/svg+xml"),
        ("/state", "application/json"),
        ("/nothing", "application/json"),
    ],
)
def test_every_answer_has_the_security_headers(server: LiveServer, path: str, kind: str) -> None:
    status, body, headers = ask(server, path)
    assert status == (404 if path == "/nothing" else 200)
    assert body
    assert headers["Content-Type"].partition(";")[0] == kind
    assert headers["Content-Security-Policy"].startswith("default-src 'self'")
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "Server" not in headers


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "a@localhost", "["])
@pytest.mark.parametrize("path", ["/", "/state", "/stream", "/snapshot.png"])
def test_a_foreign_host_name_is_refused(server: LiveServer, host: str, path: str) -> None:
    assert ask(server, path, headers={"Host": host})[0] == 421


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:9", "[::1]:8765", "LOCALHOST:1"])
def test_this_machines_own_names_are_accepted(server: LiveServer, host: str) -> None:
    assert ask(server, "/state", headers={"Host": host})[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate"},
    ],
)
def test_a_page_of_another_site_is_refused(server: LiveServer, headers: dict[str, str]) -> None:
    assert ask(server, "/state", "POST", '{"filters": ["red"]}', {**JSON, **headers})[0] == 403
    assert ask(server, "/stream", headers=headers)[0] == 403
    assert get_state(server)["look"]["filters"] == []


def test_a_link_on_another_site_can_open_the_page(server: LiveServer) -> None:
    clicked = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert ask(server, "/", headers=clicked)[0] == 200


def test_the_page_itself_can_change_settings(server: LiveServer) -> None:
    own = {"Origin": f"http://127.0.0.1:{server.port}", "Sec-Fetch-Site": "same-origin"}
    assert ask(server, "/state", "POST", '{"filters": ["red"]}', {**JSON, **own})[0] == 200


@pytest.mark.parametrize(
    "path", ["/../server.py", "/%2e%2e/server.py", "/..%2fserver.py", "//etc/passwd", "/etc/passwd"]
)
def test_no_other_file_can_be_read(server: LiveServer, path: str) -> None:
    assert ask(server, path)[0] == 404


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/", {}),
        ("/state", {}),
        ("/stream", {}),
        ("/snapshot.png", {}),
        ("/app.js", {}),
        ("/?token=", {}),
        ("/?token=wrong", {}),
        (f"/state?token={TOKEN}", {}),
        ("/state", {"Authorization": "Bearer wrong"}),
        ("/state", {"Authorization": f"Basic {TOKEN}"}),
        ("/state", {"Cookie": f"other={TOKEN}"}),
        ("/state", {"Cookie": 'a="'}),
    ],
)
def test_without_the_token_every_request_is_refused(
    locked: LiveServer, path: str, headers: dict[str, str]
) -> None:
    status, body, answered = ask(locked, path, headers=headers)
    assert status == 401
    assert json.loads(body)["error"].startswith("the token is missing or wrong")
    assert "Set-Cookie" not in answered


def test_the_token_in_the_address_becomes_a_cookie(locked: LiveServer) -> None:
    status, _, headers = ask(locked, f"/?token={TOKEN}")
    assert status == 200
    cookie, _, attributes = headers["Set-Cookie"].partition("; ")
    assert attributes == "Path=/; HttpOnly; SameSite=Strict"
    assert cookie.startswith(f"fkd-live-{locked.port}=")
    assert ask(locked, "/state", headers={"Cookie": cookie})[0] == 200
    assert ask(locked, "/state", headers={"Authorization": f"Bearer {TOKEN}"})[0] == 200
    assert locked.urls[0].endswith(f":{locked.port}/?token={TOKEN}")


def test_other_machines_may_use_addresses_and_the_machines_name(
    locked: LiveServer,
) -> None:
    def status(host: str) -> int:
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        return ask(locked, "/state", headers={**bearer, "Host": host})[0]

    assert status("192.0.2.7:80") == 200
    assert status(socket.gethostname()) == 200
    assert status(f"{socket.gethostname()}.local:80") == 200
    assert status("evil.example") == 421


@pytest.mark.parametrize(
    ("path", "headers", "status", "words"),
    [
        ("/", {}, 401, "needs its complete address"),
        ("/?token=<script>", {}, 401, "needs its complete address"),
        ("/state", {}, 401, "needs its complete address"),
        ("/", {"Host": "evil.example"}, 421, "has another address"),
        ("/", {"Origin": "http://evil.example"}, 403, "may not use this server"),
    ],
)
def test_browsers_are_told_in_html_and_programs_in_json(
    locked: LiveServer, path: str, headers: dict[str, str], status: int, words: str
) -> None:
    browsers = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    answered, page, answer = ask(locked, path, headers={**headers, **browsers})
    assert (answered, answer["Content-Type"]) == (status, "text/html; charset=utf-8")
    assert words in page.decode()
    assert b"<script" not in page
    for accepted in ({}, {"Accept": "*/*"}, {"Accept": "application/json"}):
        answered, body, answer = ask(locked, path, headers={**headers, **accepted})
        assert (answered, list(json.loads(body))) == (status, ["error"])
        assert answer["Vary"] == "Accept"


def test_the_policy_allows_the_one_style_that_stands_in_a_page(locked: LiveServer) -> None:
    _, page, headers = ask(locked, "/", headers={"Accept": "text/html"})
    style = page.decode().partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'self' 'sha256-{digest}';" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
