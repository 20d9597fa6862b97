"""The video stream and snapshots of the live page."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from contextlib import ExitStack

import cv2
import numpy as np
import pytest

pytest.importorskip("uvicorn", reason="needs the live extra: pip install 'fkd[live]'")
pytest.importorskip("starlette", reason="needs the live extra: pip install 'fkd[live]'")

from live_client import ask, get_state, open_stream, read_pictures
from live_page import HEIGHT, WIDTH, drawn_frames, live_runner, wait_until

from fkd_infer.live.page_app import MAX_VIEWERS
from fkd_infer.live.server import LiveServer
from fkd_infer.live.stream import FrameFeed, mjpeg_parts
from fkd_infer.live.view import DrawnFrame


def mean_level(jpeg: bytes) -> float:
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    assert image.shape == (960, 1280, 3)
    return float(image.mean())


def test_the_stream_shows_frame_after_frame(server: LiveServer) -> None:
    with open_stream(server) as viewer:
        levels = [mean_level(jpeg) for jpeg in read_pictures(viewer, 4)]
        assert len(set(levels)) == 4
        assert get_state(server)["stats"]["viewers"] == 1
    wait_until(lambda: get_state(server)["stats"]["viewers"] == 0)


def test_a_slow_viewer_does_not_delay_the_others(server: LiveServer) -> None:
    with open_stream(server, buffer=4096), open_stream(server) as quick:
        read_pictures(quick, 5)
        before = get_state(server)["stats"]["frames"]
        started = time.monotonic()
        read_pictures(quick, 15)
        assert time.monotonic() - started < 10
        assert get_state(server)["stats"]["frames"] - before >= 14
        assert get_state(server)["stats"]["viewers"] == 2


def test_a_slow_viewer_is_sent_the_newest_frame() -> None:
    def gray(number: int) -> DrawnFrame:
        return DrawnFrame(np.full((960, 1280, 3), number, np.uint8), number, 0)

    async def read_levels() -> list[float]:
        feed, stopping = FrameFeed(live), threading.Event()
        stream, levels = mjpeg_parts(feed, stopping.is_set), []
        assert await anext(stream) == b"--fkd-frame\r\n"
        for number in (10, 200):
            live.newest = gray(number)
            head, _, rest = (await anext(stream)).partition(b"\r\n\r\n")
            assert head == b"Content-Type: image/jpeg\r\nContent-Length: %d" % (len(rest) - 15)
            levels.append(mean_level(rest))
            live.newest = gray(100)  # while the viewer still reads the last part
            assert await anext(stream) == b""
        stopping.set()
        assert [part async for part in stream] == []
        return levels

    live = live_runner(drawn_frames(1))
    assert asyncio.run(read_levels()) == [10, 200]


def test_a_frame_is_encoded_once_for_all_viewers() -> None:
    encoded: list[int] = []

    def encoding(frame: DrawnFrame) -> bytes:
        encoded.append(frame.number)
        return b"picture"

    async def encode_twice() -> list[bytes]:
        feed, frame = (
            FrameFeed(live_runner(drawn_frames(1))),
            DrawnFrame(np.zeros((2, 2, 3), np.uint8), 7, 0),
        )
        return list(
            await asyncio.gather(feed.encode(encoding, frame), feed.encode(encoding, frame))
        )

    assert asyncio.run(encode_twice()) == [b"picture"] * 2
    assert encoded == [7]


def test_too_many_viewers_are_refused(server: LiveServer) -> None:
    with ExitStack() as opened:
        for _ in range(MAX_VIEWERS):
            opened.enter_context(open_stream(server))
        wait_until(lambda: get_state(server)["stats"]["viewers"] == MAX_VIEWERS)
        status, body, _ = ask(server, "/stream")
        assert (status, json.loads(body)["error"]) == (503, "16 viewers are watching already")


def test_a_snapshot_has_the_full_size(server: LiveServer) -> None:
    status, body, headers = ask(server, "/snapshot.png")
    assert (status, headers["Content-Type"]) == (200, "image/png")
    assert re.fullmatch(r'attachment; filename="fkd-\d{6}\.png"', headers["Content-Disposition"])
    image = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    assert image.shape == (HEIGHT, WIDTH, 3)
