"""What a video file says about itself: title, creation time, camera, place, chapters, timecode."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING

from fkd_infer.media.video.container import OpenVideo

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.container.core import Chapter
    from av.video.stream import VideoStream

_OF_THE_FILE = frozenset(
    {"major_brand", "minor_version", "compatible_brands", "encoder", "duration", "handler_name"}
)
"""Tags about the file that the source is, which another one sets itself."""
_OF_ANY_MP4 = {
    *("title", "artist", "album_artist", "composer", "album", "date", "comment", "genre"),
    *("copyright", "grouping", "lyrics", "description", "synopsis", "show", "network"),
    *("keywords", "creation_time"),
}
"""Tags for which MP4 and QuickTime have a place of their own, where all players look."""
_OF_THE_PICTURE = ("language", "title", "timecode", "creation_time")


def tags(source: OpenVideo, keep_location: bool) -> tuple[dict[str, str], list[str]]:
    """The tags of a video for its output, and notes about what is left out."""
    found = {
        key: value
        for key, value in source.container.metadata.items()
        if key.lower() not in _OF_THE_FILE
    }
    kept = {key: v for key, v in found.items() if keep_location or "location" not in key.lower()}
    notes = ["without the place of the recording; --keep-location keeps it"]
    return kept, notes if len(kept) < len(found) else []


def tag_options(format: str, kept: Mapping[str, str]) -> dict[str, str]:
    """libav's options with which a format stores all of these tags."""
    has_others = any(key.lower() not in _OF_ANY_MP4 for key in kept)
    return {"movflags": "use_metadata_tags"} if format in ("mp4", "mov") and has_others else {}


def describe(
    container: OutputContainer,
    picture: VideoStream,
    source: OpenVideo,
    kept: Mapping[str, str],
    zero: Fraction,
) -> None:
    """Sets tags and chapters of an output, whose time 0 is `zero` in the source, in seconds."""
    container.metadata.update(kept)
    given = source.stream.metadata
    picture.metadata.update({key: given[key] for key in _OF_THE_PICTURE if key in given})
    chapters = (_moved(chapter, zero) for chapter in source.container.chapters())
    container.set_chapters([chapter for chapter in chapters if chapter["end"] > 0])


def _moved(chapter: Chapter, zero: Fraction) -> Chapter:
    """A chapter in the times of the output; its end is 0 or less if it is before its beginning."""
    base = chapter["time_base"] or Fraction(1)
    shift = round(zero / base)
    start, end = chapter["start"] - shift, chapter["end"] - shift
    return {**chapter, "start": max(start, 0), "end": end}
