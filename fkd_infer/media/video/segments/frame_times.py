"""Reads when the frames of a video are shown, and at which of them it can be cut."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from fkd_infer.errors import SegmentError
from fkd_infer.media.video.container import OpenVideo, open_video

if TYPE_CHECKING:
    from av.packet import Packet
    from av.stream import Stream


@dataclass(frozen=True)
class FrameTimes:
    """The times of a video's frames, in seconds, in the order in which they are shown; `keys` are
    those of frames that are decoded without any before them."""

    times: list[Fraction]
    keys: list[Fraction]


def read_frame_times(path: Path) -> FrameTimes:
    """Reads the times from a file's packets; nothing is decoded.

    Raises SegmentError for files whose frames may have other times if decoding begins at one of
    them, and UnreadableVideoError.
    """
    with open_video(path) as video:
        if not video.has_timestamps:
            raise SegmentError(path, "its format stores no times")
        if video.container.format.name == "avi":
            raise SegmentError(path, "AVI stores no order of display")
        if video.decoder is not video.stream.codec_context:
            raise SegmentError(path, "it has transparency")
        times, keys = _times(video)
    if len(set(times)) < len(times):
        raise SegmentError(path, "two of its frames are at one time")
    return FrameTimes(sorted(times), sorted(keys))


def _times(video: OpenVideo) -> tuple[list[Fraction], list[Fraction]]:
    """The times of all frames and of key frames, in the order of decoding."""
    from av.error import FFmpegError

    times: list[Fraction] = []
    keys: list[Fraction] = []
    try:
        for packet, stored in video.packets_as_stored(video.stream, *video.companions):
            if not packet.size:
                continue
            _check(video, packet, stored)
            time = video.time_of(packet)
            if packet.stream.index != video.stream.index or packet.is_discard or time is None:
                continue
            times.append(time)
            if packet.is_keyframe:
                keys.append(time)
    except FFmpegError as error:
        why = f"it cannot be read to its end: {error.strerror or error}"
        raise SegmentError(video.path, why) from error
    return times, keys


def _check(video: OpenVideo, packet: Packet[Stream], stored: int | None) -> None:
    if packet.is_corrupt:
        raise SegmentError(video.path, "a part of it is damaged")
    ticks = packet.dts if packet.dts is not None else packet.pts
    if ticks != stored:
        raise SegmentError(video.path, "its clock restarts")
    if packet.stream.index == video.stream.index and packet.pts is None:
        raise SegmentError(video.path, "not all of its frames have a time")
