"""A source as it runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction

import click
import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from live_runner import HEIGHT, WIDTH, Circle, pictures, playing, until

from fkd_infer.cli.options.media import live_limit_options
from fkd_infer.errors import CameraError, LimitError, LiveError
from fkd_infer.geometry.arrays import Pixels
from fkd_infer.landmarks.schemes import IBUG68
from fkd_infer.limits import Limits
from fkd_infer.live.runner import (
    MAX_VIEW_SIDE,
    DrawnFrame,
    Latest,
    LiveRunner,
    ViewSettings,
    _Clock,
)
from fkd_infer.types import Face, Frame


def test_the_newest_takes_the_place_of_what_nobody_took() -> None:
    newest: Latest[int] = Latest()
    for value in (1, 2, 3):
        newest.put(value)
    assert newest.take(lambda: True) == 3
    assert newest.dropped == 2


def test_a_closed_newest_gives_nothing_and_keeps_nobody_waiting() -> None:
    newest: Latest[int] = Latest()
    taken: list[int | None] = []
    thread = threading.Thread(target=lambda: taken.append(newest.take(lambda: True)))
    thread.start()
    newest.close()
    thread.join(5)
    assert taken == [None]


def test_nobody_waits_for_a_partner_that_is_gone() -> None:
    newest: Latest[int] = Latest()
    started = time.monotonic()
    assert newest.take(lambda: False) is None
    assert time.monotonic() - started < 1
    partner = threading.Thread(target=time.sleep, args=(0.2,))
    partner.start()
    assert newest.take(partner.is_alive) is None
    newest.put(1)
    assert newest.take(lambda: False) == 1


def test_frames_are_due_at_their_own_time() -> None:
    clock = _Clock()
    assert clock.wait(Fraction(0), 100.0) == 0
    assert clock.wait(Fraction(1, 2), 100.1) == pytest.approx(0.4)
    assert clock.wait(Fraction(1), 101.2) == pytest.approx(-0.2)


def test_a_file_that_begins_again_shows_its_last_frame_as_long_as_the_others() -> None:
    clock = _Clock()
    clock.wait(Fraction(0), 100.0)
    clock.wait(Fraction(1, 10), 100.1)
    clock.again()
    assert clock.wait(Fraction(0), 100.1) == pytest.approx(0.1)


def test_a_machine_that_is_too_slow_plays_slower_and_does_not_rush() -> None:
    clock = _Clock()
    clock.wait(Fraction(0), 100.0)
    assert clock.wait(Fraction(1), 105.0) == 0
    assert clock.wait(Fraction(2), 105.0) == pytest.approx(1)


def test_a_file_plays_at_its_own_speed_and_begins_again() -> None:
    live = playing(pictures(10, rate=50))
    started = time.monotonic()
    with live:
        until(lambda: live.stats().frames + live.stats().dropped >= 25)
        took = time.monotonic() - started
    assert took >= 24 / 50
    assert isinstance(live._follow, Circle)
    assert live._follow.resets >= 2


def test_a_slow_network_drops_frames_and_sees_the_newest() -> None:
    class Slow(Circle):
        def __call__(self, frame: Frame) -> list[Face]:
            seen.append(frame.index)
            time.sleep(0.1)
            return []

    seen: list[int] = []
    frames = pictures(None, rate=100, size=(64, 48))
    with LiveRunner(frames, Slow(), IBUG68, {}, ViewSettings(), paced=True) as live:
        until(lambda: len(seen) >= 8)
        assert live.stats().dropped >= 16
    assert seen[-1] - seen[0] >= 3 * (len(seen) - 1)


def test_what_is_drawn_changes_while_it_runs() -> None:
    def colour() -> list[int]:
        assert live.newest is not None
        corner: list[int] = live.newest.image[0, 0].tolist()
        return corner

    with playing(pictures(None)) as live:
        live.wait()
        assert colour()[0] == colour()[2]
        live.settings = replace(live.settings, filters=("red",))
        until(lambda: colour() == [0, 0, 255])
        live.settings = replace(live.settings, filters=("red", "green"), smoothing="high")
        until(lambda: colour() == [0, 255, 0])
        assert live._follow.smoothing == "high"
        stats = live.stats()
    assert (stats.width, stats.height, stats.faces) == (WIDTH, HEIGHT, 1)
    assert stats.fps > 0


def test_the_readers_frame_is_left_as_it_is() -> None:
    image = np.zeros((200, 200, 3), np.uint8)

    def still() -> Iterator[Frame]:
        yield Frame(image, "still")

    look = ViewSettings(layers=("points", "contours"))
    with LiveRunner(still, Circle(), IBUG68, {}, look) as live:
        live.wait()
    assert live.newest is not None
    assert live.newest.image.any()
    assert not image.any()


def test_a_source_that_fails_ends_it_with_its_error() -> None:
    def broken() -> Iterator[Frame]:
        yield next(pictures(1)())
        raise CameraError(7, "sends no more frames")

    live = playing(broken, paced=False)
    ended = threading.Event()
    live.on_end = ended.set
    with live:
        assert ended.wait(5)
    with pytest.raises(CameraError, match="camera 7: sends no more frames"):
        live.check()


def test_a_source_without_a_first_frame_is_told_at_once() -> None:
    def broken() -> Iterator[Frame]:
        raise CameraError(7)

    with (
        pytest.raises(CameraError, match="camera 7: does not open"),
        playing(broken, paced=False) as live,
    ):
        live.wait()


@pytest.mark.parametrize("paced", [True, False])
def test_a_source_without_frames_is_told(paced: bool) -> None:
    with (
        pytest.raises(LiveError, match="gave no frame"),
        playing(pictures(0), paced=paced) as live,
    ):
        live.wait()


@pytest.mark.parametrize("broken", ["follower", "effect", "listener"])
def test_what_breaks_while_drawing_ends_it_in_a_line(broken: str) -> None:
    class Broken(Circle):
        def __call__(self, frame: Frame) -> list[Face]:
            if broken == "follower" and frame.index == 3:
                raise ZeroDivisionError("first line\nsecond line")
            return super().__call__(frame)

        def draw(self, canvas: Pixels, faces: Sequence[Face]) -> None:
            raise ZeroDivisionError("first line")

    def listen() -> None:
        raise ZeroDivisionError("first line")

    before = set(threading.enumerate())
    effects = {"broken": Broken()}
    look = ViewSettings(filters=("broken",) if broken == "effect" else (), layers=())
    live = LiveRunner(pictures(None), Broken(), IBUG68, effects, look, paced=True)
    if broken == "listener":
        live.on_frame = listen
    ended = threading.Event()
    live.on_end = ended.set
    with live:
        assert ended.wait(5)
    assert not set(threading.enumerate()) - before
    with pytest.raises(LiveError) as told:
        live.check()
    assert str(told.value) == (
        "finding or drawing faces failed: ZeroDivisionError: first line; "
        "the same with --debug shows where"
    )
    assert isinstance(told.value.__cause__, ZeroDivisionError)


def test_a_source_that_answers_nothing_any_more_does_not_hold_up_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("fkd_infer.live.runner._ENDING", 0.3)
    answers = threading.Event()

    def stuck() -> Iterator[Frame]:
        yield from pictures(1)()
        answers.wait(30)

    started = time.monotonic()
    with playing(stuck) as live:
        live.wait()
    assert time.monotonic() - started < 10
    assert live._reader.is_alive()
    assert live._reader.daemon, "it does not keep the program from ending"
    answers.set()
    live._reader.join(5)
    assert not live._reader.is_alive()


def test_a_stream_that_ends_ends_it_without_an_error() -> None:
    live = playing(pictures(3), paced=False)
    ended = threading.Event()
    live.on_end = ended.set
    with live:
        assert ended.wait(5)
    live.check()


def test_no_thread_is_left_and_the_source_is_closed() -> None:
    closed = threading.Event()

    def frames() -> Iterator[Frame]:
        try:
            yield from pictures(None)()
        finally:
            closed.set()

    before = set(threading.enumerate())
    with playing(frames) as live:
        live.wait()
        assert set(threading.enumerate()) - before
    assert not set(threading.enumerate()) - before
    assert closed.is_set()


def test_what_is_watched_goes_on_for_as_long_as_somebody_wants() -> None:
    made: list[Limits] = []

    @click.command()
    @live_limit_options
    def command(limits: Limits) -> None:
        made.append(limits)

    CliRunner().invoke(command, ["--limit-pixels", "2"], catch_exceptions=False)
    (limits,) = made
    late = Frame(np.zeros((1, 1, 3), np.uint8), "camera", 10**9, Fraction(10**9))
    assert list(limits.enforce(iter([late]), "camera")) == [late]
    with pytest.raises(LimitError, match="2 million are allowed"):
        limits.check_video("clip.mp4", 2000, 2000)


def decoded(data: bytes) -> Pixels:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return np.asarray(image, np.uint8)


@pytest.mark.parametrize(
    ("width", "height", "shown"),
    [
        (WIDTH, HEIGHT, (960, MAX_VIEW_SIDE)),
        (HEIGHT, WIDTH, (MAX_VIEW_SIDE, 960)),
        (64, 48, (48, 64)),
        (9000, 2, (1, MAX_VIEW_SIDE)),
    ],
)
def test_pictures_to_watch_are_bounded_and_snapshots_exact(
    width: int, height: int, shown: tuple[int, int]
) -> None:
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    drawn = DrawnFrame(image, 1, 0)
    assert decoded(drawn.jpeg()).shape[:2] == shown
    np.testing.assert_array_equal(decoded(drawn.png()), image)
