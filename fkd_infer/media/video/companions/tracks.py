"""Tracks of a source in its output: copied, encoded where the container cannot hold them, or left
out, with a note."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from fractions import Fraction
from functools import cached_property
from io import BytesIO
from typing import TYPE_CHECKING, Protocol

from fkd_infer.media.video.container import is_cover

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.resampler import AudioResampler
    from av.audio.stream import AudioStream
    from av.container import OutputContainer
    from av.packet import Packet
    from av.stream import Stream

_COPIED_TAGS = ("language", "title", "filename", "mimetype")
_AAC, _OPUS = ("aac", "AAC"), ("libopus", "Opus")
"""libav's names of encoders, and those of their formats: AAC plays everywhere, WebM has Opus."""
_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}
"""By number of channels; others are mixed to stereo."""
_BITS_PER_CHANNEL = 96_000
"""Bits a second."""
_MAX_DRIFT_S = Fraction(1, 10)
"""By which stated times of sound may differ from the sum of its samples before that is a gap."""
_NOUNS = {
    "audio": "sound",
    "subtitle": "subtitles",
    "video": "a cover picture",
    "attachment": "an attachment",
}
"""The tracks that accompany a picture, by type."""


class Track(Protocol):
    """Turns packets of a source's track into those of the output."""

    def add(self, packet: Packet[Stream]) -> Iterable[Packet[Stream]]:
        """Returns what is to be written for a packet of the source."""
        ...

    def finish(self) -> Iterable[Packet[Stream]]:
        """Returns what is left to be written."""
        ...


def open_track(
    container: OutputContainer, suffix: str, source: Stream
) -> tuple[Track | None, str | None]:
    """Adds a track for one of the source's to the output, if its format can hold it in any form.

    Also returns a note if it is not a copy. `suffix` is that of the output.
    """
    from av.audio.stream import AudioStream

    codec = source.codec_context.name if source.codec_context else None
    if _is_held(container.format.name, source):
        return CopiedTrack(container, source), None
    noun = _NOUNS[source.type]
    if not isinstance(source, AudioStream) or codec is None:
        what = f"{noun} in {codec}" if codec else noun
        return None, f"without {what}, which {suffix} does not hold"
    encoder, name = _OPUS if container.format.name == "webm" else _AAC
    note = f"its sound is encoded as {name}: {suffix} does not hold {codec}"
    return EncodedTrack(container, source, encoder), note


def _is_held(format: str, stream: Stream) -> bool:
    """Whether a format of libav's holds a track as it is: writes a header in memory."""
    import av
    from av.error import FFmpegError

    try:
        with av.open(BytesIO(), "w", format=format) as trial:
            trial.add_stream_from_template(stream)
            trial.start_encoding()
    except (FFmpegError, ValueError):
        return False
    return True


class CopiedTrack:
    """Passes packets on; those that overlap others are left out, as where recordings join."""

    def __init__(self, container: OutputContainer, source: Stream) -> None:
        self._stream = container.add_stream_from_template(source)
        self._is_cover = is_cover(source)
        _copy_description(source, self._stream)
        self._last: int | None = None

    def add(self, packet: Packet[Stream]) -> Iterator[Packet[Stream]]:
        """Yields what is to be written for a packet of the source."""
        if self._is_cover:
            packet.pts = packet.dts = 0
        if packet.dts is not None and self._last is not None and packet.dts <= self._last:
            return
        self._last = packet.dts
        packet.stream = self._stream
        yield packet

    def finish(self) -> Iterable[Packet[Stream]]:
        """Returns what is left to be written."""
        return ()


class EncodedTrack:
    """Decodes sound and encodes it again."""

    def __init__(self, container: OutputContainer, source: AudioStream, encoder: str) -> None:
        from av.audio.stream import AudioStream

        decoder = source.codec_context
        self._source = source
        stream = container.add_stream(encoder, rate=_rate(encoder, decoder.sample_rate))
        assert isinstance(stream, AudioStream)
        context = stream.codec_context
        context.layout = _LAYOUTS.get(decoder.layout.nb_channels, "stereo")
        context.bit_rate = _BITS_PER_CHANNEL * context.layout.nb_channels
        _copy_description(source, stream)
        self._container = container
        self._stream = stream
        self._next: int | None = None  # when the next frame begins, in samples

    @cached_property
    def _resampler(self) -> AudioResampler:
        from av.audio.resampler import AudioResampler

        self._container.start_encoding()  # opens the encoder, which then knows its frame size
        encoder = self._stream.codec_context
        return AudioResampler(
            encoder.format, encoder.layout, encoder.sample_rate, encoder.frame_size
        )

    def add(self, packet: Packet[Stream]) -> Iterator[Packet[Stream]]:
        """Yields what is to be written for a packet of the source."""
        from av.error import FFmpegError

        frames: Sequence[AudioFrame] = ()
        with suppress(FFmpegError):  # a gap; the file's reader reports damage
            frames = self._source.decode(packet)
        yield from self._encoded(frames)

    def finish(self) -> Iterator[Packet[Stream]]:
        """Yields what is left to be written."""
        yield from self._encoded([*self._source.decode(None), None])
        yield from self._stream.encode(None)

    def _time(self, frame: AudioFrame) -> None:
        """Sets a decoded frame's time in samples: right after the frame before, unless there is a
        gap, since containers may count in packets or milliseconds."""
        rate = frame.sample_rate
        if frame.pts is not None and frame.time_base is not None:
            stated = round(frame.pts * frame.time_base * rate)
            if self._next is None or abs(stated - self._next) > _MAX_DRIFT_S * rate:
                self._next = stated
        self._next = self._next or 0
        frame.pts, frame.time_base = self._next, Fraction(1, rate)
        self._next += frame.samples

    def _encoded(self, frames: Iterable[AudioFrame | None]) -> Iterator[Packet[Stream]]:
        for frame in frames:
            if frame is not None:
                self._time(frame)
            for resampled in self._resampler.resample(frame):
                yield from self._stream.encode(resampled)


def _rate(encoder: str, rate: int) -> int:
    """The lowest rate of an encoder that keeps all that a rate holds, or its highest."""
    from av.codec import Codec

    rates = Codec(encoder, "w").audio_rates or [rate]
    return min((r for r in rates if r >= rate), default=max(rates))


def _copy_description(source: Stream, track: Stream) -> None:
    track.metadata.update({k: v for k, v in source.metadata.items() if k in _COPIED_TAGS})
    track.disposition = source.disposition
