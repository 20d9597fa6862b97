"""Video files to frames: upright, in true colours, with exact times, or an error."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from fkd_infer.errors import UnreadableVideoError
from fkd_infer.limits import Limits
from fkd_infer.media.images.animation import read_animation
from fkd_infer.media.video.colour import to_bgr, to_gray
from fkd_infer.system.files.reading import check_regular
from fkd_infer.types import Frame, FrameRange

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.stream import Stream
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

FORMATS = (
    *("mov", "matroska", "webm", "avi", "mpegts", "mpeg", "asf", "flv", "ogg", "gif", "rm", "wtv"),
    *("mxf", "nut", "ivf", "av1", "obu", "dv", "h264", "hevc", "vvc", "m4v", "mpegvideo", "mjpeg"),
    *("yuv4mpegpipe", "apng", "webp", "mp3", "wav", "flac", "aac"),
)
"""libav's names of the formats that are read; those of sound are told to hold no video."""
_LATE = Fraction(1, 2)
"""Seconds that a file may end before the duration in its header, which is often rounded."""
_ALONE = {"protocol_whitelist": "file", "format_whitelist": ",".join(FORMATS)}
"""Playlists and lists of files, which lead to other files or into the network, are no videos."""
_STARTS_ANYWHERE = 0x0200
"""AVFMT_TS_DISCONT, a flag of formats."""


@dataclass(frozen=True)
class OpenVideo:
    """An open video file: its first true video stream, and the time that counts as zero."""

    path: Path
    container: InputContainer
    stream: VideoStream
    zero: Fraction

    @property
    def rate(self) -> Fraction | None:
        """Average frames per second, where the file says."""
        return self.stream.average_rate or self.stream.guessed_rate or None

    @property
    def is_mp4(self) -> bool:
        """Whether the file is of the MP4 and QuickTime family, whose header lists every frame."""
        return "mp4" in self.container.format.name.split(",")

    @property
    def duration(self) -> Fraction | None:
        """Seconds of the longest stream, where the file says."""
        import av

        ticks = self.container.duration
        return None if ticks is None else Fraction(ticks, av.time_base)

    @property
    def end(self) -> Fraction | None:
        """When the last frame ends, where the stream's header says."""
        start, duration = self.stream.start_time, self.stream.duration
        if duration is None or self.stream.time_base is None:
            return None
        return ((start or 0) + duration) * self.stream.time_base - self.zero

    def seek(self, time: Fraction) -> None:
        """Goes on reading at the last frame before a time that can be decoded alone."""
        import av
        from av.error import FFmpegError

        try:
            self.container.seek(int((time + self.zero) * av.time_base))
        except FFmpegError:
            # A format without an index is read from its beginning.
            self.container.seek(0)

    def shown(self, packet: Packet[Stream]) -> Fraction | None:
        """When the packet's content is shown or heard, in seconds from zero."""
        ticks = packet.dts if packet.pts is None else packet.pts
        return None if ticks is None else ticks * packet.time_base - self.zero

    def damaged(self, why: str) -> UnreadableVideoError:
        """The error for a file that opens, but does not read to its end."""
        return UnreadableVideoError(
            self.path, why, f"repair it first, with: ffmpeg -i {self.path.name} repaired.mp4"
        )


@contextmanager
def open_video(path: Path) -> Iterator[OpenVideo]:
    """The video in a file; raises UnreadableVideoError where there is none."""
    import av
    from av.error import FFmpegError
    from av.stream import Disposition

    try:
        check_regular(path)
    except OSError as error:
        raise UnreadableVideoError(path, error.strerror or str(error)) from error
    try:
        # An absolute path, since libav takes the a in "a:b.mp4" for a network protocol.
        container = av.open(str(path.absolute()), "r", options=_ALONE, metadata_errors="replace")
    except FFmpegError as error:
        refused = error.errno == errno.EINVAL  # by the list of formats
        why = "it is in no video format that is read" if refused else error.strerror or str(error)
        raise UnreadableVideoError(path, why) from error
    with container:
        moving = [
            stream
            for stream in container.streams.video
            if not stream.disposition & Disposition.attached_pic
        ]
        if not moving:
            raise UnreadableVideoError(path, "it holds no video stream")
        if not moving[0].codec_context:
            raise UnreadableVideoError(path, "there is no decoder for its video stream")
        yield OpenVideo(path, container, moving[0], _zero(container))


