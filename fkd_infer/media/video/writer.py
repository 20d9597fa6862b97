"""Frames to a video file, with the times and the sound of the video they came from.

The encoder makes no B-frames. So frames are stored in the order of showing, and a frame's
duration in the file is its true one, also at a varying rate and in the very last frame.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from math import lcm
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np

from fkd_infer.choices import DEFAULT_CODEC, DEFAULT_QUALITY, Codec
from fkd_infer.errors import OutputError, StoppedError
from fkd_infer.geometry.arrays import Pixels
from fkd_infer.media.video.colour import MATRIX, to_i420
from fkd_infer.media.video.reader import open_video
from fkd_infer.media.video.source_audio import SourceAudio
from fkd_infer.system.files.atomic import atomic_write
from fkd_infer.types import Frame, FrameRange

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import OutputContainer
    from av.packet import Packet
    from av.stream import Stream
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

CONTAINERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
"""Suffixes that a video can be written with, and libav's names of their formats."""

_BT709 = _LIMITED = 1
"""libav's numbers for BT.709 as primaries and transfer, and for luma from 16 to 235."""
_TIME_BASE = Fraction(1, 120_000)
"""For frames without a file behind them: holds the steps of 24, 25, 30 and 60 Hz and of NTSC."""
_RATE = Fraction(30)
_KEPT_TAGS = ("language", "title")
_LARGEST_CLOCK = 2**31 - 1


@dataclass(frozen=True, slots=True)
class _Encoder:
    """libav's name of an encoder, its options, its rate factors for the worst and for the usual
    quality, and the pixels that it takes for sizes that are odd, if it takes any."""

    name: str
    options: dict[str, str]
    worst: int
    usual: int
    odd: str | None = "yuv444p"


_ENCODERS: dict[Codec, _Encoder] = {
    "h264": _Encoder("libx264", {"preset": "veryfast"}, 51, 20),
    "h265": _Encoder("libx265", {"preset": "veryfast", "x265-params": "log-level=none"}, 51, 24),
    "vp9": _Encoder(
        "libvpx-vp9", {"deadline": "realtime", "cpu-used": "6", "row-mt": "1", "b": "0"}, 63, 31
    ),
    "av1": _Encoder("libsvtav1", {"preset": "10"}, 63, 32, odd=None),
}


@dataclass(frozen=True, slots=True)
class Encoding:
    """How video is encoded: quality from 0 to 100, which is nearly as good as it was; None is what
    is usual for the codec. It is a constant rate factor, so that hard scenes get more bits."""

    codec: Codec = DEFAULT_CODEC
    quality: int | None = None

    @property
    def encoder(self) -> _Encoder:
        """libav's encoder."""
        return _ENCODERS[self.codec]

    @property
    def options(self) -> dict[str, str]:
        """The encoder's options."""
        usual, worst = self.encoder.usual, self.encoder.worst
        quality = DEFAULT_QUALITY if self.quality is None else self.quality
        factor = round(worst - (worst - usual) * quality / DEFAULT_QUALITY)
        return {**self.encoder.options, "crf": str(factor)}


