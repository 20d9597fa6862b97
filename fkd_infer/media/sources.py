"""Where frames come from and where pictures go: images, videos, cameras, folders, globs."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from fkd_infer.errors import (
    SourceFolderError,
    SourceNotFoundError,
)
from fkd_infer.media.images.animation import ANIMATED_SUFFIXES, is_animated
from fkd_infer.media.images.file import IMAGE_SUFFIXES, suffix_by_content
from fkd_infer.media.video.encoding import CONTAINERS
from fkd_infer.media.video.network_stream import file_stem, is_stream, public_name

SourceKind = Literal["image", "video", "camera", "stream"]

_BROADCAST = {".mpg", ".mpeg", ".ts", ".mts", ".m2ts"}
_OTHERS = {".webm", ".avi", ".wmv", ".flv", ".3gp", ".ogv"}
VIDEO_SUFFIXES = frozenset({*CONTAINERS, *_BROADCAST, *_OTHERS})
"""Videos are found in folders by these; what CONTAINERS does not hold comes out as .mp4."""
_CAMERAS = 100
"""More than a machine has; larger numbers are names of files that are not there."""
_WILDCARDS = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Source:
    """Something that gives frames; `output` is the path of its picture within the --out folder.

    Animated images are videos. A `url` may hold a password, so it is not shown; `name` is. A folder
    that could not be searched is a source that fails: `unsearched` says why.
    """

    name: str
    kind: SourceKind
    output: Path
    path: Path | None = None
    camera: int | None = None
    url: str | None = field(default=None, repr=False)
    unsearched: str | None = None


def expand_sources(given: Sequence[str], out: Path | None = None) -> list[Source]:
    """The images, videos and cameras that files, folders, globs and camera numbers stand for.

    What lies below `out` was made by an earlier run, and is left out of folders and globs. An
    output that changes its suffix keeps the old one too where another has that name: a.avi.mp4.
    """
    sources = [source for text in given for source in _expand(text, out)]
    taken = Counter(source.output for source in sources)
    return [_apart(source) if taken[source.output] > 1 else source for source in sources]


def _apart(source: Source) -> Source:
    """The source with its own suffix in its output's name, where that has another one."""
    if source.path is None or source.path.suffix.lower() == source.output.suffix.lower():
        return source
    name = f"{source.path.name}{source.output.suffix}"
    return replace(source, output=source.output.with_name(name))


def _expand(text: str, out: Path | None) -> list[Source]:
    path = Path(text)
    if not _exists(text):
        if is_stream(text):
            return [Source(public_name(text), "stream", Path(f"{file_stem(text)}.mp4"), url=text)]
        if text.isascii() and text.isdigit() and int(text) < _CAMERAS:
            number = int(text)
            return [Source(text, "camera", Path(f"camera{number}.mp4"), camera=number)]
        if _WILDCARDS & set(text):
            return _glob(text, out)
        raise SourceNotFoundError(text)
    if path.is_dir():
        return _folder(path, out)
    return [_known(path, Path(path.name)) or _sniffed(path)]


def _exists(text: str) -> bool:
    """False also for what no file can be called, such as a name that is too long."""
    try:
        return bool(text) and Path(text).exists()
    except (OSError, ValueError):
        return False


def _folder(folder: Path, out: Path | None) -> list[Source]:
    """Sources below a folder; folders in it that cannot be searched fail when their turn comes."""
    unsearched: list[Source] = []

    def fail(error: OSError) -> None:
        closed, why = Path(error.filename), error.strerror or str(error)
        if closed == folder:
            raise SourceFolderError(folder, why) from error
        place = closed.relative_to(folder)
        unsearched.append(Source(str(closed), "image", place, closed, unsearched=why))

    found: list[Path] = []
    for parent, folders, files in os.walk(folder, onerror=fail):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(parent, name) for name in files if not name.startswith(".")]
    sources = _known_below(folder, found, out)
    if not sources and not unsearched:
        kinds = ", ".join(sorted(IMAGE_SUFFIXES | ANIMATED_SUFFIXES | VIDEO_SUFFIXES))
        raise SourceFolderError(folder, f"no image or video in it; looked for {kinds}")
    return sorted([*sources, *unsearched], key=lambda source: source.name)


def _glob(pattern: str, out: Path | None) -> list[Source]:
    """Matching files, with outputs relative to the part of the pattern before any wildcard."""
    parts = Path(pattern).parts
    fixed = next(i for i, part in enumerate(parts) if _WILDCARDS & set(part))
    base = Path(*parts[:fixed])
    found = [
        path
        for path in _matches(base, str(Path(*parts[fixed:])))
        if path.is_file() and not any(p.startswith(".") for p in path.relative_to(base).parts)
    ]
    sources = _known_below(base, found, out)
    if not sources:
        raise SourceNotFoundError(pattern)
    return sources


def _matches(base: Path, pattern: str) -> Iterator[Path]:
    try:
        yield from base.glob(pattern)
    except ValueError as error:
        raise SourceNotFoundError(str(base / pattern)) from error


def _known_below(base: Path, paths: Sequence[Path], out: Path | None) -> list[Source]:
    made = None if out is None or _real(out) == _real(base) else _real(out)
    sources = [
        _known(path, path.relative_to(base))
        for path in sorted(paths)
        if made is None or made not in _real(path).parents
    ]
    return [source for source in sources if source]


def _known(path: Path, output: Path) -> Source | None:
    """A source by its suffix."""
    suffix = path.suffix.lower()
    if suffix in ANIMATED_SUFFIXES and is_animated(path):
        true_suffix = suffix_by_content(path) or suffix
        return Source(str(path), "video", output.with_suffix(true_suffix), path)
    if suffix == ".gif":
        # A still one: its few colours would not do for what is drawn.
        return Source(str(path), "image", output.with_suffix(".png"), path)
    if suffix in IMAGE_SUFFIXES:
        return Source(str(path), "image", output, path)
    if suffix in VIDEO_SUFFIXES:
        kept = suffix in CONTAINERS
        return Source(str(path), "video", output if kept else output.with_suffix(".mp4"), path)
    return None


def _sniffed(path: Path) -> Source:
    """A source by its content."""
    suffix = suffix_by_content(path)
    if suffix and is_animated(path):
        return Source(str(path), "video", Path(path.name).with_suffix(suffix), path)
    if suffix:
        suffix = ".png" if suffix == ".gif" else suffix
        return Source(str(path), "image", Path(path.name).with_suffix(suffix), path)
    return Source(str(path), "video", Path(path.name).with_suffix(".mp4"), path)


def _real(path: Path) -> Path:
    """A path without links, as far as they lead anywhere."""
    return Path(os.path.realpath(path))
