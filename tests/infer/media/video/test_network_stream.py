"""Streams from a local server."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from fkd_infer.errors import LimitError, LimitStoppedError, StoppedError, StreamError
from fkd_infer.limits import Limits
from fkd_infer.media.frames import frame_count, frames_from
from fkd_infer.media.sinks import open_sink
from fkd_infer.media.sources import expand_sources
from fkd_infer.media.video.network_stream import (
    PROTOCOLS,
    file_stem,
    is_stream,
    public_name,
    read_stream,
)
from fkd_infer.media.video.reader import read_video
from fkd_infer.types import Frame, ReadSettings

ANSWER = b"HTTP/1.0 200 OK\r\nContent-Type: video/mp2t\r\n\r\n"


def transport_stream(count: int = 30, first: int = 0, width: int = 64) -> bytes:
    """Returns an MPEG-TS of gray frames at 25 Hz, as cameras send it."""
    file = BytesIO()
    with av.open(file, "w", format="mpegts") as container:
        stream = container.add_stream("libx264", rate=25)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, 48, "yuv420p"
        stream.codec_context.max_b_frames = 0
        stream.codec_context.options = {"preset": "ultrafast", "g": "10", "tune": "zerolatency"}
        for index in range(count):
            picture = np.full((48, width, 3), 5 * index % 200 + 20, np.uint8)
            frame = VideoFrame.from_ndarray(picture, format="bgr24").reformat(format="yuv420p")
            frame.pts, frame.time_base = first + index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


@contextmanager
def serving(respond: Callable[[socket.socket], object]) -> Iterator[str]:
    """Yields the URL of a server that answers each request with `respond`."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        done = threading.Event()

        def work() -> None:
            while not done.is_set():
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    continue
                with connection:
                    try:
                        connection.recv(4096)
                        respond(connection)
                    except OSError:
                        continue  # the reader went away

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield f"http://root:s3cret@127.0.0.1:{server.getsockname()[1]}/live/s3cret?key=s3cret"
        finally:
            done.set()
            thread.join()


def read_until_stopped(frames: Iterator[Frame]) -> tuple[list[Frame], StoppedError]:
    """Returns the frames of a stream, and the error that ended it."""
    read: list[Frame] = []
    with pytest.raises(StoppedError) as stopped:
        read.extend(frames)
    return read, stopped.value


def test_yields_frames_with_times_from_zero_and_reports_the_end() -> None:
    with serving(lambda c: c.sendall(ANSWER + transport_stream(first=1000))) as url:
        [source] = expand_sources([url])
        frames, stopped = read_until_stopped(frames_from(source))
    assert "stopped after 30 frames" in str(stopped)
    assert [frame.time for frame in frames] == [Fraction(i, 25) for i in range(30)]
    assert [frame.index for frame in frames] == list(range(30))
    levels = [float(frame.image.mean()) for frame in frames]
    assert levels == pytest.approx([5 * i + 20 for i in range(30)], abs=4)


def test_gray() -> None:
    with serving(lambda c: c.sendall(ANSWER + transport_stream(5))) as url:
        frames, _ = read_until_stopped(read_stream(url, ReadSettings(gray=True)))
    assert {frame.image.shape for frame in frames} == {(48, 64)}


def test_frames_before_the_end_are_written(tmp_path: Path) -> None:
    with serving(lambda c: c.sendall(ANSWER + transport_stream())) as url:
        [source] = expand_sources([url])

        def record() -> None:
            with open_sink(source, tmp_path) as sink:
                for frame in frames_from(source):
                    sink.write(frame)

        with pytest.raises(StoppedError):
            record()
    [written] = tmp_path.iterdir()
    assert written.name == source.output.name
    assert len(list(read_video(written, ""))) == 30


def test_a_stream_joined_in_the_middle_begins_at_the_next_key_frame() -> None:
    data = transport_stream()
    later = len(data) // 188 // 4 * 188
    with serving(lambda c: c.sendall(ANSWER + data[later:])) as url:
        frames, _ = read_until_stopped(read_stream(url))
    assert 5 <= len(frames) < 30
    assert frames[0].time == 0


def test_times_continue_when_the_senders_clock_restarts() -> None:
    twice = transport_stream(10, first=500) + transport_stream(10)
    with serving(lambda c: c.sendall(ANSWER + twice)) as url:
        frames, _ = read_until_stopped(read_stream(url))
    assert len(frames) >= 19
    assert all(one.time < other.time for one, other in pairwise(frames))


def test_frames_of_another_size_are_scaled_to_the_first() -> None:
    both = transport_stream(10) + transport_stream(10, first=10, width=128)
    with serving(lambda c: c.sendall(ANSWER + both)) as url:
        frames, _ = read_until_stopped(read_stream(url))
    assert len(frames) >= 19
    assert {(frame.width, frame.height) for frame in frames} == {(64, 48)}


def test_a_read_timeout_ends_the_stream() -> None:
    done = threading.Event()

    def stall(connection: socket.socket) -> None:
        connection.sendall(ANSWER + transport_stream(200))
        done.wait(20)

    with serving(stall) as url:
        try:
            frames, _ = read_until_stopped(read_stream(url, read_timeout_s=0.5))
        finally:
            done.set()
    assert len(frames) > 50


