"""Opens video files."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from fkd_infer.errors import UnreadableVideoError
from fkd_infer.system.files.reading import check_regular

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.stream import Stream
    from av.video.stream import VideoStream

_FORMATS = (
    *("mov", "matroska", "webm", "avi", "mpegts", "mpeg", "asf", "flv", "ogg", "gif", "rm", "wtv"),
    *("mxf", "nut", "ivf", "av1", "obu", "dv", "h264", "hevc", "vvc", "m4v", "mpegvideo", "mjpeg"),
    *("yuv4mpegpipe", "apng", "webp", "mp3", "wav", "flac", "aac"),
)
"""libav's names of the formats that are read; audio formats are opened for a clear error."""
_FILES_ONLY = {"protocol_whitelist": "file", "format_whitelist": ",".join(_FORMATS)}
"""Playlists and lists of files are refused: they lead to other files or into the network."""
_STARTS_ANYWHERE = 0x0200
"""AVFMT_TS_DISCONT, a flag of formats."""


@dataclass(frozen=True)
class OpenVideo:
    """An open video file: its first video stream that is no cover picture.

    `zero` is the file's timestamp that counts as zero, in seconds.
    """

    path: Path
    container: InputContainer
    stream: VideoStream
    zero: Fraction

    @property
    def rate(self) -> Fraction | None:
        """Average frames per second; None if the file does not state it."""
        return self.stream.average_rate or self.stream.guessed_rate or None

    @property
    def is_mp4(self) -> bool:
        """Whether the file is MP4 or QuickTime, whose header lists every frame."""
        return "mp4" in self.container.format.name.split(",")

    @property
    def duration(self) -> Fraction | None:
        """Seconds of the longest stream; None if the file does not state it."""
        import av

        ticks = self.container.duration
        return None if ticks is None else Fraction(ticks, av.time_base)

    @property
    def end(self) -> Fraction | None:
        """When the last frame ends, in seconds; None if the stream's header does not state it."""
        start, duration = self.stream.start_time, self.stream.duration
        if duration is None or self.stream.time_base is None:
            return None
        return ((start or 0) + duration) * self.stream.time_base - self.zero

    def seek(self, time: Fraction) -> None:
        """Continues at the last key frame before a time."""
        import av
        from av.error import FFmpegError

        try:
            self.container.seek(int((time + self.zero) * av.time_base))
        except FFmpegError:
            # A format without an index is read from its beginning.
            self.container.seek(0)

    def time_of(self, packet: Packet[Stream]) -> Fraction | None:
        """Returns when a packet is shown or heard, in seconds; None without a timestamp."""
        ticks = packet.dts if packet.pts is None else packet.pts
        return None if ticks is None else ticks * packet.time_base - self.zero

    def damaged(self, why: str) -> UnreadableVideoError:
        """Returns the error for a file that opens, but does not read to its end."""
        return UnreadableVideoError(
            self.path, why, f"repair it first, with: ffmpeg -i {self.path.name} repaired.mp4"
        )


@contextmanager
def open_video(path: Path) -> Iterator[OpenVideo]:
    """Opens a video file; raises UnreadableVideoError if it holds no video that can be decoded."""
    import av
    from av.error import FFmpegError
    from av.stream import Disposition

    try:
        check_regular(path)
    except OSError as error:
        raise UnreadableVideoError(path, error.strerror or str(error)) from error
    try:
        # An absolute path, since libav reads the a in "a:b.mp4" as a network protocol.
        container = av.open(
            str(path.absolute()), "r", options=_FILES_ONLY, metadata_errors="replace"
        )
    except FFmpegError as error:
        refused = error.errno == errno.EINVAL  # by the list of formats
        why = "it is in no video format that is read" if refused else error.strerror or str(error)
        raise UnreadableVideoError(path, why) from error
    with container:
        streams = [
            stream
            for stream in container.streams.video
            if not stream.disposition & Disposition.attached_pic
        ]
        if not streams:
            raise UnreadableVideoError(path, "it holds no video stream")
        if not streams[0].codec_context:
            raise UnreadableVideoError(path, "there is no decoder for its video stream")
        yield OpenVideo(path, container, streams[0], _zero(container))


def _zero(container: InputContainer) -> Fraction:
    """Returns the earliest start in formats that count from anywhere, such as MPEG-TS; else 0."""
    if not container.format.flags & _STARTS_ANYWHERE:
        return Fraction(0)
    starts = [
        stream.start_time * stream.time_base
        for stream in (*container.streams.video, *container.streams.audio)
        if stream.start_time is not None and stream.time_base is not None
    ]
    return min(starts, default=Fraction(0))
