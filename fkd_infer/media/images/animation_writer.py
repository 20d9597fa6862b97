"""Frames to an animated GIF or WebP, with the durations and repetitions of what they came from.

A GIF's frames have a palette each, spread by error diffusion. Its times are hundredths of a second:
each frame is put at the one that is nearest, so that rounding does not add up.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

import cv2
import numpy as np

from fkd_infer.errors import OutputError, StoppedError
from fkd_infer.geometry.arrays import Pixels
from fkd_infer.media.images.animation import (
    ANIMATED_SUFFIXES,
    Animation,
    read_animation,
    riff_chunk,
    webp_file,
    webp_header,
)
from fkd_infer.system.files.atomic import atomic_write, output_errors
from fkd_infer.types import Frame, FrameRange

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.stream import VideoStream

_QUALITY = 90
_USUAL = Fraction(1, 10)
_ANIMATED = 2
_NO_BLEND = 2


class _Writer(Protocol):
    """Takes frames at ticks of its clock."""

    clock: int
    shortest: int

    def add(self, image: Pixels, tick: int) -> None:
        """Takes a frame."""

    def finish(self, path: Path, end: int, loop: int) -> None:
        """Writes the file; the last frame is shown until `end`."""


class AnimationSink:
    """An animated file of the frames written to it; `like` is the one that they were read from.

    `quality`, from 0 to 100, is WebP's. `frame_range` is the one they were read by. Frames that
    follow the one before more closely than players can show are left out.
    """

    def __init__(
        self,
        path: Path,
        like: Path | None,
        quality: int | None = None,
        frame_range: FrameRange = FrameRange(),  # noqa: B008 (frozen)
    ) -> None:
        if path.suffix.lower() not in ANIMATED_SUFFIXES:
            kinds = " or ".join(sorted(ANIMATED_SUFFIXES))
            raise OutputError(path, f"an animation's name ends in {kinds}")
        self._path = path
        self._quality = _QUALITY if quality is None else quality
        self._frame_range = frame_range
        self._like: Animation | None = read_animation(like) if like else None
        self._writer: _Writer | None = None
        self._size = (0, 0)
        self._zero = self._last = Fraction(0)
        self._tick = 0

    def __enter__(self) -> Self:
        return self

    def write(self, frame: Frame) -> None:
        """Appends a frame, which must be of the size of those before."""
        if self._writer is None:
            self._size = frame.width, frame.height
            self._zero = frame.time if self._frame_range.start > 0 else Fraction(0)
            gif = self._path.suffix.lower() == ".gif"
            self._writer = _Gif(*self._size) if gif else _Webp(*self._size, self._quality)
            self._tick = -self._writer.shortest
        if (frame.width, frame.height) != self._size:
            raise OutputError(self._path, f"frame {frame.index} has another size than the first")
        tick = round((frame.time - self._zero) * self._writer.clock)
        self._last = frame.time
        if tick < self._tick + self._writer.shortest:
            return
        self._tick = tick
        with output_errors(self._path), _encoding(self._path):
            self._writer.add(frame.image, tick)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        writer = self._writer
        if writer is None or not (error is None or isinstance(error, StoppedError)):
            return
        if self._like is None:
            end, loop = self._last + _USUAL, 0
        else:
            end = self._like.end_of(self._last, self._frame_range.stride)
            same = self._like.suffix == self._path.suffix.lower()
            loop = self._like.loop if same else 0
        ticks = max(self._tick + writer.shortest, round((end - self._zero) * writer.clock))
        with atomic_write(self._path) as partial, output_errors(self._path), _encoding(self._path):
            writer.finish(partial, ticks, loop)


@contextmanager
def _encoding(path: Path) -> Iterator[None]:
    """Turns the encoders' errors into one that names the output."""
    from av.error import FFmpegError

    try:
        yield
    except cv2.error as error:
        raise OutputError(path, error.err) from error
    except FFmpegError as error:
        raise OutputError(path, error.strerror or str(error)) from error


