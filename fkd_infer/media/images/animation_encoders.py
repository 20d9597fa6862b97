"""Encodes the frames of animated GIF, PNG and WebP files.

A GIF's frames have a palette each, with error diffusion.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

import cv2
import numpy as np

from fkd_infer.geometry.arrays import Pixels
from fkd_infer.media.images import webp

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_HAS_ANIMATION = 2
_NO_BLENDING = 2


class AnimationEncoder(Protocol):
    """Encodes frames at ticks of its clock; the file is written at the end.

    `clock` is in ticks per second; frames are at least `min_ticks` apart.
    """

    clock: int
    min_ticks: int

    def add(self, image: Pixels, tick: int) -> None:
        """Encodes a frame."""

    def finish(self, path: Path, end: int, loop: int) -> None:
        """Writes the file; the last frame is shown until the tick `end`."""


class _LibavEncoder:
    """Encodes frames with libav, and holds them until the end is known."""

    clock: int
    min_ticks: int
    _format: ClassVar[str]
    _pixel_format: ClassVar[str]

    def __init__(self, width: int, height: int) -> None:
        from av.codec import CodecContext
        from av.video.codeccontext import VideoCodecContext

        self._size = (width, height)
        self._packets: list[Packet[VideoStream]] = []
        self._last = 0
        self._time_base = Fraction(1, self.clock)
        context = CodecContext.create(self._format, "w")
        assert isinstance(context, VideoCodecContext)
        context.width, context.height, context.pix_fmt = width, height, self._pixel_format
        context.time_base = self._time_base
        self._context = context

    def add(self, image: Pixels, tick: int) -> None:
        """Encodes a frame."""
        from av.video.frame import VideoFrame

        picture = VideoFrame.from_ndarray(np.ascontiguousarray(image), format="bgr24")
        picture.pts, picture.time_base = tick, self._time_base
        self._encode(picture)
        self._last = tick

    def finish(self, path: Path, end: int, loop: int) -> None:
        """Writes the file; the last frame is shown until the tick `end`."""
        import av
        from av.video.stream import VideoStream

        self._flush()
        self._packets += self._context.encode(None)
        with av.open(
            str(path.absolute()),
            "w",
            format=self._format,
            container_options=self._options(end - self._last, loop),
        ) as container:
            stream = container.add_stream(self._format, rate=self.clock)
            assert isinstance(stream, VideoStream)
            stream.width, stream.height = self._size
            stream.pix_fmt, stream.time_base = self._pixel_format, self._time_base
            for packet in self._packets:
                packet.stream = stream
                container.mux(packet)

    def _encode(self, picture: VideoFrame) -> None:
        raise NotImplementedError

    def _flush(self) -> None:
        """Encodes what is still to come out of filters."""

    def _options(self, last: int, loop: int) -> dict[str, str]:
        """The container's options; the last frame is shown for `last` ticks."""
        raise NotImplementedError


class PngEncoder(_LibavEncoder):
    """Encodes the frames of an animated PNG."""

    clock = 1000
    min_ticks = 11
    _format = "apng"
    _pixel_format = "rgb24"

    def _encode(self, picture: VideoFrame) -> None:
        self._packets += self._context.encode(picture.reformat(format=self._pixel_format))

    def _options(self, last: int, loop: int) -> dict[str, str]:
        return {"plays": str(loop), "final_delay": f"{last}/{self.clock}"}


class GifEncoder(_LibavEncoder):
    """Encodes the frames of a GIF."""

    clock = 100
    min_ticks = 2
    _format = "gif"
    _pixel_format = "pal8"

    def __init__(self, width: int, height: int) -> None:
        from av.filter import Graph
        from av.video.format import VideoFormat

        super().__init__(width, height)
        graph = self._graph = Graph()
        frames = graph.add_buffer(
            width=width, height=height, format=VideoFormat("bgr24"), time_base=self._time_base
        )
        both, palette = graph.add("split"), graph.add("palettegen", "stats_mode=single")
        use, result = graph.add("paletteuse", "new=1:dither=sierra2_4a"), graph.add("buffersink")
        frames.link_to(both)
        both.link_to(use, 0, 0)
        both.link_to(palette, 1, 0)
        palette.link_to(use, 0, 1)
        use.link_to(result)
        graph.configure()

    def _encode(self, picture: VideoFrame) -> None:
        self._graph.push(picture)
        self._encode_filtered()

    def _flush(self) -> None:
        self._graph.push(None)
        self._encode_filtered()

    def _options(self, last: int, loop: int) -> dict[str, str]:
        return {"loop": str(loop), "final_delay": str(last)}

    def _encode_filtered(self) -> None:
        """Encodes the pictures that have left the filter graph."""
        from av.error import BlockingIOError, EOFError
        from av.video.frame import VideoFrame

        while True:
            try:
                picture = self._graph.pull()
            except (BlockingIOError, EOFError):
                return
            assert isinstance(picture, VideoFrame)
            self._packets += self._context.encode(picture)


class WebpEncoder:
    """Encodes the frames of a WebP, each as a full picture."""

    clock = 1000
    min_ticks = 11

    def __init__(self, width: int, height: int, quality: int) -> None:
        self._size = (width, height)
        self._options = [cv2.IMWRITE_WEBP_QUALITY, max(1, quality)]
        self._frames: list[tuple[int, bytes]] = []

    def add(self, image: Pixels, tick: int) -> None:
        """Encodes a frame."""
        success, data = cv2.imencode(".webp", image, self._options)
        if not success:
            raise OSError(f"OpenCV encodes no WebP of {self._size[0]}x{self._size[1]}")
        self._frames.append((tick, data.tobytes()[12:]))

    def finish(self, path: Path, end: int, loop: int) -> None:
        """Writes the file; the last frame is shown until the tick `end`."""
        ends = [tick for tick, _ in self._frames[1:]] + [end]
        width, height = self._size
        size = bytes(6) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        parts = [
            webp.canvas_chunk(width, height, _HAS_ANIMATION),
            webp.chunk(b"ANIM", bytes([255] * 4) + loop.to_bytes(2, "little")),
        ]
        for (tick, data), until in zip(self._frames, ends, strict=True):
            duration = (until - tick).to_bytes(3, "little")
            parts.append(webp.chunk(b"ANMF", size + duration + bytes([_NO_BLENDING]) + data))
        path.write_bytes(webp.webp_file(b"".join(parts)))
