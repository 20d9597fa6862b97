"""Starting, stopping and the address of the live page's server, and its command."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from tiny_models import MODELS

pytest.importorskip("uvicorn", reason="needs the live extra: pip install 'fkd[live]'")
pytest.importorskip("starlette", reason="needs the live extra: pip install 'fkd[live]'")

from live_client import ask, open_stream, read_pictures
from live_page import drawn_frames, endless_frames, live_runner, serve, wait_until

from fkd_infer.errors import LiveError
from fkd_infer.live.access.listener import open_listener
from fkd_infer.live.server import LiveServer


def test_the_page_loads_nothing_from_other_sites(server: LiveServer) -> None:
    paths = ("/", "/app.js", "/controls.js", "/server.js", "/theme.css", "/style.css", "/icon.svg")
    page = b"".join(ask(server, path)[1] for path in paths)
    page = page.replace(b"http://www.w3.org/2000/svg", b"")  # a name, which nothing loads
    assert not re.findall(rb"(?:https?:)?//[a-z0-9]", page)


def test_the_end_frees_the_port_and_leaves_no_thread(caplog: pytest.LogCaptureFixture) -> None:
    before = set(threading.enumerate())
    with (
        serve(live_runner(endless_frames())) as server,
        open_stream(server) as viewer,
        open_stream(server, buffer=4096),  # and reads nothing
    ):
        read_pictures(viewer, 2)
        started = time.monotonic()
        server.stop()
        wait_until(lambda: not any(t.name == "server" for t in threading.enumerate()))
        assert time.monotonic() - started < 8
    wait_until(lambda: not set(threading.enumerate()) - before)
    assert not caplog.records
    open_listener("127.0.0.1", server.port).close()


def test_a_defect_is_answered_and_logged(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = live_runner(endless_frames())
    with serve(live) as server:
        monkeypatch.setattr(live, "stats", lambda: 1 / 0)
        status, body, headers = ask(server, "/state")
    assert (status, json.loads(body)["error"][:15]) == (500, "the page failed")
    assert headers["X-Content-Type-Options"] == "nosniff"
    (record,) = caplog.records
    assert record.getMessage() == "GET /state failed"
    assert record.exc_info is not None


def test_an_ipv6_address_is_written_in_brackets() -> None:
    try:
        open_listener("::1", 0).close()
    except LiveError:
        pytest.skip("this machine has no IPv6")
    with serve(live_runner(endless_frames()), host="::1") as server:
        assert server.urls[0] == f"http://[::1]:{server.port}/"
        connection = http.client.HTTPConnection("::1", server.port, timeout=10)
        connection.request("GET", "/state")
        assert connection.getresponse().status == 200
        connection.close()


def test_reports_a_port_in_use() -> None:
    with open_listener("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(LiveError, match=rf"127\.0\.0\.1 port {port}: cannot be used: it is"):
            open_listener("127.0.0.1", port)
    with pytest.raises(LiveError, match=r"no-such-host\.invalid port 1: cannot be used"):
        open_listener("no-such-host.invalid", 1)


def start_command(*arguments: str | Path, stdout: int = subprocess.PIPE) -> subprocess.Popen[str]:
    program = "import sys; from fkd_infer.cli.main import main; sys.argv[0] = 'fkd-infer'; main()"
    return subprocess.Popen(
        [sys.executable, "-c", program, "live", *map(str, arguments)],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUTF8": "1", "OPENCV_LOG_LEVEL": "SILENT"},
    )


def write_video(path: Path) -> Path:
    from fkd_infer.media.video.writer import VideoSink

    with VideoSink(path, None) as video:
        for frame in drawn_frames(5, size=(64, 48))():
            video.write(frame)
    return path


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no signal to one process")
@pytest.mark.parametrize("end_signal", [signal.SIGINT, signal.SIGTERM])
def test_the_command_runs_until_it_is_stopped(tmp_path: Path, end_signal: signal.Signals) -> None:
    video = write_video(tmp_path / "clip.mp4")
    model = MODELS / "fixed.onnx"
    with start_command(video, "--port", "0", "--model", model) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        match = re.fullmatch(r"clip\.mp4 is shown at http://127\.0\.0\.1:(\d+)/\n", line)
        assert match, line
        connection = http.client.HTTPConnection("127.0.0.1", int(match[1]), timeout=10)
        connection.request("GET", "/state")
        state = json.loads(connection.getresponse().read())
        connection.close()
        assert process.stdout.readline() == "Ctrl-C ends it.\n"
        process.send_signal(end_signal)
        out, err = process.communicate(timeout=20)
    assert state["look"]["smoothing"] == "medium"
    assert (process.returncode, out, err) == (130, "", "stopped\n")


def test_a_host_for_other_machines_gets_a_token(tmp_path: Path) -> None:
    video = write_video(tmp_path / "clip.mp4")
    with start_command(
        video, "--port", "0", "--host", "0.0.0.0", "--model", MODELS / "fixed.onnx"
    ) as process:
        assert process.stdout is not None
        printed = "".join(iter(process.stdout.readline, "Ctrl-C ends it.\n"))
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    urls = re.findall(r"http://([0-9.]+):\d+/\?token=[A-Za-z0-9_-]{32}$", printed, re.MULTILINE)
    assert urls
    assert len(urls) == len(set(urls)) == printed.count("http")
    assert "\x1b" not in printed, "a QR code is for terminals"


@pytest.mark.skipif(sys.platform == "win32", reason="needs pseudo-terminals")
def test_a_terminal_is_shown_a_code_for_phones(tmp_path: Path) -> None:
    import pty

    video, (reader, terminal) = write_video(tmp_path / "clip.mp4"), pty.openpty()
    arguments = ("--port", "0", "--host", "0.0.0.0", "--model", MODELS / "fixed.onnx")
    printed = b""
    with start_command(video, *arguments, stdout=terminal) as process:
        os.close(terminal)
        while b"Ctrl-C" not in printed:
            printed += os.read(reader, 65536)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    os.close(reader)
    assert "█".encode() in printed


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (["99"], 1, "fkd-infer live: camera 99: does not open; is it plugged in and free?"),
        (["no.mp4"], 1, "fkd-infer live: no.mp4: no such file"),
        (["{photo}"], 1, "an image does not move; live shows cameras, streams and videos"),
        (["{video}", "{photo}"], 1, "photo.png: an image does not move"),
        (["{video}", *["1"] * 100], 1, "101 sources are too many for a page; name at most 100"),
        ([], 2, "Missing argument 'SOURCE...'"),
        (["{video}", "--filter", "nothing"], 1, "fkd-infer live: filter 'nothing': neither"),
        (["{video}", "--port", "{port}"], 1, "cannot be used: it is in use; give another --port"),
        (["{video}", "--host", "192.0.2.1"], 1, "give an address of this machine as --host"),
        (
            ["{video}", "--limit-pixels", "0.001"],
            1,
            "if this size is intended, raise --limit-pixels",
        ),
        (["{video}", "--token", "short"], 2, "16 to 256 letters, digits"),
    ],
)
def test_errors_are_reported_in_one_line(
    tmp_path: Path, arguments: list[str], code: int, line: str
) -> None:
    from fkd_infer.media.images.writing import write_image

    write_image(tmp_path / "photo.png", np.zeros((8, 8, 3), np.uint8))
    with open_listener("127.0.0.1", 0) as listener:
        values = {
            "photo": tmp_path / "photo.png",
            "video": write_video(tmp_path / "clip.mp4"),
            "port": listener.getsockname()[1],
        }
        port = [] if "--port" in arguments else ["--port", "0"]
        with start_command(*(a.format(**values) for a in arguments), *port) as process:
            _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert line in err
    assert "Traceback" not in err
    if code == 1:
        assert len(err.strip().splitlines()) == 1
