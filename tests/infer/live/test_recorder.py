"""Recordings of what the page shows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

pytest.importorskip("uvicorn", reason="needs the live extra: pip install 'fkd[live]'")
pytest.importorskip("starlette", reason="needs the live extra: pip install 'fkd[live]'")

from live_client import JSON, ask, get_state
from live_page import wait_until

from fkd_infer.errors import LiveError, OutputError
from fkd_infer.live.recorder import MAX_RECORDED_S, Recorder
from fkd_infer.live.server import LiveServer
from fkd_infer.live.view import DrawnFrame
from fkd_infer.media.video.reader import read_video


class Clock:
    """A clock that a test sets, in seconds."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def drawn(number: int, size: tuple[int, int] = (64, 48)) -> DrawnFrame:
    """A frame whose gray is ten times its number."""
    return DrawnFrame(np.full((size[1], size[0], 3), 10 * number, np.uint8), number, 0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def recorder(clock: Clock) -> Iterator[Recorder]:
    with Recorder(clock) as opened:
        yield opened


def frames_of(path: Path) -> list[tuple[int, Fraction]]:
    """The gray and the time of each frame of a video."""
    frames = read_video(path, "recording")
    return [(round(float(frame.image.mean()) / 10), frame.time) for frame in frames]


def duration_of(path: Path) -> Fraction:
    with av.open(str(path)) as video:
        assert video.duration is not None
        return Fraction(video.duration, av.time_base)


def wait_for_file(recorder: Recorder, number: int = 1) -> Path:
    wait_until(lambda: recorder.state.number == number or recorder.state.problem)
    assert recorder.state.problem == ""
    assert recorder.file is not None
    return recorder.file


def test_frames_have_the_times_at_which_they_were_shown(recorder: Recorder, clock: Clock) -> None:
    recorder.start(drawn(1))
    for number, now in ((2, 100.1), (3, 100.5)):
        clock.now = now
        recorder.add(drawn(number))
    clock.now = 102.0
    assert recorder.state.active
    assert recorder.state.seconds == 2.0
    recorder.stop()
    expected = [(1, "0"), (2, "0.1"), (3, "0.5"), (3, "1.96"), (3, "2")]
    file = wait_for_file(recorder)
    assert frames_of(file) == [(gray, Fraction(time)) for gray, time in expected]
    assert duration_of(file) == Fraction("2.04")
    assert not recorder.state.active


def test_old_recordings_are_removed(recorder: Recorder, clock: Clock) -> None:
    for number in (1, 2, 3):
        recorder.start(drawn(number))
        recorder.start(drawn(9))  # of another viewer, and without effect
        clock.now += 1
        recorder.stop()
        file = wait_for_file(recorder, number)
        assert frames_of(file)[0][0] == number
    wait_until(
        lambda: sorted(p.name for p in file.parent.iterdir()) == ["recording-2.mp4", file.name]
    )


@pytest.mark.parametrize("end", ["size", "time"])
def test_a_recording_ends_by_itself(recorder: Recorder, clock: Clock, end: str) -> None:
    recorder.start(drawn(1))
    clock.now += 1 if end == "size" else MAX_RECORDED_S + 1
    recorder.add(drawn(2, (32, 32)) if end == "size" else drawn(2))
    assert not recorder.state.active
    assert [gray for gray, _ in frames_of(wait_for_file(recorder))] == [1, 1, 1]


def test_the_end_of_the_program_removes_recordings(clock: Clock) -> None:
    with Recorder(clock) as recorder:
        recorder.start(drawn(1))
        folder = recorder._folder
        assert folder.is_dir()
    assert not folder.exists()
    assert not recorder.state.active


def test_a_failure_is_told_and_the_next_recording_works(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OutputError(Path("/tmp/secret.mp4"), "no space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("fkd_infer.live.recorder.VideoSink.write", full)
        recorder.start(drawn(1))
        wait_until(lambda: recorder.state.problem)
    assert (
        recorder.state.problem == "The recording failed: cannot be written: no space left on device"
    )
    assert recorder.file is None
    assert not list(recorder._folder.iterdir())
    recorder.start(drawn(1))
    recorder.stop()
    wait_for_file(recorder)


def test_a_recording_that_is_being_written_is_waited_for(recorder: Recorder) -> None:
    recorder.start(drawn(1))
    assert recorder._recording is not None
    recorder._recording.active = False
    with pytest.raises(LiveError, match="still being written; try again soon"):
        recorder.start(drawn(2))
    recorder.stop()
    wait_for_file(recorder)


def test_the_page_starts_ends_and_gives_a_recording(server: LiveServer, tmp_path: Path) -> None:
    assert ask(server, "/recording.mp4")[0] == 404
    ask(server, "/recording", "POST", '{"active": true}', JSON)
    wait_until(lambda: get_state(server)["recording"]["seconds"] > 0.3)
    ask(server, "/recording", "POST", '{"active": false}', JSON)
    wait_until(lambda: get_state(server)["recording"]["number"] == 1)
    status, content, headers = ask(server, "/recording.mp4")
    assert (status, headers["Content-Type"]) == (200, "video/mp4")
    assert headers["Content-Disposition"].startswith('attachment; filename="fkd-')
    (tmp_path / "saved.mp4").write_bytes(content)
    frames = list(read_video(tmp_path / "saved.mp4", "saved"))
    assert len(frames) > 3
    assert (frames[0].width, frames[0].height) == (1600, 1200)


@pytest.mark.parametrize("body", ["{}", "[]", '{"active": 1}', '{"active": true, "path": "x"}'])
def test_other_requests_record_nothing(server: LiveServer, body: str) -> None:
    status, answer, _ = ask(server, "/recording", "POST", body, JSON)
    assert status == 400
    assert "active" in json.loads(answer)["error"]
    assert not get_state(server)["recording"]["active"]
