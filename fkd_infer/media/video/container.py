"""Opens video files."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from fkd_infer.errors import UnreadableVideoError
from fkd_infer.media.video.steady_clock import SteadyClock
from fkd_infer.system.files.reading import check_regular

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.packet import Packet
    from av.stream import Stream
    from av.video.codeccontext import VideoCodecContext
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

T = TypeVar("T")

_FORMATS = (
    *("mov", "matroska", "webm", "avi", "mpegts", "mpeg", "asf", "flv", "ogg", "gif", "rm", "wtv"),
    *("mxf", "nut", "ivf", "av1", "obu", "dv", "h264", "hevc", "vvc", "m4v", "mpegvideo", "mjpeg"),
    *("yuv4mpegpipe", "apng", "webp", "mp3", "wav", "flac", "aac"),
)
"""libav's names of the formats that are read; audio formats are opened for a clear error."""
_FILES_ONLY = {"protocol_whitelist": "file", "format_whitelist": ",".join(_FORMATS)}
"""Playlists and lists of files are refused: they lead to other files or into the network."""
_MAX_RATE = 1000
"""Frames per second."""
_FIRST_STEP_BACK_S = Fraction(2)
"""By which a seek goes further back if it landed after its target; twice as far each time."""
_CONCEALED = frozenset(
    {
        *("h264", "mpeg4", "mpeg2video", "mpeg1video", "h263", "flv"),
        *("msmpeg4v1", "msmpeg4v2", "msmpeg4", "wmv1", "wmv2", "wmv3", "vc1"),
    }
)
"""Codecs whose decoders fill damaged parts from other pictures. PyAV's default, a thread per slice,
leaves them green or gray instead."""
_WITH_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
"""Codecs whose alpha only another decoder reads."""
_BOTTOM_FIRST = (3, 5)
"""Values of AVFieldOrder, as libav's own encoders set them: both begin with bottom."""
_STARTS_ANYWHERE, _NO_TIMESTAMPS = 0x0200, 0x0080
"""AVFMT_TS_DISCONT and AVFMT_NOTIMESTAMPS, flags of formats."""


