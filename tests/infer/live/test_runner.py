"""Playing, tracking and drawing a source in threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial

import click
import numpy as np
import pytest
from click.testing import CliRunner
from live_page import (
    HEIGHT,
    WIDTH,
    CircleTracker,
    drawn_frames,
    endless_frames,
    live_runner,
    wait_until,
)

from fkd_infer.canvas.canvas import Canvas
from fkd_infer.cli.options.media import live_limit_options
from fkd_infer.errors import CameraError, LimitError, LiveError
from fkd_infer.geometry.arrays import Pixels
from fkd_infer.landmarks.schemes import IBUG68
from fkd_infer.limits import Limits
from fkd_infer.live.runner import LiveRunner
from fkd_infer.live.source import LiveSource
from fkd_infer.live.view import DrawnFrame, ViewSettings
from fkd_infer.types import Face, Frame


def test_a_file_plays_at_its_own_speed_and_repeats() -> None:
    tracker = CircleTracker()
    live = live_runner(drawn_frames(10, rate=50), tracker=tracker)
    started = time.monotonic()
    with live:
        wait_until(lambda: live.stats().frames + live.stats().dropped >= 25)
        took = time.monotonic() - started
    assert took >= 24 / 50
    assert tracker.resets >= 2


def test_a_slow_network_drops_frames_and_processes_the_newest() -> None:
    class Slow(CircleTracker):
        def __call__(self, frame: Frame) -> list[Face]:
            indices.append(frame.index)
            time.sleep(0.1)
            return []

    indices: list[int] = []
    frames = drawn_frames(None, rate=100, size=(64, 48))
    with live_runner(frames, tracker=Slow()) as live:
        wait_until(lambda: len(indices) >= 8)
        assert live.stats().dropped >= 16
    assert indices[-1] - indices[0] >= 3 * (len(indices) - 1)


def test_settings_can_change_while_it_runs() -> None:
    def colour() -> list[int]:
        assert live.newest is not None
        corner: list[int] = live.newest.image[0, 0].tolist()
        return corner

    tracker = CircleTracker()
    with live_runner(endless_frames(), tracker=tracker) as live:
        live.wait()
        assert colour()[0] == colour()[2]
        live.settings = replace(live.settings, filters=("red",))
        wait_until(lambda: colour() == [0, 0, 255])
        live.settings = replace(live.settings, filters=("red", "green"), smoothing="high")
        wait_until(lambda: colour() == [0, 255, 0])
        assert tracker.smoothing == "high"
        stats = live.stats()
    assert (stats.width, stats.height, stats.faces) == (WIDTH, HEIGHT, 1)
    assert stats.fps > 0


def test_drawing_does_not_change_the_frame_that_was_read() -> None:
    image = np.zeros((200, 200, 3), np.uint8)

    def still() -> Iterator[Frame]:
        yield Frame(image, "still")

    settings = ViewSettings(layers=("points", "contours"))
    source = LiveSource("still", still)
    with LiveRunner([source], CircleTracker(), IBUG68, {}, settings) as live:
        live.wait()
    assert live.newest is not None
    assert live.newest.image.any()
    assert not image.any()


def test_a_source_that_fails_ends_the_run_with_its_error() -> None:
    def broken() -> Iterator[Frame]:
        yield next(drawn_frames(1)())
        raise CameraError(7, "sends no more frames")

    live = live_runner(broken, repeated=False)
    ended = threading.Event()
    live.on_end = ended.set
    with live:
        assert ended.wait(30)
    with pytest.raises(CameraError, match="camera 7: sends no more frames"):
        live.check()


def test_reports_at_once_a_source_that_fails_before_its_first_frame() -> None:
    def broken() -> Iterator[Frame]:
        raise CameraError(7)

    with (
        pytest.raises(CameraError, match="camera 7: does not open"),
        live_runner(broken, repeated=False) as live,
    ):
        live.wait()


@pytest.mark.parametrize("repeated", [True, False])
def test_reports_a_source_without_frames(repeated: bool) -> None:
    with (
        pytest.raises(LiveError, match="gave no frame"),
        live_runner(drawn_frames(0), repeated=repeated) as live,
    ):
        live.wait()


@pytest.mark.parametrize("repeated", [True, False], ids=["file", "camera"])
def test_a_pause_holds_the_picture_and_draws_changes_on_it(repeated: bool) -> None:
    tracker = CircleTracker()
    with live_runner(drawn_frames(None, rate=100), repeated, tracker) as live:
        live.wait()
        live.settings = replace(live.settings, paused=True)
        held = settled(live)
        live.settings = replace(live.settings, filters=("red",))
        wait_until(lambda: pixel(live, 0, 0) == [0, 0, 255])
        assert pixel(live, 600, 50) == held
        live.settings = replace(live.settings, paused=False)
        wait_until(lambda: pixel(live, 600, 50) != held)
    assert tracker.resets == 0


def settled(live: LiveRunner) -> list[int]:
    """A pixel of the picture in a pause, once that has not changed for a while."""
    seen = [pixel(live, 600, 50)]
    while len(seen) < 20 or seen[-20:] != seen[-1:] * 20:
        time.sleep(0.01)
        seen.append(pixel(live, 600, 50))
    return seen[-1]


def pixel(live: LiveRunner, x: int, y: int) -> list[int]:
    assert live.newest is not None
    values: list[int] = live.newest.image[y, x].tolist()
    return values


def test_a_mirrored_picture_is_tracked_afresh_and_its_text_is_not_mirrored() -> None:
    def half_white() -> Iterator[Frame]:
        for frame in drawn_frames(None)():
            frame.image[:, : WIDTH // 2] = 255
            yield frame

    tracker = CircleTracker()
    with live_runner(half_white, tracker=tracker) as live:
        live.wait()
        live.settings = replace(live.settings, filters=("red",))
        wait_until(lambda: pixel(live, 0, 0) == [0, 0, 255])
        assert pixel(live, 100, 100) == [255] * 3
        live.settings = replace(live.settings, mirrored=True)
        wait_until(lambda: pixel(live, WIDTH - 100, 100) == [255] * 3)
        assert pixel(live, 0, 0) == [0, 0, 255], "what is drawn stays where it is"
        assert tracker.resets == 1


def is_gray(live: LiveRunner, value: int) -> bool:
    return pixel(live, 0, 0) == [value] * 3


def has_drawn(live: LiveRunner, frames: int) -> bool:
    return live.stats().frames >= frames


def source_of(colour: int, title: str) -> LiveSource:
    def frames() -> Iterator[Frame]:
        for frame in drawn_frames(None, size=(64, 48))():
            frame.image[:] = colour
            yield frame

    return LiveSource(title, frames, repeated=True)


def test_another_source_can_be_chosen() -> None:
    tracker = CircleTracker()
    others = [source_of(200, "white"), source_of(5, "black")]
    with live_runner(endless_frames(), tracker=tracker, others=others) as live:
        live.wait()
        for number, colour in ((1, 200), (2, 5), (1, 200)):
            live.settings = replace(live.settings, source=number)
            wait_until(partial(is_gray, live, colour))
        assert live.problem == ""
    assert tracker.resets == 3


def test_a_source_that_does_not_open_is_refused_and_the_last_one_shown_again() -> None:
    def missing() -> Iterator[Frame]:
        raise CameraError(7)

    def empty() -> Iterator[Frame]:
        yield from ()

    others = [LiveSource("camera 7", missing), LiveSource("empty", empty), source_of(200, "white")]
    with live_runner(endless_frames(), others=others) as live:
        live.wait()
        for number, problem in (
            (1, "camera 7: does not open; is it plugged in and free?"),
            (2, "empty: the source gave no frame; does it play elsewhere?"),
        ):
            live.settings = replace(live.settings, source=number)
            wait_until(lambda: live.problem and live.settings.source == 0)
            assert live.problem == problem
            frames = live.stats().frames
            wait_until(partial(has_drawn, live, frames + 2))
        live.settings = replace(live.settings, source=3)
        wait_until(lambda: pixel(live, 0, 0) == [200] * 3)
        assert live.problem == ""


@pytest.mark.parametrize("broken", ["tracker", "filter", "callback"])
def test_a_failure_while_drawing_ends_the_run_with_one_line(broken: str) -> None:
    class Broken(CircleTracker):
        def __call__(self, frame: Frame) -> list[Face]:
            if broken == "tracker" and frame.index == 3:
                raise ZeroDivisionError("first line\nsecond line")
            return super().__call__(frame)

        def draw(self, image: Pixels | Canvas, faces: Sequence[Face]) -> None:
            raise ZeroDivisionError("first line")

    def fail(drawn: DrawnFrame) -> None:
        raise ZeroDivisionError("first line")

    before = set(threading.enumerate())
    filters = {"broken": Broken()}
    settings = ViewSettings(filters=("broken",) if broken == "filter" else (), layers=())
    source = LiveSource("drawn", endless_frames(), repeated=True)
    live = LiveRunner([source], Broken(), IBUG68, filters, settings)
    if broken == "callback":
        live.on_frame.append(fail)
    ended = threading.Event()
    live.on_end = ended.set
    with live:
        assert ended.wait(30)
    assert not set(threading.enumerate()) - before
    with pytest.raises(LiveError) as raised:
        live.check()
    assert str(raised.value) == (
        "finding or drawing faces failed: ZeroDivisionError: first line; "
        "add --debug for a traceback"
    )
    assert isinstance(raised.value.__cause__, ZeroDivisionError)


def test_a_source_that_hangs_does_not_delay_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("fkd_infer.live.runner._CLOSE_TIMEOUT_S", 0.3)
    answers = threading.Event()

    def stuck() -> Iterator[Frame]:
        yield from drawn_frames(1)()
        answers.wait(30)

    started = time.monotonic()
    with live_runner(stuck) as live:
        live.wait()
    assert time.monotonic() - started < 10
    assert live._reader.is_alive()
    assert live._reader.daemon, "it does not keep the program from ending"
    answers.set()
    live._reader.join(30)
    assert not live._reader.is_alive()


def test_a_stream_that_ends_ends_the_run_without_an_error() -> None:
    live = live_runner(drawn_frames(3), repeated=False)
    ended = threading.Event()
    live.on_end = ended.set
    with live:
        assert ended.wait(30)
    live.check()


def test_the_end_leaves_no_thread_and_closes_the_source() -> None:
    closed = threading.Event()

    def frames() -> Iterator[Frame]:
        try:
            yield from endless_frames()()
        finally:
            closed.set()

    before = set(threading.enumerate())
    with live_runner(frames) as live:
        live.wait()
        assert set(threading.enumerate()) - before
    assert not set(threading.enumerate()) - before
    assert closed.is_set()


def test_a_live_source_has_no_limit_of_frames_or_seconds() -> None:
    parsed: list[Limits] = []

    @click.command()
    @live_limit_options
    def command(limits: Limits) -> None:
        parsed.append(limits)

    CliRunner().invoke(command, ["--limit-pixels", "2"], catch_exceptions=False)
    (limits,) = parsed
    late = Frame(np.zeros((1, 1, 3), np.uint8), "camera", 10**9, Fraction(10**9))
    assert list(limits.enforce(iter([late]), "camera")) == [late]
    with pytest.raises(LimitError, match="2 million are allowed"):
        limits.check_video("clip.mp4", 2000, 2000)
