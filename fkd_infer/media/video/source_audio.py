"""The video that frames come from, read along while they are written: its sound and its end."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

from fkd_infer.media.video.reader import OpenVideo

if TYPE_CHECKING:
    from av.packet import Packet
    from av.stream import Stream

_AHEAD = 1
"""Seconds within which a file stores what belongs together."""


class SourceAudio:
    """Packets of sound in step with frames, and how long the last frame is shown.

    Nothing is decoded. Packets of video tell which frames there are, and so whether the frames
    that were written are all of them. It is read from `start` on, in seconds.
    """

    def __init__(self, video: OpenVideo, start: Fraction = Fraction(0)) -> None:
        self.video = video
        if start > 0:
            video.seek(start)
        self.sound = video.container.streams.audio
        self._packets: Iterator[Packet[Stream]] = video.container.demux(video.stream, *self.sound)
        self._held: Packet[Stream] | None = None
        self._shown: dict[Fraction, Fraction] = {}

    def sound_until(self, time: Fraction | None) -> Iterator[Packet[Stream]]:
        """The next packets of sound, up to a time, or all that are left."""
        for packet in self._read():
            if time is not None and self._due(packet) > time:
                self._held = packet
                return
            if packet.stream_index != self.video.stream.index:
                yield packet
            elif not packet.is_discard:
                self._note(packet)

    def forget(self, time: Fraction) -> None:
        """Drops what is known of frames before a time."""
        self._shown = {start: length for start, length in self._shown.items() if start >= time}

    def rest(self, last: Fraction, stride: int = 1) -> tuple[Fraction | None, list[Packet[Stream]]]:
        """The end of the frame at `last`, where it can be told, and the sound that is left.

        It is shown until the `stride`-th after it. Where there is one, writing stopped early: the
        sound then ends with the last frame.
        """
        sound = list(self.sound_until(last + _AHEAD))
        following = self._following(last, stride)
        if following is None:
            sound += self.sound_until(None)
            following = self._following(last, stride)
        if following is None:
            return self._end(max(self._shown, default=last)), sound
        sound += self.sound_until(following)
        return following, [packet for packet in sound if self._due(packet) < following]

    def _read(self) -> Iterator[Packet[Stream]]:
        from av.error import FFmpegError

        if self._held is not None:
            packet, self._held = self._held, None
            yield packet
        try:
            for packet in self._packets:
                # Empty packets stand for the end of a stream, or for a frame left out.
                if packet.size:
                    yield packet
        except FFmpegError as error:
            raise self.video.damaged(error.strerror or str(error)) from error

    def _due(self, packet: Packet[Stream]) -> Fraction:
        """When a packet is to be decoded, which is the order of packets in a file."""
        ticks = packet.pts if packet.dts is None else packet.dts
        return (ticks or 0) * packet.time_base - self.video.zero

    def _note(self, packet: Packet[Stream]) -> None:
        time = self.video.shown(packet)
        if time is not None:
            self._shown[time] = (packet.duration or 0) * packet.time_base

    def _following(self, time: Fraction, stride: int) -> Fraction | None:
        later = sorted(start for start in self._shown if start > time)
        return later[stride - 1] if len(later) >= stride else None

    def _end(self, last: Fraction) -> Fraction | None:
        """When the last frame of the file ends.

        An MP4 file says it exactly, but its durations of single frames are those of decoding,
        which differ where B-frames and a varying rate come together.
        """
        stated = self.video.end
        if self.video.is_mp4 and stated is not None and stated > last:
            return stated
        length = self._shown.get(last)
        return last + length if length else None