class VideoSink:
    """A video file of the frames written to it; `like` is the video that they were read from.

    The sound of `like` is copied as far as frames were written; without `like` there is none.
    `frame_range` is the one they were read by: where it has a start, the file
    begins with the first of them.
    """

    def __init__(
        self,
        path: Path,
        like: Path | None,
        encoding: Encoding = Encoding(),
        frame_range: FrameRange = FrameRange(),  # noqa: B008 (frozen)
    ) -> None:
        self._path = path
        self._like = like
        self._encoding = encoding
        self._frame_range = frame_range
        self._original: SourceAudio | None = None
        self._output: _Output | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        if self._path.suffix.lower() not in CONTAINERS:
            raise OutputError(self._path, f"a video's name ends in {', '.join(CONTAINERS)}")
        self._check_codec()
        with ExitStack() as stack:
            self._partial = stack.enter_context(atomic_write(self._path))
            if self._like is not None:
                video = stack.enter_context(open_video(self._like))
                self._original = SourceAudio(video, self._frame_range.start)
                _check_sound(self._path, self._like, self._original.sound)
            stack.push(self._close)
            self._stack = stack.pop_all()
        return self

    def _check_codec(self) -> None:
        """Raises OutputError where players would not expect the codec in such a file."""
        if self._path.suffix.lower() == ".mov" and self._encoding.codec in ("vp9", "av1"):
            why = f".mov does not hold {self._encoding.codec}"
            raise OutputError(self._path, why, "choose --codec h264 or h265")

    def write(self, frame: Frame) -> None:
        """Appends a frame, which must be later than the one before and of the same size."""
        with _encoding(self._path):
            if self._output is None:
                self._output = _Output(
                    self._path,
                    self._partial,
                    frame,
                    self._original,
                    self._encoding,
                    self._frame_range,
                )
            self._output.write(frame)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, StoppedError):
            kind = error = trace = None  # what came before is good
        self._stack.__exit__(kind, error, trace)

    def _close(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._output is None:
            self._partial.unlink()  # no frame, no file
            return
        try:
            if error is None:
                with _encoding(self._path):
                    self._output.finish()
        finally:
            self._output.abandon()


class _Output:
    """The open output file: an encoder, and streams of copied sound."""

    def __init__(
        self,
        path: Path,
        partial: Path,
        first: Frame,
        original: SourceAudio | None,
        encoding: Encoding,
        frame_range: FrameRange,
    ) -> None:
        import av
        from av.video.reformatter import VideoReformatter

        self._path = path
        self._encoding = encoding
        self._stride = frame_range.stride
        # Where the file begins, in the time of what frames are from.
        self._zero = first.time if frame_range.start > 0 else Fraction(0)
        self._original = original
        self._size = (first.width, first.height)
        self._time_base, self._rate = _clock(original)
        self._reformatter = VideoReformatter()
        self._tick: int | None = None
        self._step = round(1 / (self._rate * self._time_base))
        self._held: Packet[VideoStream] | None = None

        sound = original.sound if original else ()
        self._container = av.open(
            str(partial.absolute()),
            "w",
            format=CONTAINERS[path.suffix.lower()],
            container_options=_clock_option(path, self._time_base, sound),
        )
        self._stream = self._add_encoder()
        self._copies = {stream.index: _add_copy(self._container, stream) for stream in sound}

    def write(self, frame: Frame) -> None:
        """Encodes a frame, and copies the sound before it."""
        tick = self._checked_tick(frame)
        if self._original is not None:
            self._original.forget(frame.time)
            self._copy(self._original.sound_until(frame.time))
        if self._tick is not None:
            self._step = tick - self._tick
        self._tick = tick
        self._mux(self._stream.encode(self._picture(frame.image, tick)))

    def finish(self) -> None:
        """Writes what the encoder holds and the sound that is left, and closes the file."""
        assert self._tick is not None
        length = self._step
        if self._original is not None:
            last = self._tick * self._time_base + self._zero
            end, sound = self._original.rest(last, self._stride)
            self._copy(sound)
            length = self._step if end is None else round((end - last) / self._time_base)
        self._mux(self._stream.encode(None))
        if self._held is not None:
            self._held.duration = length
            self._container.mux(self._held)
        self._container.close()

    def abandon(self) -> None:
        """Closes the file as it is."""
        from av.error import FFmpegError

        # A complaint about a file that is thrown away would hide the error that led here.
        with suppress(FFmpegError):
            self._container.close()

    def _checked_tick(self, frame: Frame) -> int:
        if (frame.width, frame.height) != self._size:
            raise OutputError(
                self._path,
                f"frame {frame.index} is {frame.width}x{frame.height} and those before are "
                f"{self._size[0]}x{self._size[1]}; a video has one size",
            )
        tick = round((frame.time - self._zero) / self._time_base)
        if self._tick is not None and tick <= self._tick:
            when = f"frame {frame.index} at {float(frame.time):.3f} s"
            raise OutputError(
                self._path,
                f"{when} is not later than the one before",
                "mend the source's times with: ffmpeg -i SOURCE -fps_mode cfr mended.mp4",
            )
        return tick

    def _add_encoder(self) -> VideoStream:
        from av.codec.context import ThreadType
        from av.video.stream import VideoStream

        encoder = self._encoding.encoder
        options = self._encoding.options
        stream = self._container.add_stream(encoder.name, rate=self._rate, options=options)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = self._size
        stream.pix_fmt = _pixels(self._path, self._encoding, self._size)
        stream.time_base = self._time_base
        context = stream.codec_context
        context.time_base = self._time_base
        context.max_b_frames = 0
        # PyAV's default, threads by slices, costs x264 both speed and quality.
        context.thread_type = ThreadType.AUTO
        context.colorspace = MATRIX
        context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED
        if self._original is not None:
            source = self._original.video.stream
            aspect = source.sample_aspect_ratio
            if aspect and (source.width, source.height) == self._size:
                context.sample_aspect_ratio = aspect
        return stream

    def _picture(self, image: Pixels, tick: int) -> VideoFrame:
        from av.video.frame import VideoFrame
        from av.video.reformatter import ColorRange, Colorspace, Interpolation

        if self._stream.pix_fmt == "yuv420p":
            picture = VideoFrame.from_ndarray(to_i420(image), format="yuv420p")
        else:
            exactly = Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INP
            picture = self._reformatter.reformat(
                VideoFrame.from_ndarray(np.ascontiguousarray(image), format="bgr24"),
                format=self._stream.pix_fmt,
                dst_colorspace=Colorspace.ITU601,
                dst_color_range=ColorRange.MPEG,
                interpolation=Interpolation.BILINEAR | exactly,
                threads=1,
            )
        picture.pts = tick
        picture.time_base = self._time_base
        return picture

    def _mux(self, packets: Sequence[Packet[VideoStream]]) -> None:
        """Writes packets but the newest: only the end tells the last one's duration."""
        for packet in packets:
            if self._held is not None:
                self._container.mux(self._held)
            self._held = packet

    def _copy(self, packets: Iterable[Packet[Stream]]) -> None:
        if self._original is None:
            return
        zero = self._original.video.zero + self._zero
        for packet in packets:
            shown = self._original.video.shown(packet)
            if self._zero and shown is not None and shown < self._zero:
                continue  # before the cut
            shift = round(zero / packet.time_base)
            packet.pts = None if packet.pts is None else packet.pts - shift
            packet.dts = packet.pts if packet.dts is None else packet.dts - shift
            packet.stream = self._copies[packet.stream_index]
            self._container.mux(packet)


def _pixels(path: Path, encoding: Encoding, size: tuple[int, int]) -> str:
    """The format that pictures of a size are encoded from; raises OutputError if there is none."""
    if size[0] % 2 == size[1] % 2 == 0:
        return "yuv420p"
    if encoding.encoder.odd is None:
        why = f"{encoding.codec} takes no frames of {size[0]}x{size[1]}"
        raise OutputError(path, why, "choose --codec h264")
    return encoding.encoder.odd


@contextmanager
def _encoding(path: Path) -> Iterator[None]:
    """Turns libav's errors into one that names the output."""
    from av.error import FFmpegError

    try:
        yield
    except FFmpegError as error:
        raise OutputError(path, error.strerror or str(error)) from error


def _clock(original: SourceAudio | None) -> tuple[Fraction, Fraction]:
    """The unit of time, so that every frame's time is exact, and the rate."""
    if original is None:
        return _TIME_BASE, _RATE
    return original.video.stream.time_base or _TIME_BASE, original.video.rate or _RATE


def _clock_option(path: Path, time_base: Fraction, sound: Sequence[AudioStream]) -> dict[str, str]:
    """Has MP4 count its total and its starts finely enough, instead of in milliseconds."""
    if CONTAINERS[path.suffix.lower()] == "matroska":
        return {}
    clock = lcm(time_base.denominator, *(stream.rate for stream in sound))
    clock = clock if clock <= _LARGEST_CLOCK else time_base.denominator
    return {"movie_timescale": str(clock)}


def _add_copy(container: OutputContainer, stream: AudioStream) -> AudioStream:
    copy = container.add_stream_from_template(stream)
    copy.metadata.update({k: v for k, v in stream.metadata.items() if k in _KEPT_TAGS})
    copy.disposition = stream.disposition
    return copy


def _check_sound(path: Path, like: Path, sound: Sequence[AudioStream]) -> None:
    """Writes the head of such a file to memory: a codec it cannot hold shows up there."""
    import av
    from av.error import FFmpegError

    for stream in sound:
        try:
            with av.open(BytesIO(), "w", format=CONTAINERS[path.suffix.lower()]) as trial:
                _add_copy(trial, stream)
                trial.start_encoding()
        except (FFmpegError, ValueError) as error:
            codec = stream.codec_context.name if stream.codec_context else "unknown"
            raise OutputError(
                path,
                f"{path.suffix} does not hold {codec} sound",
                f"convert it first, with: ffmpeg -i {like.name} -c:v copy -c:a aac {like.stem}.mkv",
            ) from error
