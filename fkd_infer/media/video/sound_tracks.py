"""The sound of a video in its output: copied, or encoded where the container cannot hold it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.resampler import AudioResampler
    from av.audio.stream import AudioStream
    from av.container import OutputContainer
    from av.packet import Packet
    from av.stream import Stream

_COPIED_TAGS = ("language", "title")
_ENCODER = "aac"
"""Plays everywhere, in every container that is written."""
_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}
"""By number of channels; others are mixed to stereo."""
_BITS_PER_CHANNEL = 96_000
"""Bits a second."""


def is_held(container: str, stream: AudioStream) -> bool:
    """Whether a format of libav's, by its name, holds the sound as it is: writes a header in
    memory."""
    import av
    from av.error import FFmpegError

    try:
        with av.open(BytesIO(), "w", format=container) as trial:
            trial.add_stream_from_template(stream)
            trial.start_encoding()
    except (FFmpegError, ValueError):
        return False
    return True


class CopiedTrack:
    """Passes packets on; those that overlap others are left out, as where recordings join."""

    def __init__(self, container: OutputContainer, source: AudioStream) -> None:
        self._stream = container.add_stream_from_template(source)
        _copy_description(source, self._stream)
        self._last: int | None = None

    def add(self, packet: Packet[Stream]) -> Iterator[Packet[Stream]]:
        """Yields what is to be written for a packet of the source."""
        if packet.dts is not None and self._last is not None and packet.dts <= self._last:
            return
        self._last = packet.dts
        packet.stream = self._stream
        yield packet

    def finish(self) -> Iterable[Packet[Stream]]:
        """Returns what is left to be written."""
        return ()


class EncodedTrack:
    """Decodes packets and encodes them as AAC."""

    def __init__(self, container: OutputContainer, source: AudioStream) -> None:
        from av.audio.stream import AudioStream

        decoder = source.codec_context
        self._source = source
        stream = container.add_stream(_ENCODER, rate=_rate(decoder.sample_rate))
        assert isinstance(stream, AudioStream)
        encoder = stream.codec_context
        encoder.layout = _LAYOUTS.get(decoder.layout.nb_channels, "stereo")
        encoder.bit_rate = _BITS_PER_CHANNEL * encoder.layout.nb_channels
        _copy_description(source, stream)
        self._container = container
        self._stream = stream

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

    def _encoded(self, frames: Iterable[AudioFrame | None]) -> Iterator[Packet[Stream]]:
        for frame in frames:
            for resampled in self._resampler.resample(frame):
                yield from self._stream.encode(resampled)


def _rate(rate: int) -> int:
    """The lowest rate of the encoder that keeps all that a rate holds, or its highest."""
    from av.codec import Codec

    rates = Codec(_ENCODER, "w").audio_rates or [rate]
    return min((r for r in rates if r >= rate), default=max(rates))


def _copy_description(source: AudioStream, stream: AudioStream) -> None:
    stream.metadata.update({k: v for k, v in source.metadata.items() if k in _COPIED_TAGS})
    stream.disposition = source.disposition
