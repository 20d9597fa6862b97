"""Parts of an annotated video, encoded apart and joined without encoding them again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from fkd_infer.errors import OutputError
from fkd_infer.media.encoder_errors import encoder_errors
from fkd_infer.media.video.container import open_video
from fkd_infer.media.video.encoding import Encoding
from fkd_infer.media.video.picture_encoder import (
    PictureEncoder,
    open_encoder,
    parameter_sets,
    stored_picture,
)
from fkd_infer.media.video.writer import VideoSink
from fkd_infer.system.files.atomic import atomic_write
from fkd_infer.system.scoped import Scoped
from fkd_infer.types import Frame, FrameRange

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.stream import VideoStream

PART_SUFFIX = ".nut"
"""NUT holds the packets of every encoder as they are."""


@dataclass(frozen=True)
class Part:
    """An encoded part of a video, and the times of its frames in seconds."""

    path: Path
    times: Sequence[Fraction]


class PartSink(Scoped):
    """Encodes frames of the video `source` as VideoSink does for the file `output`, into `path`.

    The file begins with a key frame, and has pictures alone.
    """

    def __init__(self, path: Path, output: Path, source: Path, encoding: Encoding) -> None:
        self._path = path
        self._output = output
        self._source = source
        self._encoding = encoding
        self._encoder: PictureEncoder | None = None

    def _scope(self) -> Iterator[None]:
        import av

        with (
            atomic_write(self._path) as partial,
            open_video(self._source) as self._video,
            av.open(str(partial.absolute()), "w", format="nut") as self._container,
        ):
            yield
            if self._encoder is not None:
                with encoder_errors(self._output):
                    self._container.mux(self._encoder.finish())

    def write(self, frame: Frame) -> None:
        """Encodes a frame."""
        with encoder_errors(self._output):
            if self._encoder is None:
                self._encoder = open_encoder(
                    self._container, self._output, frame, self._video, self._encoding
                )
                # NUT has tags of its own for codecs.
                self._encoder.stream.codec_context.codec_tag = "\0\0\0\0"
            tick = round(frame.time / self._encoder.time_base)
            self._container.mux(self._encoder.encode(stored_picture(frame), tick))


def join_parts(
    path: Path,
    source: Path,
    parts: Sequence[Part],
    first: Frame,
    encoding: Encoding = Encoding(),  # noqa: B008 (frozen)
    frame_range: FrameRange = FrameRange(),  # noqa: B008 (frozen)
) -> Sequence[str]:
    """Writes the file that VideoSink writes from the frames of all parts, in order; returns its
    notes. `first` is the first frame of them all.

    Raises OutputError if a part has another number of frames, or was encoded otherwise.
    """
    with VideoSink(path, source, encoding, frame_range) as sink:
        expected = sink.parameter_sets(first)
        for part in parts:
            with open_video(part.path) as video:
                if parameter_sets(video.stream) != expected:
                    fix = "encode all parts with one version of fkd"
                    raise OutputError(path, "its parts were encoded differently", fix)
                packets = (packet for packet in video.container.demux(video.stream) if packet.size)
                _append(sink, path, first, part, packets)
    return sink.notes


def _append(
    sink: VideoSink,
    path: Path,
    first: Frame,
    part: Part,
    packets: Iterator[Packet[VideoStream]],
) -> None:
    count = 0
    for count, packet in enumerate(packets, 1):
        if count <= len(part.times):
            sink.write_encoded(first, part.times[count - 1], packet)
    if count != len(part.times):
        problem = f"a part has {count} frames in place of {len(part.times)}"
        raise OutputError(path, problem)
