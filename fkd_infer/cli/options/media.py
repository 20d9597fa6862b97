"""Options for videos and for the size of sources: frame range, encoding, limits."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from fkd_infer.choices import (
    CODECS,
    DEFAULT_QUALITY,
    MAX_FRAMES,
    MAX_MEGAPIXELS,
    MAX_SECONDS,
    Codec,
)
from fkd_infer.cli.options.group import FiniteRange, group, neutral_option

if TYPE_CHECKING:
    from fkd_infer.limits import Limits
    from fkd_infer.media.video.encoding import Encoding
    from fkd_infer.types import FrameRange, ReadSettings


def _frame_range(
    start: float, end: float | None, max_frames: int | None, stride: int
) -> FrameRange:
    from fractions import Fraction

    from fkd_infer.types import FrameRange

    if end is not None and end <= start:
        raise click.UsageError(f"--end {end:g} is not after --start {start:g}")
    limit = None if end is None else Fraction(str(end))
    return FrameRange(Fraction(str(start)), limit, max_frames, stride)


frame_range_options = group(
    "frame_range",
    _frame_range,
    "Videos",
    start=click.option(
        "--start",
        type=FiniteRange(0),
        default=0.0,
        show_default=True,
        help="Begin each video, with its sound, at this time, in seconds.",
    ),
    end=click.option(
        "--end",
        type=FiniteRange(0),
        help="End each video, with its sound, before this time, in seconds.",
    ),
    max_frames=click.option(
        "--max-frames", type=click.IntRange(1), help="Process at most this many frames per video."
    ),
    stride=click.option(
        "--stride",
        type=click.IntRange(1),
        default=1,
        show_default=True,
        help="Process every Nth of these frames.",
    ),
)
"""Adds `frame_range`: which frames of a video are processed."""


def _reading(deinterlace: bool, sdr: bool, strict: bool) -> ReadSettings:
    from fkd_infer.types import ReadSettings

    return ReadSettings(deinterlace=deinterlace, sdr=sdr, strict=strict)


reading_options = group(
    "reading",
    _reading,
    "Videos",
    deinterlace=click.option(
        "--deinterlace",
        is_flag=True,
        help="Make whole pictures of interlaced videos' halves: for videos from TV, DVDs and tape "
        "whose motion looks combed.",
    ),
    sdr=click.option(
        "--sdr",
        is_flag=True,
        help="Bring HDR videos (PQ and HLG) to SDR: tone-mapped to BT.709 with 8 bits.",
    ),
    strict=click.option(
        "--strict",
        is_flag=True,
        help="Fail a damaged video at the damage, and write no video for it, in place of going on.",
    ),
)
"""Adds `reading`: how the frames of videos are read."""


def _encoding(
    codec: Codec | None, quality: int | None, strip_metadata: bool, keep_location: bool
) -> Encoding:
    from fkd_infer.media.video.encoding import Encoding

    if strip_metadata and keep_location:
        raise click.UsageError("--keep-location keeps what --strip-metadata leaves out")
    return Encoding(codec, quality, strip_metadata, keep_location)


encoding_options = group(
    "encoding",
    _encoding,
    "Encoding",
    codec=click.option(
        "--codec",
        type=click.Choice(CODECS),
        show_default="h264, or h265 for 10 bits; in .webm vp9 or av1",
        help="Encode videos in --out with this codec.",
    ),
    quality=click.option(
        "--quality",
        type=click.IntRange(0, 100),
        show_default=str(DEFAULT_QUALITY),
        help="Encode videos in --out at this quality; 100 is best.",
    ),
    strip_metadata=click.option(
        "--strip-metadata",
        is_flag=True,
        help="Write pictures without Exif (place and time), XMP, IPTC and colour profile, and "
        "videos without tags.",
    ),
    keep_location=click.option(
        "--keep-location",
        is_flag=True,
        help="Keep the place that a video was recorded in, which its tags lose otherwise.",
    ),
)
"""Adds `encoding`: how videos and pictures are written."""


def _limits(pixels: float, frames: int, seconds: float, memory: int | None) -> Limits:
    from fkd_infer.limits import Limits

    limits = Limits(round(pixels * 1e6), frames, seconds)
    return limits if memory is None else replace(limits, memory=memory * 10**6)


def _endless_limits(pixels: float, memory: int | None) -> Limits:
    return _limits(pixels, sys.maxsize, math.inf, memory)


_limit_pixels = neutral_option(
    "--limit-pixels",
    "pixels",
    metavar="MILLIONS",
    type=FiniteRange(0, min_open=True),
    default=MAX_MEGAPIXELS,
    show_default=True,
    help="Reject photos and frames of more pixels, in millions.",
)


_limit_memory = neutral_option(
    "--limit-memory",
    "memory",
    metavar="MB",
    type=click.IntRange(1),
    show_default="half of the memory",
    help="Reject photos and videos that would need more memory.",
)


limit_options = group(
    "limits",
    _limits,
    "Limits",
    pixels=_limit_pixels,
    frames=neutral_option(
        "--limit-frames",
        "frames",
        type=click.IntRange(1),
        default=MAX_FRAMES,
        show_default=True,
        help="Fail a video, camera or stream after this many frames, which are kept.",
    ),
    seconds=neutral_option(
        "--limit-seconds",
        "seconds",
        type=FiniteRange(0, min_open=True),
        default=MAX_SECONDS,
        show_default=True,
        help="Fail a video, camera or stream after this many seconds; the frames until "
        "then are kept.",
    ),
    memory=_limit_memory,
)
"""Adds `limits`: how large sources may be."""


live_limit_options = group(
    "limits", _endless_limits, "Limits", pixels=_limit_pixels, memory=_limit_memory
)
"""Adds `limits` without an end in time, for a source that is shown live."""