@pytest.mark.parametrize("answer", [b"HTTP/1.0 404 Not Found\r\n\r\n", ANSWER + b"no video" * 99])
def test_errors_contain_no_secrets_of_the_url(answer: bytes) -> None:
    with (
        serving(lambda c: c.sendall(answer)) as url,
        pytest.raises(StreamError, match=r"^http://127\.0\.0\.1:\d+: does not open: .") as raised,
    ):
        next(read_stream(url))
    assert "s3cret" not in str(raised.value)
    assert raised.value.__cause__ is None


def playlist(segment: str) -> bytes:
    """Returns a response with an HLS playlist of one segment."""
    lines = ("#EXTM3U", "#EXT-X-TARGETDURATION:2", "#EXTINF:1.2,", segment, "#EXT-X-ENDLIST", "")
    return ANSWER.replace(b"video/mp2t", b"application/x-mpegurl") + "\n".join(lines).encode()


def test_a_playlist_leads_to_the_network_but_to_no_file(tmp_path: Path) -> None:
    data = transport_stream()
    (tmp_path / "a.ts").write_bytes(data)
    with serving(lambda c: c.sendall(ANSWER + data)) as segment:
        there = segment.partition("/live")[0] + "/a.ts"
        with serving(lambda c: c.sendall(playlist(there))) as url:
            assert next(read_stream(url)).width == 64
    with (
        serving(lambda c: c.sendall(playlist(f"file://{tmp_path}/a.ts"))) as url,
        pytest.raises(StreamError, match="does not open"),
    ):
        next(read_stream(url))


def test_all_protocols_forbid_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even those for which libav would allow them."""
    allowed: list[list[str]] = []

    def refuse(url: str, mode: str, options: dict[str, str], **rest: object) -> None:
        allowed.append(options["protocol_whitelist"].split(","))
        raise OSError("no")

    monkeypatch.setattr(av, "open", refuse)
    for protocol in PROTOCOLS:
        with pytest.raises(StreamError):
            next(read_stream(f"{protocol}://host/a.m3u8"))
        assert protocol in allowed[-1]
        assert not {"file", "concat", "subfile", "pipe", "fd", "data", "cache"} & set(allowed[-1])


@pytest.mark.parametrize("protocol", ["http", "rtsp", "rtmp"])
def test_a_server_that_never_responds_is_a_timeout(protocol: str) -> None:
    done = threading.Event()
    with serving(lambda _: done.wait(20)) as url:
        started = time.monotonic()
        try:
            with pytest.raises(StreamError, match="does not open"):
                next(read_stream(url.replace("http", protocol, 1), open_timeout_s=0.5))
        finally:
            done.set()
    assert time.monotonic() - started < 15, "it does not wait for the server"


def test_reports_a_refused_connection() -> None:
    with pytest.raises(StreamError, match="does not open"):
        next(read_stream("http://127.0.0.1:9/a"))


def test_sources_show_no_secrets() -> None:
    [source] = expand_sources(["rtsp://me:p@ss/w@cam.local:554/s3cret?token=s3cret"])
    assert (source.kind, source.name) == ("stream", "rtsp://cam.local:554")
    assert source.output == Path("stream-cam.local-554.mp4")
    assert "s3cret" not in repr(source)
    assert frame_count(source) is None


@pytest.mark.parametrize(
    ("url", "name", "stem"),
    [
        ("HTTP://Host/x.mp4#a", "http://Host", "stream-Host"),
        ("udp://@239.0.0.1:1234", "udp://239.0.0.1:1234", "stream-239.0.0.1-1234"),
        ("rtsp://[::1]:554/a", "rtsp://[::1]:554", "stream-1-554"),
    ],
)
def test_names_of_streams(url: str, name: str, stem: str) -> None:
    assert is_stream(url)
    assert (public_name(url), file_stem(url)) == (name, stem)


@pytest.mark.parametrize("text", ["a.mp4", "file:///a.mp4", "http:", "rtsp://", "C://x"])
def test_other_arguments_are_no_streams(text: str) -> None:
    assert not is_stream(text)


def test_an_endless_stream_ends_at_the_limit() -> None:
    def respond(connection: socket.socket) -> None:
        connection.sendall(ANSWER)
        first = 0
        while True:
            connection.sendall(transport_stream(25, first))
            first += 25

    for limits, what in ((Limits(frames=40), "more than 40 frames"), (Limits(seconds=1), "1 s")):
        with serving(respond) as url:
            [source] = expand_sources([url])
            read: list[Frame] = []
            with pytest.raises(LimitStoppedError, match=what):
                read.extend(frames_from(source, limits=limits))
        assert 20 < len(read) <= 40


def test_refuses_frames_that_are_too_large() -> None:
    with serving(lambda c: c.sendall(ANSWER + transport_stream())) as url:
        [source] = expand_sources([url])
        with pytest.raises(LimitError, match=r"127\.0\.0\.1.*64 × 48 pixels.*--limit-pixels"):
            next(frames_from(source, limits=Limits(pixels=1000)))