def read_video(
    path: Path,
    name: str,
    frame_range: FrameRange = FrameRange(),  # noqa: B008 (frozen)
    gray: bool = False,
    limits: Limits | None = None,
) -> Iterator[Frame]:
    """Frames of a file as players show them: display matrix applied, colours as tagged.

    `gray` reads luma alone, as (H, W). Frames are numbered from the cut's start, and times are the
    file's. Raises UnreadableVideoError at the first damage, and for a file that was cut short, and
    LimitError where the frames are too large.
    """
    from av.video.reformatter import VideoReformatter

    convert, limits = to_gray if gray else to_bgr, limits or Limits()
    with open_video(path) as video:
        limits.check_video(path, video.stream.width, video.stream.height)
        # Frames may grow in the middle of a file: the decoder refuses those by itself.
        video.stream.codec_context.options = {"max_pixels": str(limits.pixels)}
        reformatter = VideoReformatter()
        if frame_range.start > 0:
            video.seek(frame_range.start)

        def frames() -> Iterator[Frame]:
            index = 0
            for picture, time in _timed(video, frame_range.start):
                if time >= frame_range.start:
                    yield Frame(convert(picture, reformatter), name, index, time)
                    index += 1

        yield from frame_range(frames())


def _timed(video: OpenVideo, start: Fraction) -> Iterator[tuple[VideoFrame, Fraction]]:
    """Pictures with their times."""
    step = 1 / video.rate if video.rate else Fraction(0)
    time = -step
    for picture in _pictures(video, start):
        ticks = picture.dts if picture.pts is None else picture.pts
        if ticks is None or picture.time_base is None:
            time += step
        else:
            time = ticks * picture.time_base - video.zero
        yield picture, time


def count_frames(path: Path, frame_range: FrameRange = FrameRange()) -> int | None:  # noqa: B008 (frozen)
    """How many frames of a cut a file says it has, or would have; None where it is silent."""
    with open_video(path) as video:
        frames, duration = video.stream.frames, video.duration
        if not frames:
            if duration is None or not video.rate:
                return None
            frames = round(duration * video.rate)
        return frame_range.count(frames, video.rate)


def _zero(container: InputContainer) -> Fraction:
    """The earliest start in formats that count time from anywhere, such as MPEG-TS; else 0."""
    if not container.format.flags & _STARTS_ANYWHERE:
        return Fraction(0)
    starts = [
        stream.start_time * stream.time_base
        for stream in (*container.streams.video, *container.streams.audio)
        if stream.start_time is not None and stream.time_base is not None
    ]
    return min(starts, default=Fraction(0))


def _pictures(video: OpenVideo, start: Fraction) -> Iterator[VideoFrame]:
    """The decoded pictures of a video, in the order of showing, some before `start` included.

    Frame threads stay off: they report errors late, and PyAV drops those that come while it
    empties the decoder.
    """
    from av.error import FFmpegError

    count = packets = 0
    end = Fraction(0)
    try:
        # Every stream is read, since the end of the sound also tells a whole file from a cut one.
        for packet in video.container.demux():
            if packet.is_corrupt:
                raise video.damaged(f"cut short or damaged after frame {count}")
            end = max(end, (video.shown(packet) or end) + _duration(packet))
            if packet.stream.index != video.stream.index:
                continue
            if packet.dts is not None or packet.pts is not None:
                packets += 1
                if not packet.size:
                    # A frame left out; to the decoder an empty packet would mean the end.
                    continue
            for picture in video.stream.decode(packet):
                if picture.is_corrupt:
                    if start > 0 and not count:
                        continue  # it leans on frames from before the place that was sought
                    raise video.damaged(f"damaged at frame {count}")
                yield picture
                count += 1
    except FFmpegError as error:
        raise video.damaged(f"{error.strerror or error} (after frame {count})") from error
    if (count == 0 and not start) or _ends_early(video, packets, end, whole=not start):
        raise video.damaged(f"cut short: it ends after {count} frames")


def _duration(packet: Packet[Stream]) -> Fraction:
    return (packet.duration or 0) * packet.time_base


def _ends_early(video: OpenVideo, packets: int, end: Fraction, whole: bool) -> bool:
    """True where the header promised more; libav takes the end of such a file for its true end.

    `whole`: packets were counted from the first on.
    """
    if video.is_mp4:
        if whole:
            return packets < len(video.stream.index_entries)
        return video.end is not None and end + _LATE < video.end
    animation = read_animation(video.path) if video.container.format.name == "gif" else None
    if animation is not None:
        return not animation.whole
    promised: Fraction | None = None
    if "matroska" in video.container.format.name:
        promised = video.duration
    elif video.container.format.name == "avi" and video.stream.time_base:
        promised = video.stream.frames * video.stream.time_base
    return promised is not None and end + _LATE < promised
