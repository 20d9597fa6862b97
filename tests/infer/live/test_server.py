"""The live page's server, over real connections."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from tiny_models import MODELS

pytest.importorskip("uvicorn", reason="needs the live extra: pip install 'fkd[live]'")
pytest.importorskip("starlette", reason="needs the live extra: pip install 'fkd[live]'")

from live_runner import HEIGHT, TOKEN, WIDTH, pictures, playing, serving, until

from fkd_infer.errors import LiveError
from fkd_infer.live.runner import DrawnFrame
from fkd_infer.live.server import MAX_VIEWERS, LiveServer, PageInfo, _Desk, open_listener

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def server() -> Iterator[LiveServer]:
    with serving(playing(pictures(None))) as running:
        yield running


@pytest.fixture
def locked() -> Iterator[LiveServer]:
    with serving(playing(pictures(None)), TOKEN, "0.0.0.0") as running:
        yield running


def ask(
    server: LiveServer,
    path: str,
    method: str = "GET",
    body: str | bytes | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[int, bytes, http.client.HTTPMessage]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers
    finally:
        connection.close()


def state(server: LiveServer) -> dict[str, Any]:
    status, body, _ = ask(server, "/state")
    assert status == 200
    told: dict[str, Any] = json.loads(body)
    return told


@contextmanager
def watching(server: LiveServer, buffer: int | None = None) -> Iterator[socket.socket]:
    """A connection that asked for the stream, and reads nothing by itself."""
    with socket.socket() as viewer:
        viewer.settimeout(10)
        if buffer:
            viewer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        viewer.connect(("127.0.0.1", server.port))
        viewer.sendall(b"GET /stream HTTP/1.0\r\nHost: localhost\r\n\r\n")
        yield viewer


def parts(viewer: socket.socket, count: int) -> list[bytes]:
    """The next pictures of a stream."""
    found: list[bytes] = []
    with viewer.makefile("rb") as stream:
        while len(found) < count:
            line = stream.readline()
            assert line, "the stream ended"
            if line.startswith(b"Content-Length:"):
                assert stream.readline() == b"\r\n"
                found.append(stream.read(int(line.split(b":")[1])))
    return found


def brightness(jpeg: bytes) -> float:
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    assert image.shape == (960, 1280, 3)
    return float(image.mean())


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html"),
        ("/app.js", "text/javascript"),
        ("/style.css", "text/css"),
        ("/icon.svg", "image/svg+xml"),
        ("/state", "application/json"),
        ("/nothing", "application/json"),
    ],
)
def test_every_answer_forbids_what_the_page_does_not_need(
    server: LiveServer, path: str, kind: str
) -> None:
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


def test_the_page_needs_nothing_from_elsewhere(server: LiveServer) -> None:
    page = b"".join(ask(server, path)[1] for path in ("/", "/app.js", "/style.css"))
    assert not re.findall(rb"(?:https?:)?//[a-z0-9]", page)


def test_the_state_tells_what_there_is(server: LiveServer) -> None:
    told = state(server)
    assert told["source"] == "clip.mp4"
    assert told["look"] == {"filters": [], "smoothing": "off", "layers": []}
    assert told["choices"]["filters"][0] == {"name": "red", "title": "Red corner"}
    assert told["choices"]["smoothing"] == ["off", "low", "medium", "high"]
    assert told["stats"]["faces"] == 1
    assert (told["stats"]["width"], told["stats"]["height"]) == (WIDTH, HEIGHT)
    until(lambda: state(server)["stats"]["fps"] > 0)


def test_a_change_is_drawn_and_keeps_the_order_of_the_choices(server: LiveServer) -> None:
    wanted = {"filters": ["green", "red"], "smoothing": "low", "layers": ["box"]}
    status, body, _ = ask(server, "/state", "POST", json.dumps(wanted), JSON)
    assert status == 200
    look = {"filters": ["red", "green"], "smoothing": "low", "layers": ["box"]}
    assert json.loads(body)["look"] == look
    ask(server, "/state", "POST", '{"filters": ["red"]}', JSON)
    assert state(server)["look"] == {**look, "filters": ["red"]}

    def corner() -> list[int]:
        _, png, _ = ask(server, "/snapshot.png")
        image = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
        assert image is not None
        values: list[int] = image[0, 0].tolist()
        return values

    until(lambda: corner() == [0, 0, 255])


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ('{"filters": ["blue"]}', "filters: unknown value 'blue'; there are: red, green"),
        ('{"filters": ["../../etc"]}', "filters: unknown value '../../etc'"),
        ('{"filters": "red"}', "filters is a list of names"),
        ('{"filters": [["red"]]}', "filters: unknown value"),
        ('{"layers": [1]}', "layers: unknown value '1'"),
        ('{"smoothing": "most"}', "smoothing: unknown value 'most'; there are: off, low"),
        ('{"smoothing": ["low"]}', "smoothing: unknown value"),
        ('{"smoothing": null}', "smoothing: unknown value 'None'"),
        ('{"model": "x"}', "unknown field 'model'; there are: filters, layers, smoothing"),
        ("[]", "send an object"),
        ("{", "that is not JSON"),
        ("", "that is not JSON"),
        ("[" * 4000, "that is not JSON"),
        (b"\xff\xfe\x00", "that is not JSON"),
    ],
)
def test_what_is_not_a_choice_is_refused_and_changes_nothing(
    server: LiveServer, body: str | bytes, line: str
) -> None:
    before = state(server)["look"]
    status, answer, _ = ask(server, "/state", "POST", body, JSON)
    assert status == 400
    assert line in json.loads(answer)["error"]
    assert state(server)["look"] == before


def test_a_large_body_is_refused(server: LiveServer) -> None:
    body = json.dumps({"filters": ["red"] * 1000})
    status, answer, _ = ask(server, "/state", "POST", body, JSON)
    assert (status, json.loads(answer)) == (413, {"error": "at most 4096 bytes"})


def test_only_json_is_taken(server: LiveServer) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        assert ask(server, "/state", "POST", "{}", {"Content-Type": kind})[0] == 415
    assert ask(server, "/state", "PUT", "{}", JSON)[0] == 405


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "a@localhost", "["])
@pytest.mark.parametrize("path", ["/", "/state", "/stream", "/snapshot.png"])
def test_a_rebound_name_is_refused(server: LiveServer, host: str, path: str) -> None:
    assert ask(server, path, headers={"Host": host})[0] == 421


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:9", "[::1]:8765", "LOCALHOST:1"])
def test_this_machines_own_names_are_fine(server: LiveServer, host: str) -> None:
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
def test_another_sites_page_is_refused(server: LiveServer, headers: dict[str, str]) -> None:
    assert ask(server, "/state", "POST", '{"filters": ["red"]}', {**JSON, **headers})[0] == 403
    assert ask(server, "/stream", headers=headers)[0] == 403
    assert state(server)["look"]["filters"] == []


def test_a_link_on_another_site_may_open_the_page(server: LiveServer) -> None:
    clicked = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert ask(server, "/", headers=clicked)[0] == 200


def test_the_page_itself_may_change_things(server: LiveServer) -> None:
    own = {"Origin": f"http://127.0.0.1:{server.port}", "Sec-Fetch-Site": "same-origin"}
    assert ask(server, "/state", "POST", '{"filters": ["red"]}', {**JSON, **own})[0] == 200


@pytest.mark.parametrize(
    "path", ["/../server.py", "/%2e%2e/server.py", "/..%2fserver.py", "//etc/passwd", "/etc/passwd"]
)
def test_no_file_can_be_read(server: LiveServer, path: str) -> None:
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
def test_without_the_token_nothing_is_told(
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
    assert locked.url.endswith(f":{locked.port}/?token={TOKEN}")


def test_from_other_machines_only_addresses_and_the_machines_name_are_fine(
    locked: LiveServer,
) -> None:
    def status(host: str) -> int:
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        return ask(locked, "/state", headers={**bearer, "Host": host})[0]

    assert status("192.0.2.7:80") == 200
    assert status(socket.gethostname()) == 200
    assert status(f"{socket.gethostname()}.local:80") == 200
    assert status("evil.example") == 421


def test_the_stream_shows_frame_after_frame(server: LiveServer) -> None:
    with watching(server) as viewer:
        seen = [brightness(jpeg) for jpeg in parts(viewer, 4)]
        assert len(set(seen)) == 4
        assert state(server)["stats"]["viewers"] == 1
    until(lambda: state(server)["stats"]["viewers"] == 0)


def test_viewers_do_not_wait_for_a_slow_one(server: LiveServer) -> None:
    with watching(server, buffer=4096), watching(server) as quick:
        parts(quick, 5)
        before = state(server)["stats"]["frames"]
        started = time.monotonic()
        parts(quick, 15)
        assert time.monotonic() - started < 10
        assert state(server)["stats"]["frames"] - before >= 14
        assert state(server)["stats"]["viewers"] == 2


def test_a_viewer_that_took_long_is_sent_the_newest() -> None:
    def gray(number: int) -> DrawnFrame:
        return DrawnFrame(np.full((960, 1280, 3), number, np.uint8), number, 0)

    async def seen() -> list[float]:
        stream, found = desk._pictures(), []
        assert await anext(stream) == b"--fkd-frame\r\n"
        for number in (10, 200):
            live.newest = gray(number)
            head, _, rest = (await anext(stream)).partition(b"\r\n\r\n")
            assert head == b"Content-Type: image/jpeg\r\nContent-Length: %d" % (len(rest) - 15)
            found.append(brightness(rest))
            # Frames go by while this one is on its way.
            live.newest = gray(100)
            assert await anext(stream) == b""
        desk.close()
        assert [part async for part in stream] == []
        return found

    live = playing(pictures(1))
    desk = _Desk(live, PageInfo("clip.mp4", {}))
    assert asyncio.run(seen()) == [10, 200]


def test_too_many_viewers_are_told(server: LiveServer) -> None:
    viewers = [watching(server) for _ in range(MAX_VIEWERS)]
    for viewer in viewers:
        viewer.__enter__()
    try:
        until(lambda: state(server)["stats"]["viewers"] == MAX_VIEWERS)
        status, body, _ = ask(server, "/stream")
        assert (status, json.loads(body)["error"]) == (503, "16 viewers are watching already")
    finally:
        for viewer in viewers:
            viewer.__exit__(None, None, None)


def test_a_snapshot_is_the_whole_frame(server: LiveServer) -> None:
    status, body, headers = ask(server, "/snapshot.png")
    assert (status, headers["Content-Type"]) == (200, "image/png")
    assert re.fullmatch(r'attachment; filename="fkd-\d{6}\.png"', headers["Content-Disposition"])
    image = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    assert image.shape == (HEIGHT, WIDTH, 3)


def test_the_end_frees_the_port_and_leaves_no_thread(caplog: pytest.LogCaptureFixture) -> None:
    before = set(threading.enumerate())
    with (
        serving(playing(pictures(None))) as server,
        watching(server) as viewer,
        watching(server, buffer=4096),  # and reads nothing
    ):
        parts(viewer, 2)
        started = time.monotonic()
        server.stop()
        until(lambda: not any(t.name == "server" for t in threading.enumerate()))
        assert time.monotonic() - started < 8
    until(lambda: not set(threading.enumerate()) - before)
    assert not caplog.records
    open_listener("127.0.0.1", server.port).close()


def test_an_address_of_ipv6_is_written_in_brackets() -> None:
    try:
        open_listener("::1", 0).close()
    except LiveError:
        pytest.skip("this machine has no IPv6")
    with serving(playing(pictures(None)), host="::1") as server:
        assert server.url == f"http://[::1]:{server.port}/"
        connection = http.client.HTTPConnection("::1", server.port, timeout=10)
        connection.request("GET", "/state")
        assert connection.getresponse().status == 200
        connection.close()


def test_a_port_in_use_is_told() -> None:
    with open_listener("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LiveError, match=rf"127\.0\.0\.1 port {port}: cannot be used: it is"):
            open_listener("127.0.0.1", port)
    with pytest.raises(LiveError, match=r"no-such-host\.invalid port 1: cannot be used"):
        open_listener("no-such-host.invalid", 1)


def command(*arguments: str | Path) -> subprocess.Popen[str]:
    program = "import sys; from fkd_infer.cli.main import main; sys.argv[0] = 'fkd-infer'; main()"
    return subprocess.Popen(
        [sys.executable, "-c", program, "live", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OPENCV_LOG_LEVEL": "SILENT"},
    )


def write_video(path: Path) -> Path:
    from fkd_infer.media.video.writer import VideoSink

    with VideoSink(path, None) as video:
        for frame in pictures(5, size=(64, 48))():
            video.write(frame)
    return path


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_runs_until_it_is_stopped(tmp_path: Path, number: signal.Signals) -> None:
    video = write_video(tmp_path / "clip.mp4")
    model = MODELS / "fixed.onnx"
    with command(video, "--port", "0", "--model", model) as running:
        assert running.stdout is not None
        line = running.stdout.readline()
        found = re.fullmatch(r"clip\.mp4 is shown at http://127\.0\.0\.1:(\d+)/\n", line)
        assert found, line
        connection = http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=10)
        connection.request("GET", "/state")
        told = json.loads(connection.getresponse().read())
        connection.close()
        assert running.stdout.readline() == "Ctrl-C ends it.\n"
        running.send_signal(number)
        out, err = running.communicate(timeout=20)
    assert told["look"]["smoothing"] == "medium"
    assert (running.returncode, out, err) == (130, "", "stopped\n")


def test_a_host_for_other_machines_gets_a_token(tmp_path: Path) -> None:
    video = write_video(tmp_path / "clip.mp4")
    with command(
        video, "--port", "0", "--host", "0.0.0.0", "--model", MODELS / "fixed.onnx"
    ) as running:
        assert running.stdout is not None
        line = running.stdout.readline()
        running.send_signal(signal.SIGTERM)
        running.communicate(timeout=20)
    assert re.search(r":\d+/\?token=[A-Za-z0-9_-]{32}$", line)


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (["99"], 1, "fkd-infer live: camera 99: does not open; is it plugged in and free?"),
        (["no.mp4"], 1, "fkd-infer live: no.mp4: no such file"),
        (["{photo}"], 1, "an image does not move; live takes one camera or video"),
        (["{video}", "--filter", "nothing"], 1, "fkd-infer live: filter 'nothing': neither"),
        (["{video}", "--port", "{port}"], 1, "cannot be used: it is in use; give another --port"),
        (["{video}", "--limit-pixels", "0.001"], 1, "if it is meant to be so large, raise"),
        (["{video}", "--token", "short"], 2, "16 to 256 letters, digits"),
    ],
)
def test_mistakes_are_told_in_a_line(
    tmp_path: Path, arguments: list[str], code: int, line: str
) -> None:
    from fkd_infer.media.images.file import write_image

    write_image(tmp_path / "photo.png", np.zeros((8, 8, 3), np.uint8))
    with open_listener("127.0.0.1", 0) as taken:
        known = {
            "photo": tmp_path / "photo.png",
            "video": write_video(tmp_path / "clip.mp4"),
            "port": taken.getsockname()[1],
        }
        port = [] if "--port" in arguments else ["--port", "0"]
        with command(*(a.format(**known) for a in arguments), *port) as running:
            _, err = running.communicate(timeout=60)
    assert running.returncode == code
    assert line in err
    assert "Traceback" not in err
    if code == 1:
        assert len(err.strip().splitlines()) == 1