class _Gif:
    """Encoded frames of a GIF; the file is written at the end, since its head tells the end."""

    clock = 100
    shortest = 2

    def __init__(self, width: int, height: int) -> None:
        from av.codec import CodecContext
        from av.filter import Graph
        from av.video.codeccontext import VideoCodecContext
        from av.video.format import VideoFormat

        self._size = (width, height)
        self._packets: list[Packet[VideoStream]] = []
        self._last = 0
        self._time_base = Fraction(1, self.clock)
        context = CodecContext.create("gif", "w")
        assert isinstance(context, VideoCodecContext)
        context.width, context.height, context.pix_fmt = width, height, "pal8"
        context.time_base = self._time_base
        self._context = context
        graph = self._graph = Graph()
        given = graph.add_buffer(
            width=width, height=height, format=VideoFormat("bgr24"), time_base=self._time_base
        )
        both, palette = graph.add("split"), graph.add("palettegen", "stats_mode=single")
        use, result = graph.add("paletteuse", "new=1:dither=sierra2_4a"), graph.add("buffersink")
        given.link_to(both)
        both.link_to(use, 0, 0)
        both.link_to(palette, 1, 0)
        palette.link_to(use, 0, 1)
        use.link_to(result)
        graph.configure()

    def add(self, image: Pixels, tick: int) -> None:
        """Takes a frame."""
        from av.video.frame import VideoFrame

        picture = VideoFrame.from_ndarray(np.ascontiguousarray(image), format="bgr24")
        picture.pts, picture.time_base = tick, self._time_base
        self._graph.push(picture)
        self._take()
        self._last = tick

    def finish(self, path: Path, end: int, loop: int) -> None:
        """Writes the file."""
        import av
        from av.video.stream import VideoStream

        self._graph.push(None)
        self._take()
        self._packets += self._context.encode(None)
        options = {"loop": str(loop), "final_delay": str(end - self._last)}
        with av.open(
            str(path.absolute()), "w", format="gif", container_options=options
        ) as container:
            stream = container.add_stream("gif", rate=self.clock)
            assert isinstance(stream, VideoStream)
            stream.width, stream.height = self._size
            stream.pix_fmt, stream.time_base = "pal8", self._time_base
            for packet in self._packets:
                packet.stream = stream
                container.mux(packet)

    def _take(self) -> None:
        """Encodes the pictures that have their palette."""
        from av.error import BlockingIOError, EOFError
        from av.video.frame import VideoFrame

        while True:
            try:
                picture = self._graph.pull()
            except (BlockingIOError, EOFError):
                return
            assert isinstance(picture, VideoFrame)
            self._packets += self._context.encode(picture)


class _Webp:
    """Encoded frames of a WebP, each of the whole picture."""

    clock = 1000
    shortest = 11

    def __init__(self, width: int, height: int, quality: int) -> None:
        self._size = (width, height)
        self._options = [cv2.IMWRITE_WEBP_QUALITY, max(1, quality)]
        self._frames: list[tuple[int, bytes]] = []

    def add(self, image: Pixels, tick: int) -> None:
        """Takes a frame."""
        done, data = cv2.imencode(".webp", image, self._options)
        if not done:
            raise OSError(f"OpenCV encodes no WebP of {self._size[0]}x{self._size[1]}")
        self._frames.append((tick, data.tobytes()[12:]))

    def finish(self, path: Path, end: int, loop: int) -> None:
        """Writes the file."""
        ends = [tick for tick, _ in self._frames[1:]] + [end]
        width, height = self._size
        size = bytes(6) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        parts = [
            webp_header(width, height, _ANIMATED),
            riff_chunk(b"ANIM", bytes([255] * 4) + loop.to_bytes(2, "little")),
        ]
        for (tick, data), until in zip(self._frames, ends, strict=True):
            shown = (until - tick).to_bytes(3, "little")
            parts.append(riff_chunk(b"ANMF", size + shown + bytes([_NO_BLEND]) + data))
        path.write_bytes(webp_file(b"".join(parts)))
