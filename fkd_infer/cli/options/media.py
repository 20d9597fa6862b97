"""Options for sources and videos: excerpts, encoding, limits."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from fkd_infer.choices import CODECS, MAX_FRAMES, MAX_MEGAPIXELS, MAX_SECONDS, Codec
from fkd_infer.cli.options.group import group, neutral_option

if TYPE_CHECKING:
    from fkd_infer.limits import Limits
    from fkd_infer.media.video.writer import Encoding
    from fkd_infer.types import FrameRange


def _frame_range(
    start: float, end: float | None, max_frames: int | None, stride: int
) -> FrameRange:
    from fractions import Fraction

    from fkd_infer.types import FrameRange

    if end is not None and end <= start:
        raise click.UsageError(f"--end {end:g} is not after --start {start:g}")
    limit = None if end is None else Fraction(str(end))
    return FrameRange(Fraction(str(start)), limit, max_frames, stride)


cut_options = group(
    "frame_range",
    _frame_range,
    start=click.option(
        "--start", type=click.FloatRange(0), default=0.0, help="Second of a video to begin at."
    ),
    end=click.option("--end", type=click.FloatRange(0), help="Second of a video to end at."),
    max_frames=click.option("--max-frames", type=click.IntRange(1), help="Frames of each video."),
    stride=click.option(
        "--stride", type=click.IntRange(1), default=1, help="Take every Nth frame of a video."
    ),
)
"""Options that say which frames of a video are taken, for a command's argument `frame_range`."""


def _encoding(codec: Codec, quality: int | None) -> Encoding:
    from fkd_infer.media.video.writer import Encoding

    return Encoding(codec, quality)


encoding_options = group(
    "encoding",
    _encoding,
    codec=click.option(
        "--codec",
        type=click.Choice(CODECS),
        default="h264",
        show_default=True,
        help="Of videos in --out.",
    ),
    quality=click.option(
        "--quality", type=click.IntRange(0, 100), help="Of videos in --out: 100 is best."
    ),
)
"""Options that say how videos are written, for a command's argument `encoding`."""


def _limits(pixels: float, frames: int, seconds: float, memory: int | None) -> Limits:
    from fkd_infer.limits import Limits

    allowed = Limits(round(pixels * 1e6), frames, seconds)
    return allowed if memory is None else replace(allowed, memory=memory * 10**6)


def _endless(pixels: float, memory: int | None) -> Limits:
    return _limits(pixels, sys.maxsize, math.inf, memory)


_limit_pixels = neutral_option(
    "--limit-pixels",
    "pixels",
    metavar="MILLIONS",
    type=click.FloatRange(0, min_open=True),
    default=MAX_MEGAPIXELS,
    show_default=True,
    help="Refuse photos and frames of more, in millions.",
)


_limit_memory = neutral_option(
    "--limit-memory",
    "memory",
    metavar="MB",
    type=click.IntRange(1),
    show_default="half of what there is",
    help="Refuse photos and videos that would take more.",
)


limit_options = group(
    "limits",
    _limits,
    pixels=_limit_pixels,
    frames=neutral_option(
        "--limit-frames",
        "frames",
        type=click.IntRange(1),
        default=MAX_FRAMES,
        show_default=True,
        help="End what moves after so many frames, as failed.",
    ),
    seconds=neutral_option(
        "--limit-seconds",
        "seconds",
        type=click.FloatRange(0, min_open=True),
        default=MAX_SECONDS,
        show_default=True,
        help="End what moves, streams and cameras too, after so long, as failed.",
    ),
    memory=_limit_memory,
)
"""Options that say how large sources may be, for a command's argument `limits`."""


live_limit_options = group("limits", _endless, pixels=_limit_pixels, memory=_limit_memory)
"""The same for what is watched, which goes on for as long as somebody wants."""
