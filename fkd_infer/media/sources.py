"""What SOURCE arguments stand for: images, videos, cameras, streams, folders and globs."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from fkd_infer.errors import SourceFolderError, SourceNotFoundError
from fkd_infer.media.images.animation import ANIMATED_SUFFIXES, is_animated
from fkd_infer.media.images.file import IMAGE_SUFFIXES, suffix_by_content
from fkd_infer.media.video.encoding import CONTAINERS
from fkd_infer.media.video.network_stream import file_stem, is_stream, public_name

SourceKind = Literal["image", "video", "camera", "stream"]

_BROADCAST = {".mpg", ".mpeg", ".ts", ".mts", ".m2ts"}
_OTHERS = {".webm", ".avi", ".wmv", ".flv", ".3gp", ".ogv"}
VIDEO_SUFFIXES = frozenset({*CONTAINERS, *_BROADCAST, *_OTHERS})
"""Suffixes of videos in folders; those that are not in CONTAINERS are written as .mp4."""
_MAX_CAMERAS = 100
"""Larger numbers are taken for names of missing files."""
_WILDCARDS = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Source:
    """An image, video, camera or stream; animated images are videos.

    `name` is shown, never `url`, which may contain a password. `output` is the path of its picture
    or video within the --out folder. `search_error` says why a folder could not be searched: such
    a folder is a source that fails.
    """

    name: str
    kind: SourceKind
    output: Path
    path: Path | None = None
    camera: int | None = None
    url: str | None = field(default=None, repr=False)
    search_error: str | None = None


def expand_sources(arguments: Sequence[str], out: Path | None = None) -> list[Source]:
    """Returns the sources that files, folders, globs, URLs and camera numbers stand for.

    Folders and globs leave out files below `out`, which an earlier run wrote. An output whose
    suffix changes keeps the old one too if another output has its name: a.avi.mp4.
    """
    sources = [source for argument in arguments for source in _expand(argument, out)]
    counts = Counter(source.output for source in sources)
    return [_with_own_suffix(source) if counts[source.output] > 1 else source for source in sources]


def _with_own_suffix(source: Source) -> Source:
    """Adds the source's suffix to its output's name, unless the output has the same suffix."""
    if source.path is None or source.path.suffix.lower() == source.output.suffix.lower():
        return source
    name = f"{source.path.name}{source.output.suffix}"
    return replace(source, output=source.output.with_name(name))


def _expand(argument: str, out: Path | None) -> list[Source]:
    path = Path(argument)
    if _exists(argument):
        if path.is_dir():
            return _expand_folder(path, out)
        return [_by_suffix(path, Path(path.name)) or _by_content(path)]
    if is_stream(argument):
        output = Path(f"{file_stem(argument)}.mp4")
        return [Source(public_name(argument), "stream", output, url=argument)]
    if argument.isascii() and argument.isdigit() and int(argument) < _MAX_CAMERAS:
        number = int(argument)
        return [Source(argument, "camera", Path(f"camera{number}.mp4"), camera=number)]
    if _WILDCARDS & set(argument):
        return _expand_glob(argument, out)
    raise SourceNotFoundError(argument)


def _exists(argument: str) -> bool:
    """Returns whether a file exists; False also for names that no file can have."""
    try:
        return bool(argument) and Path(argument).exists()
    except (OSError, ValueError):
        return False


def _expand_folder(folder: Path, out: Path | None) -> list[Source]:
    """Returns the sources below a folder; subfolders that cannot be searched become failures."""
    failures: list[Source] = []

    def fail(error: OSError) -> None:
        closed, why = Path(error.filename), error.strerror or str(error)
        if closed == folder:
            raise SourceFolderError(folder, why) from error
        output = closed.relative_to(folder)
        failures.append(Source(str(closed), "image", output, closed, search_error=why))

    paths: list[Path] = []
    for parent, folders, files in os.walk(folder, onerror=fail):
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths += [Path(parent, name) for name in files if not name.startswith(".")]
    sources = _known_files(folder, paths, out)
    if not sources and not failures:
        suffixes = ", ".join(sorted(IMAGE_SUFFIXES | ANIMATED_SUFFIXES | VIDEO_SUFFIXES))
        raise SourceFolderError(folder, f"no image or video in it; looked for {suffixes}")
    return sorted([*sources, *failures], key=lambda source: source.name)


def _expand_glob(pattern: str, out: Path | None) -> list[Source]:
    """Returns matching files; outputs are relative to the part before the first wildcard."""
    parts = Path(pattern).parts
    fixed = next(i for i, part in enumerate(parts) if _WILDCARDS & set(part))
    base = Path(*parts[:fixed])
    paths = [
        path
        for path in _matches(base, str(Path(*parts[fixed:])))
        if path.is_file() and not any(p.startswith(".") for p in path.relative_to(base).parts)
    ]
    sources = _known_files(base, paths, out)
    if not sources:
        raise SourceNotFoundError(pattern)
    return sources


def _matches(base: Path, pattern: str) -> Iterator[Path]:
    try:
        yield from base.glob(pattern)
    except ValueError as error:
        raise SourceNotFoundError(str(base / pattern)) from error


def _known_files(base: Path, paths: Sequence[Path], out: Path | None) -> list[Source]:
    """Returns the files whose suffix is known, apart from those below `out`."""
    excluded = None if out is None or _real(out) == _real(base) else _real(out)
    sources = [
        _by_suffix(path, path.relative_to(base))
        for path in sorted(paths)
        if excluded is None or excluded not in _real(path).parents
    ]
    return [source for source in sources if source]


def _by_suffix(path: Path, output: Path) -> Source | None:
    suffix = path.suffix.lower()
    if suffix in ANIMATED_SUFFIXES and is_animated(path):
        true_suffix = suffix_by_content(path) or suffix
        return Source(str(path), "video", output.with_suffix(true_suffix), path)
    if suffix == ".gif":
        # A still GIF becomes a PNG: its palette has too few colours to draw with.
        return Source(str(path), "image", output.with_suffix(".png"), path)
    if suffix in IMAGE_SUFFIXES:
        return Source(str(path), "image", output, path)
    if suffix in VIDEO_SUFFIXES:
        output = output if suffix in CONTAINERS else output.with_suffix(".mp4")
        return Source(str(path), "video", output, path)
    return None


def _by_content(path: Path) -> Source:
    suffix = suffix_by_content(path)
    if suffix and is_animated(path):
        return Source(str(path), "video", Path(path.name).with_suffix(suffix), path)
    if suffix:
        suffix = ".png" if suffix == ".gif" else suffix
        return Source(str(path), "image", Path(path.name).with_suffix(suffix), path)
    return Source(str(path), "video", Path(path.name).with_suffix(".mp4"), path)


def _real(path: Path) -> Path:
    """Resolves links, as far as they lead to something."""
    return Path(os.path.realpath(path))