@dataclass(frozen=True)
class OpenVideo:
    """An open video file, and its picture: the video stream that is marked as the default, or else
    the first that is no cover picture.

    `zero` is the file's timestamp that counts as zero, in seconds.
    """

    path: Path
    container: InputContainer
    stream: VideoStream
    decoder: VideoCodecContext
    zero: Fraction

    @property
    def rate(self) -> Fraction | None:
        """Average frames per second; None if the file does not state it. Some formats state the
        rate of their clock."""
        rates = (self.stream.average_rate, self.stream.guessed_rate)
        return next((rate for rate in rates if rate and rate <= _MAX_RATE), None)

    @property
    def is_mp4(self) -> bool:
        """Whether the file is MP4 or QuickTime, whose header lists every frame."""
        return "mp4" in self.container.format.name.split(",")

    @property
    def bottom_first(self) -> bool:
        """Whether the lower half of interlaced pictures is shown first."""
        order = self.stream.codec_context.field_order
        return order in _BOTTOM_FIRST or (not order and self.stream.codec_context.name == "dvvideo")

    @property
    def duration(self) -> Fraction | None:
        """Seconds of the longest stream; None if the file does not state it."""
        import av

        ticks = self.container.duration
        return None if ticks is None else Fraction(ticks, av.time_base)

    @property
    def picture_duration(self) -> Fraction | None:
        """Seconds of the picture, if the file states them apart, as Matroska often does."""
        parts = self.stream.metadata.get("DURATION", "").split(":")
        try:
            hours, minutes, seconds = map(Fraction, parts)
        except ValueError:
            return None
        return 3600 * hours + 60 * minutes + seconds

    @property
    def end(self) -> Fraction | None:
        """When the last frame ends, in seconds; None if the stream's header does not state it."""
        start, duration = self.stream.start_time, self.stream.duration
        if duration is None or self.stream.time_base is None:
            return None
        return ((start or 0) + duration) * self.stream.time_base - self.zero

    @property
    def has_timestamps(self) -> bool:
        """Whether the format stores times at all; bare streams of a codec do not."""
        return not self.container.format.flags & _NO_TIMESTAMPS

    def read_from(
        self, start: Fraction, read: Callable[[], Iterator[T]], time_of: Callable[[T], Fraction]
    ) -> Iterator[T]:
        """Seeks, and yields what `read` then yields, from before a time on.

        A seek may land after its target, where the format's index is wrong, or at a picture that
        cannot be decoded without those before it. Then it is repeated from further back.
        """
        back = Fraction(0)
        while True:
            target = max(start - back, Fraction(0))
            can_seek = self._seek(target)
            items = read()
            first = next(items, None)
            landed = first is not None and time_of(first) <= start
            if landed or not can_seek or not target:
                break
            back = 2 * back or _FIRST_STEP_BACK_S
        if first is not None:
            yield first
            yield from items

    def _seek(self, time: Fraction) -> bool:
        """Continues near a time; returns whether the format can. If it cannot, the file, of which
        nothing was read yet, is at its beginning."""
        import av
        from av.error import FFmpegError

        if not self.has_timestamps:
            return False
        try:
            # Rounded up, since it would lead before a key frame at just this time otherwise.
            self.container.seek(ceil((time + self.zero) * av.time_base))
        except FFmpegError:
            self.container.seek(0)
            return False
        finally:
            self.decoder.flush_buffers()
        return True

    def packets(self, *streams: Stream) -> Iterator[Packet[Stream]]:
        """Yields packets of streams, as stored, with times on one clock; libav's errors pass."""
        return (packet for packet, _ in self.packets_as_stored(*streams))

    def packets_as_stored(self, *streams: Stream) -> Iterator[tuple[Packet[Stream], int | None]]:
        """Yields the same packets, each with the decoding time that the file states for it."""
        steady = SteadyClock(may_jump=bool(self.container.format.flags & _STARTS_ANYWHERE))
        for packet in self.container.demux(*streams):
            stored = packet.pts if packet.dts is None else packet.dts
            steady(packet)
            yield packet, stored

    def time_of(self, packet: Packet[Stream]) -> Fraction | None:
        """Returns when a packet is shown or heard, in seconds; None without a timestamp."""
        ticks = packet.dts if packet.pts is None else packet.pts
        return None if ticks is None else ticks * packet.time_base - self.zero

    def time_of_picture(self, picture: VideoFrame) -> Fraction | None:
        """Returns when a decoded picture is shown, in seconds; None without a timestamp."""
        # AVI stores no order of display, and libav's guess is wrong where there are B-frames. The
        # decoding times of the packets that released the pictures are in order.
        unordered = picture.pts is None or self.container.format.name == "avi"
        ticks = picture.dts if unordered else picture.pts
        if ticks is None or picture.time_base is None:
            return None
        return ticks * picture.time_base - self.zero

    @property
    def sounds(self) -> Sequence[AudioStream]:
        """The sound tracks."""
        return self.container.streams.audio

    @property
    def companions(self) -> Sequence[Stream]:
        """The tracks that an output of the picture keeps: sound, subtitles, cover pictures, and
        what is attached. Timecodes and chapters are metadata, though some files have tracks of
        them."""
        streams = self.container.streams
        covers = [stream for stream in streams.video if is_cover(stream)]
        return [*streams.audio, *streams.subtitles, *covers, *streams.attachments]

    @property
    def others(self) -> Sequence[Stream]:
        """The tracks that are not kept."""
        kept = {self.stream.index, *(stream.index for stream in self.companions)}
        others = (stream for stream in self.container.streams if stream.index not in kept)
        has_chapters = bool(self.container.chapters())
        return [
            stream
            for stream in others
            if stream.type != "data" or not (has_chapters or "timecode" in stream.metadata)
        ]

    def without_alpha(self) -> OpenVideo:
        """The video from its beginning, read by libav's own decoder, which endures more damage."""
        self.container.seek(0)
        return replace(self, decoder=self.stream.codec_context)

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
        if _lacks_index(path):
            why = "it is cut short: the list of its frames (moov), which follows them, is missing"
        raise UnreadableVideoError(path, why) from error
    with container:
        films = [stream for stream in container.streams.video if not is_cover(stream)]
        if not films:
            raise UnreadableVideoError(path, "it holds no video stream")
        film = next((one for one in films if one.disposition & Disposition.default), films[0])
        if not film.codec_context:
            raise UnreadableVideoError(path, "there is no decoder for its video stream")
        yield OpenVideo(path, container, film, _decoder(film), _zero(container))


def _lacks_index(path: Path) -> bool:
    """Whether a file is an MP4 or QuickTime movie whose recording never ended, or that was cut."""
    names = []
    with suppress(OSError), path.open("rb") as file:
        while len(header := file.read(16)) >= 8:
            size, name = int.from_bytes(header[:4]), header[4:8]
            names.append(name)
            if size == 1:  # a length of 64 bits follows
                size = int.from_bytes(header[8:])
            if size < 8:
                break
            file.seek(size - len(header), os.SEEK_CUR)
    return names[:1] == [b"ftyp"] and b"moov" not in names


def _decoder(film: VideoStream) -> VideoCodecContext:
    """The decoder of a stream: libav's own, or for VP8 and VP9 with alpha that of libvpx."""
    from av.codec.context import CodecContext
    from av.video.codeccontext import VideoCodecContext

    tags = {key.lower(): value for key, value in film.metadata.items()}
    if tags.get("alpha_mode") == "1" and film.codec_context.name in _WITH_ALPHA:
        decoder = CodecContext.create(_WITH_ALPHA[film.codec_context.name], "r")
        assert isinstance(decoder, VideoCodecContext)
        return decoder
    if film.codec_context.name in _CONCEALED:
        film.codec_context.thread_count = 1
    return film.codec_context


def is_cover(stream: Stream) -> bool:
    """Whether a track is a cover picture or thumbnails."""
    from av.stream import Disposition

    return bool(stream.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails))


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
