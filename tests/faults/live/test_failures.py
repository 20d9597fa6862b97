"""Failures while the live page runs: its network, its source, its machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from repo_paths import TESTS

pytest.importorskip("uvicorn", reason="needs the live extra: pip install 'fkd[live]'")
pytest.importorskip("starlette", reason="needs the live extra: pip install 'fkd[live]'")

from live_page import wait_until
from live_process import (
    HOST,
    JSON,
    receive_until_closed,
    run_live,
    start_live,
    wait_for_page,
    write_video,
)

BREAK_TRACKER = """
from fkd_infer.tracking import tracker
track, frames = tracker.Tracker.__call__, 0
def fail(self, frame):
    global frames
    frames += 1
    if frames == 20:
        raise {error}
    return track(self, frame)
tracker.Tracker.__call__ = fail
"""


@pytest.mark.parametrize(
    ("error", "line"),
    [
        ("RuntimeError('broken\\nin two')", "RuntimeError: broken"),
        ("MemoryError", "MemoryError"),
        ("SystemExit(3)", "SystemExit: 3"),
    ],
)
def test_a_failing_tracker_ends_the_page_with_one_line(video: Path, error: str, line: str) -> None:
    process = start_live(video, setup=BREAK_TRACKER.format(error=error))
    page = wait_for_page(process)
    with page.connect() as viewer:
        viewer.sendall(b"GET /stream HTTP/1.1\r\n" + HOST + b"\r\n")
        _, received = receive_until_closed(viewer, 20)
    assert b"image/jpeg" in received
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (1, "")
    assert err == (
        f"fkd-infer live: finding or drawing faces failed: {line}; add --debug for a traceback\n"
    )


def cut_in_half(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize("harm", [Path.unlink, cut_in_half], ids=["deleted", "cut"])
def test_a_video_that_disappears_ends_the_page_with_one_line(
    tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    video = write_video(tmp_path / "clip.mp4")
    process = start_live(video)
    wait_for_page(process)
    harm(video)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (1, "")
    assert len(err.splitlines()) == 1
    assert err.startswith(f"fkd-infer live: {video}: ")


@pytest.mark.parametrize(
    ("name", "title"),
    [(b"a\xffb.mp4", "a\ufffdb.mp4"), (b"a\n\x1b[31m.mp4", "a\ufffd\ufffd[31m.mp4")],
)
def test_unprintable_characters_of_a_name_are_replaced(
    video: Path, tmp_path: Path, name: bytes, title: str
) -> None:
    odd = tmp_path / os.fsdecode(name)
    try:
        odd.write_bytes(video.read_bytes())
    except OSError:
        pytest.skip("this file system allows no such names")
    process = start_live(odd)
    try:
        page = wait_for_page(process)
        assert json.loads(page.get().body)["source"] == title
    finally:
        process.kill()
        process.communicate()


def test_a_stop_during_a_recording_leaves_no_file(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with run_live(video) as page:
        body = b'{"active": true}'
        head = b"POST /recording HTTP/1.1\r\n" + HOST + JSON + b"Content-Length: 16\r\n\r\n"
        assert page.send(head + body).status == 200
        wait_until(lambda: [*tmp_path.glob("fkd-live-*/*")])
    assert not list(tmp_path.glob("fkd-live-*"))


LIMIT_OPEN_FILES = """
import os, resource
from fkd_infer.live import server as live_server
run = live_server.LiveServer.run
def run_limited(self):
    number = os.dup(0)
    os.close(number)
    resource.setrlimit(resource.RLIMIT_NOFILE, (number + 1, number + 1))
    run(self)
live_server.LiveServer.run = run_limited
"""


def test_reports_a_machine_without_open_files(video: Path) -> None:
    process = start_live(video, setup=LIMIT_OPEN_FILES)
    wait_for_page(process)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (1, "")
    # Python itself may add a line about its half-initialised event loop.
    assert err.startswith("fkd-infer live: serving the page failed: OSError: [Errno 24] Too many")


LIMIT_MEMORY = """
import resource, threading
from pathlib import Path
from live_page import drawn_frames, live_runner
from fkd_infer.errors import LiveError

live = live_runner(drawn_frames(None, size=(64, 48)))
threading.stack_size(1 << 28)
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (3 << 27), -1))
try:
    with live:
        raise SystemExit("there was memory for two threads")
except LiveError as error:
    print(error)
print(threading.active_count())
"""


def test_a_machine_without_memory_for_threads_keeps_none() -> None:
    """There is memory for the first thread's stack and not for the second one's."""
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    done = subprocess.run(
        [sys.executable, "-c", LIMIT_MEMORY],
        capture_output=True, text=True, timeout=60, env=environment, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    line, left = done.stdout.splitlines()
    assert line.startswith("starting threads failed: RuntimeError: can't start new thread")
    assert left == "1"
