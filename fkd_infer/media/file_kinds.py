"""Whether a file is an image or a video, and the name of its output: by suffix, else by content."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from fkd_infer.errors import UnreadableImageError
from fkd_infer.media.images.animation import is_animated
from fkd_infer.media.images.file import read_head
from fkd_infer.media.images.formats import (
    ANIMATED,
    BMP,
    JPEG,
    JPEG2000,
    PNG,
    PPM,
    TIFF,
    WEBP,
    ImageFormat,
    by_suffix,
    identify,
)
from fkd_infer.media.video.encoding import CONTAINERS

FileKind = Literal["image", "video"]

_BROADCAST = ".mpg .mpeg .m1v .m2v .ts .mts .m2ts .m2t .vob .mod .tod .mxf .dv"
_OTHERS = ".avi .divx .wmv .asf .flv .f4v .3gp .3g2 .ogv .ogm .qt .rm .rmvb"
_BARE = ".h264 .264 .avc .h265 .265 .hevc .ivf .y4m"
"""Streams of one codec, without a container: dumps of cameras."""
VIDEO_SUFFIXES = frozenset({*CONTAINERS, *_BROADCAST.split(), *_OTHERS.split(), *_BARE.split()})
"""Suffixes of videos; those that are not in CONTAINERS are written as .mp4."""
_STILL = (JPEG, BMP, TIFF, JPEG2000, PPM)
"""Formats whose files are images by their suffix. Others may be animations or videos, and phones
write JPEG into files that are called .heic."""
_RAW = ".3fr .arw .cr2 .cr3 .crw .dcr .dng .erf .iiq .kdc .mef .mos .mrw .nef .nrw .orf .pef .raf"
_RAW_SUFFIXES = frozenset([*_RAW.split(), ".raw", ".rw2", ".rwl", ".srf", ".srw", ".x3f"])
"""Raw files of cameras: many begin like a TIFF, with a small preview."""
_SUFFIX = re.compile(r"\.(?=.*[A-Za-z])\w{1,5}")
_VIDEO_HEAD = re.compile(
    rb"....(?:ftyp|moov|mdat|wide)|\x1aE\xdf\xa3|RIFF....AVI |FLV\x01|OggS|\0\0\x01[\xba\xb3]"
    rb"|\x30\x26\xb2\x75\x8e\x66\xcf\x11|\x06\x0e\x2b\x34\x02\x05\x01\x01|\.RMF",
    re.DOTALL,
)
"""How the usual containers of videos begin."""


def classify(path: Path, output: Path, trusting: bool) -> tuple[FileKind, Path] | None:
    """A file's kind, and its output, which is `output` with the suffix of what is written.

    A file of unknown name and content is None, or a video if `trusting`; raw files of cameras are
    None too, or images, which fail.
    """
    suffix = path.suffix.lower()
    if suffix in _RAW_SUFFIXES and not trusting:
        return None
    if suffix in VIDEO_SUFFIXES:
        return "video", output if suffix in CONTAINERS else output.with_suffix(".mp4")
    named = by_suffix(suffix)
    if named in _STILL:
        return "image", _written(output, named)
    try:
        head = read_head(path)
    except UnreadableImageError:  # told when the file is processed
        head = b""
    format = identify(head)
    if format is None and _VIDEO_HEAD.match(head):
        return "video", _with_suffix(output, ".mp4")
    format = format or named
    if format is None:
        return ("video", _with_suffix(output, ".mp4")) if trusting else None
    if format in ANIMATED and is_animated(path):
        own = suffix in format.suffixes
        return "video", output if own else _with_suffix(output, format.suffixes[0])
    return "image", _written(output, format)


def is_known_by_name(path: Path) -> bool:
    """Whether the suffix of a file alone tells what it is."""
    suffix = path.suffix.lower()
    return suffix in VIDEO_SUFFIXES or suffix in _RAW_SUFFIXES or by_suffix(suffix) in _STILL


def may_be_animated(head: bytes) -> bool:
    """Whether more of a file than its beginning is needed to know if it is animated."""
    format = identify(head)
    if format is PNG:  # the note that it is animated comes before the first picture
        return b"acTL" in head or b"IDAT" not in head
    if format is WEBP:
        return head[12:16] == b"VP8X" and bool(head[20] & 2)
    return format in ANIMATED


def _written(output: Path, format: ImageFormat) -> Path:
    """The output of an image: with its own suffix if the format can be written under it."""
    own = output.suffix.lower() in format.writable
    return output if own else _with_suffix(output, format.written)


def _with_suffix(output: Path, suffix: str) -> Path:
    """Replaces a suffix, but not an end that only looks like one: of "Dr. Smith" or "IMG.2024"."""
    if _SUFFIX.fullmatch(output.suffix):
        return output.with_suffix(suffix)
    return output.with_name(output.name + suffix)
