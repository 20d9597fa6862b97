"""Writes frames to a video file, with the times and the sound of the video they came from.

The encoder makes no B-frames. So frames are stored in display order, and each frame's duration in
the file is its true one, even at a variable rate and for the last frame.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction
from math import lcm
from pathlib import Path
from typing import TYPE_CHECKING

from fkd_infer.errors import OutputError, StoppedError
from fkd_infer.media.encoder_errors import encoder_errors
from fkd_infer.media.video.companions.description import describe, tag_options, tags
from fkd_infer.media.video.companions.source_tracks import SourceTracks
from fkd_infer.media.video.companions.tracks import Track, open_track
from fkd_infer.media.video.container import OpenVideo, open_video
from fkd_infer.media.video.encoding import CONTAINERS, Encoding
from fkd_infer.media.video.picture_encoder import (
    clock_of,
    open_encoder,
    parameter_sets,
    stored_picture,
)
from fkd_infer.system.files.atomic import atomic_write
from fkd_infer.system.scoped import Scoped
from fkd_infer.types import Frame, FrameRange

if TYPE_CHECKING:
    from av.packet import Packet
    from av.stream import Stream
    from av.video.stream import VideoStream

_MAX_CLOCK = 2**31 - 1


class VideoSink(Scoped):
    """Writes a video file, which appears when it is complete; without frames there is no file.

    `source` is the video that the frames were read from: its sound, subtitles, cover, chapters and
    tags are kept, up to the last frame, as far as the container holds them.
    `frame_range` is the range that they were read by: if it has a start, the file begins there.
    """

    def __init__(
        self,
        path: Path,
        source: Path | None,
        encoding: Encoding = Encoding(),  # noqa: B008 (frozen)
        frame_range: FrameRange = FrameRange(),  # noqa: B008 (frozen)
    ) -> None:
        self._path = path
        self._source = source
        self._encoding = encoding
        self._range = frame_range
        self._file: _VideoFile | None = None

    def _scope(self) -> Iterator[None]:
        self._encoding.encoder(self._path)
        with atomic_write(self._path) as self._partial, self._opened_source() as self._tracks:
            try:
                # Frames before a StoppedError are good, and become a file.
                with suppress(StoppedError):
                    yield
                if self._file is None:
                    self._partial.unlink()
                else:
                    with encoder_errors(self._path):
                        self._file.finish()
            finally:
                if self._file is not None:
                    self._file.close()

    def write(self, frame: Frame) -> None:
        """Appends a frame, which must be of the same size as the one before."""
        with encoder_errors(self._path):
            self._opened(frame).write(frame)

    def write_encoded(self, first: Frame, time: Fraction, packet: Packet[VideoStream]) -> None:
        """Appends a frame that the same encoder encoded elsewhere; `first` is one like the first,
        and at its time."""
        with encoder_errors(self._path):
            self._opened(first).write_encoded(time, packet)

    def parameter_sets(self, first: Frame) -> bytes:
        """What the file tells decoders about all its frames, which are like the first."""
        with encoder_errors(self._path):
            return self._opened(first).parameter_sets()

    def _opened(self, first: Frame) -> _VideoFile:
        """The output file, which is opened with the first frame."""
        if self._file is None:
            self._file = _VideoFile(
                self._path, self._partial, first, self._tracks, self._encoding, self._range
            )
        return self._file

    @property
    def notes(self) -> Sequence[str]:
        """What could not be kept as it was."""
        return () if self._file is None else self._file.notes

    @contextmanager
    def _opened_source(self) -> Iterator[SourceTracks | None]:
        if self._source is None:
            yield None
            return
        with open_video(self._source) as video:
            yield SourceTracks(video, self._range.start)


class _VideoFile:
    """The open output file: an encoder, and the tracks that are kept of the source."""

    def __init__(
        self,
        path: Path,
        partial: Path,
        first: Frame,
        source: SourceTracks | None,
        encoding: Encoding,
        frame_range: FrameRange,
    ) -> None:
        import av

        self._path = path
        self._stride = frame_range.stride
        # The source's time at which the file begins.
        self._zero = first.time if frame_range.start > 0 else Fraction(0)
        self._source = source
        self._size = (first.width, first.height)
        self._tick: int | None = None
        self._last_packet: Packet[VideoStream] | None = None
        self.notes: list[str] = []

        format = CONTAINERS[path.suffix.lower()]
        kept: dict[str, str] = {}
        video = None if source is None else source.video
        if source is not None and not encoding.strip_metadata:
            kept, self.notes = tags(source.video, encoding.keep_location)
        self._container = av.open(
            str(partial.absolute()),
            "w",
            format=format,
            container_options=_clock_option(format, video) | tag_options(format, kept),
        )
        self._encoder = open_encoder(self._container, path, first, video, encoding)
        self._time_base, self._step = self._encoder.time_base, self._encoder.step
        self.notes += self._encoder.notes
        self._tracks: dict[int, Track] = {}
        self._shifts: dict[int, int] = {}  # of times, in each track's time base
        if source is not None:
            describe(self._container, self._encoder.stream, source.video, kept, self._zero)
            self._add_tracks(source)

    def write(self, frame: Frame) -> None:
        """Encodes a frame, and copies what other tracks have before it."""
        self._check_size(frame)
        tick = self._advance(frame.time)
        self._mux(self._encoder.encode(stored_picture(frame), tick))

    def write_encoded(self, time: Fraction, packet: Packet[VideoStream]) -> None:
        """Adds an encoded frame, and copies what other tracks have before it."""
        packet.pts = packet.dts = self._advance(time)
        packet.duration = 0  # as encoders leave it
        packet.time_base, packet.stream = self._time_base, self._encoder.stream
        self._mux([packet])

    def parameter_sets(self) -> bytes:
        """What the encoder writes once for all frames."""
        self._container.start_encoding()
        return parameter_sets(self._encoder.stream)

    def finish(self) -> None:
        """Writes the encoder's last packets and the rest of other tracks, and closes the file."""
        assert self._tick is not None
        duration = self._step
        if self._source is not None:
            last = self._tick * self._time_base + self._zero
            end, packets = self._source.finish(last, self._stride)
            self._copy(self._source, packets)
            duration = self._step if end is None else round((end - last) / self._time_base)
        for track in self._tracks.values():
            self._container.mux(list(track.finish()))
        self._mux(self._encoder.finish())
        if self._last_packet is not None:
            self._last_packet.duration = duration
            self._container.mux(self._last_packet)
        self._container.close()

    def close(self) -> None:
        """Closes the file as it is."""
        from av.error import FFmpegError

        # An error of a file that is discarded would hide the error that led here.
        with suppress(FFmpegError):
            self._container.close()

    def _check_size(self, frame: Frame) -> None:
        """Raises OutputError for a frame of another size."""
        if (frame.width, frame.height) != self._size:
            raise OutputError(
                self._path,
                f"frame {frame.index} is {frame.width}x{frame.height} and those before are "
                f"{self._size[0]}x{self._size[1]}; a video has one size",
            )

    def _advance(self, time: Fraction) -> int:
        """Copies what other tracks have before a time; returns the timestamp of its frame."""
        if self._source is not None:
            self._source.forget_frames_before(time)
            self._copy(self._source, self._source.packets_until(time))
        tick = round((time - self._zero) / self._time_base)
        if self._tick is not None:
            # Of two frames at one time, both are kept; a file needs them one after the other.
            tick = max(tick, self._tick + 1)
            self._step = tick - self._tick
        self._tick = tick
        return tick

    def _add_tracks(self, source: SourceTracks) -> None:
        """Adds the tracks that are kept, and notes those that are not, or not as they are."""
        for stream in source.streams:
            track, note = open_track(self._container, self._path.suffix, stream)
            if track is not None:
                self._tracks[stream.index] = track
            if note is not None:
                self.notes.append(note)
        for kind in sorted({stream.type for stream in source.left_out}):
            self.notes.append(f"without its {'second picture' if kind == 'video' else kind} track")

    def _mux(self, packets: Sequence[Packet[VideoStream]]) -> None:
        """Writes all packets but the newest, whose duration may have to be set at the end."""
        for packet in packets:
            if self._last_packet is not None:
                self._container.mux(self._last_packet)
            self._last_packet = packet

    def _copy(self, source: SourceTracks, packets: Iterable[Packet[Stream]]) -> None:
        """Writes packets of other tracks, with times that count from the file's beginning."""
        from av.error import InvalidDataError

        for packet in packets:
            if self._zero:
                time = source.video.time_of(packet)
                if time is not None and time < self._zero:
                    continue  # before the file's beginning
            if packet.stream_index not in self._shifts:
                zero = source.video.zero + self._zero
                self._shifts[packet.stream_index] = round(zero / packet.time_base)
            shift = self._shifts[packet.stream_index]
            packet.pts = None if packet.pts is None else packet.pts - shift
            packet.dts = packet.pts if packet.dts is None else packet.dts - shift
            if track := self._tracks.get(packet.stream_index):
                # A container refuses packets that were cut off; the file's reader reports damage.
                with suppress(InvalidDataError):
                    self._container.mux(list(track.add(packet)))


def _clock_option(format: str, source: OpenVideo | None) -> dict[str, str]:
    """Returns the option that makes MP4 store durations and starts finer than in milliseconds."""
    if format not in ("mp4", "mov"):
        return {}
    sounds = () if source is None else source.sounds
    picture = clock_of(source)[0].denominator
    clock = lcm(picture, *(sound.rate for sound in sounds))
    return {"movie_timescale": str(clock if clock <= _MAX_CLOCK else picture)}
