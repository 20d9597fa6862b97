"""Encodes the frames of animated GIF and WebP files.

A GIF's frames have a palette each, with error diffusion.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import cv2
import numpy as np

from fkd_infer.geometry.arrays import Pixels
from fkd_infer.media.images.animation import riff_chunk, webp_file, webp_header

if TYPE_CHECKING:
    from av.packet import Packet
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


class GifEncoder:
    """Encodes the frames of a GIF."""

    clock = 100
    min_ticks = 2

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

    def add(self, image: Pixels, tick: int) -> None:
        """Encodes a frame."""
        from av.video.frame import VideoFrame

        picture = VideoFrame.from_ndarray(np.ascontiguousarray(image), format="bgr24")
        picture.pts, picture.time_base = tick, self._time_base
        self._graph.push(picture)
        self._encode_filtered()
        self._last = tick

    def finish(self, path: Path, end: int, loop: int) -> None:
        """Writes the file; the last frame is shown until the tick `end`."""
        import av
        from av.video.stream import VideoStream

        self._graph.push(None)
        self._encode_filtered()
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
            webp_header(width, height, _HAS_ANIMATION),
            riff_chunk(b"ANIM", bytes([255] * 4) + loop.to_bytes(2, "little")),
        ]
        for (tick, data), until in zip(self._frames, ends, strict=True):
            duration = (until - tick).to_bytes(3, "little")
            parts.append(riff_chunk(b"ANMF", size + duration + bytes([_NO_BLENDING]) + data))
        path.write_bytes(webp_file(b"".join(parts)))
