"""Reads the source of a video along with its output: the tracks to keep, and when frames end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from math import floor
from typing import TYPE_CHECKING

from fkd_infer.media.video.container import OpenVideo

if TYPE_CHECKING:
    from av.packet import Packet
    from av.stream import Stream

_INTERLEAVING_S = 1
"""Within which a file stores packets that are played at the same time."""


class SourceTracks:
    """The packets of a source's other tracks in step with its frames, from `start` seconds on.

    Nothing is decoded. Video packets are read too: they tell which frames there are, and so
    whether the frames that were written are all of them.
    """

    def __init__(self, video: OpenVideo, start: Fraction = Fraction(0)) -> None:
        self.video = video
        self.streams = video.companions
        self.left_out = video.others
        self._packets = self._packets_from(start)
        self._next: Packet[Stream] | None = None
        self._durations: dict[int, int] = {}  # of frames, by their time, in the picture's time base

    def packets_until(self, time: Fraction | None) -> Iterator[Packet[Stream]]:
        """Yields the next packets of other tracks up to a time, or all that are left."""
        limits: dict[int, int] = {}  # in the time base of each track
        for packet in self._read():
            if time is not None:
                limit = limits.get(packet.stream_index)
                if limit is None:
                    limit = floor((time + self.video.zero) / packet.time_base)
                    limits[packet.stream_index] = limit
                if _decoding_ticks(packet) > limit:
                    self._next = packet
                    return
            if packet.stream_index != self.video.stream.index:
                yield packet
            elif not packet.is_discard:
                self._note_frame(packet)

    def forget_frames_before(self, time: Fraction) -> None:
        """Drops the durations of frames before a time."""
        first = self._ticks(time)
        self._durations = {start: d for start, d in self._durations.items() if start >= first}

    def finish(
        self, last: Fraction, stride: int = 1
    ) -> tuple[Fraction | None, list[Packet[Stream]]]:
        """Returns when the frame at `last` ends, if known, and the packets that are left.

        The frame is shown until the `stride`-th frame after it. If the source has such a frame,
        writing stopped early, and other tracks end with the last frame.
        """
        packets = list(self.packets_until(last + _INTERLEAVING_S))
        following = self._following(last, stride)
        if following is None:
            packets += self.packets_until(None)
            following = self._following(last, stride)
        if following is None:
            return self._end(max(self._durations, default=self._ticks(last))), packets
        packets += self.packets_until(following)
        return following, [p for p in packets if self._decoding_time(p) < following]

    def _packets_from(self, start: Fraction) -> Iterator[Packet[Stream]]:
        def read() -> Iterator[Packet[Stream]]:
            return self.video.packets(self.video.stream, *self.streams)

        return self.video.read_from(start, read, self._decoding_time) if start else read()

    def _read(self) -> Iterator[Packet[Stream]]:
        from av.error import FFmpegError

        if self._next is not None:
            packet, self._next = self._next, None
            yield packet
        with suppress(FFmpegError):  # the reader of the frames has told it
            for packet in self._packets:
                # Empty packets stand for the end of a stream, or for a skipped frame.
                if packet.size:
                    yield packet

    def _decoding_time(self, packet: Packet[Stream]) -> Fraction:
        """Returns when a packet is decoded, in seconds; files store packets in this order."""
        return _decoding_ticks(packet) * packet.time_base - self.video.zero

    def _note_frame(self, packet: Packet[Stream]) -> None:
        ticks = packet.dts if packet.pts is None else packet.pts
        if ticks is not None:
            self._durations[ticks] = packet.duration or 0

    def _following(self, time: Fraction, stride: int) -> Fraction | None:
        now = self._ticks(time)
        later = sorted(start for start in self._durations if start > now)
        return self._time(later[stride - 1]) if len(later) >= stride else None

    def _end(self, last: int) -> Fraction | None:
        """Returns when the last frame of the file ends, if known.

        MP4 files state it exactly, but their durations of single frames are in decoding order,
        which differs for B-frames at a variable rate.
        """
        stated = self.video.end
        if self.video.is_mp4 and stated is not None and stated > self._time(last):
            return stated
        duration = self._durations.get(last)
        return self._time(last + duration) if duration else None

    def _ticks(self, time: Fraction) -> int:
        """Seconds in the picture's time base."""
        return round((time + self.video.zero) / self._base)

    def _time(self, ticks: int) -> Fraction:
        return ticks * self._base - self.video.zero

    @property
    def _base(self) -> Fraction:
        return self.video.stream.time_base or Fraction(1)


def _decoding_ticks(packet: Packet[Stream]) -> int:
    ticks = packet.pts if packet.dts is None else packet.dts
    return ticks or 0
