"""What SOURCE arguments stand for: images, videos, cameras, streams, folders and globs."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Literal
from zlib import crc32

from fkd_infer.errors import FkdError, SourceFolderError, SourceNotFoundError
from fkd_infer.limits import Limits
from fkd_infer.media.file_kinds import VIDEO_SUFFIXES, classify
from fkd_infer.media.images.formats import IMAGE_SUFFIXES
from fkd_infer.media.incoming import (
    STDIN,
    is_picture_url,
    picture_name,
    save_picture,
    save_stdin,
)
from fkd_infer.media.video.network_stream import file_stem, is_stream, public_name

SourceKind = Literal["image", "video", "camera", "stream"]

_MAX_CAMERAS = 100
"""Larger numbers are taken for names of missing files."""
_WILDCARDS = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Source:
    """An image, video, camera or stream; animated images are videos.

    `name` is shown, never `url`, which may contain a password. `output` is the path of its picture
    or video within the --out folder. A source with an `error` fails by it: a folder that could not
    be searched, a picture that could not be fetched.
    """

    name: str
    kind: SourceKind
    output: Path
    path: Path | None = None
    camera: int | None = None
    url: str | None = field(default=None, repr=False)
    error: FkdError | None = None


def expand_sources(
    arguments: str | Sequence[str],
    out: Path | None = None,
    left_out: Callable[[Path], object] = lambda _: None,
    limits: Limits | None = None,
) -> list[Source]:
    """Returns the sources that files, folders, globs, URLs, camera numbers and "-" stand for.

    Folders and globs leave out files below `out`, which an earlier run wrote, and call `left_out`
    with each other file that is neither an image nor a video, or is hidden. Standard input and
    pictures by HTTP are read at once, within `limits`. An output whose suffix changes keeps the old
    one too if another output has its name, a.avi.mp4, and gets a number if that does not help.

    Raises SourceNotFoundError, SourceFolderError, and SettingsError for a standard input that is a
    terminal.
    """
    arguments = [arguments] if isinstance(arguments, str) else arguments
    expand = _Expansion(out, left_out, limits or Limits())
    sources = [source for argument in arguments for source in expand(argument)]
    counts = Counter(source.output for source in sources)
    sources = [_with_own_suffix(one) if counts[one.output] > 1 else one for one in sources]
    taken = {one.output for one in sources if not _is_renamed(one)}
    return [_numbered(one, taken) if _is_renamed(one) else one for one in sources]


def _is_renamed(source: Source) -> bool:
    """Whether the output has another name than its source."""
    return source.path is not None and source.path.name != source.output.name


def _numbered(source: Source, taken: set[Path]) -> Source:
    """The source with a number in its output's name if that is taken; adds it to these."""
    output, numbers = source.output, count(2)
    while output in taken:
        stem, suffix = source.output.stem, source.output.suffix
        output = source.output.with_name(f"{stem}-{next(numbers)}{suffix}")
    taken.add(output)
    return replace(source, output=output)


def _with_own_suffix(source: Source) -> Source:
    """Adds the source's suffix to its output's name, unless the output has the same suffix; to the
    name of a picture by HTTP, a number that depends on its address."""
    if source.url is not None and source.kind == "image":
        number = f"{crc32(source.url.encode()):08x}"
        name = f"{source.output.stem}-{number}{source.output.suffix}"
    elif source.path is None or source.path.suffix.lower() == source.output.suffix.lower():
        return source
    else:
        name = f"{source.path.name}{source.output.suffix}"
    return replace(source, output=source.output.with_name(name))


@dataclass(frozen=True)
class _Expansion:
    """Expands arguments to sources."""

    out: Path | None
    left_out: Callable[[Path], object]
    limits: Limits

    def __call__(self, argument: str) -> list[Source]:
        """The sources that one argument stands for."""
        path = Path(argument)
        if _exists(argument):
            return self._folder(path) if path.is_dir() else [_file(path, Path(path.name))]
        if argument == STDIN:
            return [_file(save_stdin(), Path("stdin"), "stdin")]
        if is_stream(argument):
            return [self._address(argument)]
        if argument.isascii() and argument.isdigit() and int(argument) < _MAX_CAMERAS:
            number = int(argument)
            return [Source(argument, "camera", Path(f"camera{number}.mp4"), camera=number)]
        if _WILDCARDS & set(argument):
            return self._glob(argument)
        raise SourceNotFoundError(argument)

    def _address(self, url: str) -> Source:
        """A picture, which is fetched, or a stream."""
        if not is_picture_url(url):
            return Source(public_name(url), "stream", Path(f"{file_stem(url)}.mp4"), url=url)
        name = picture_name(url)
        try:
            path = save_picture(url, self.limits)
        except FkdError as error:
            return Source(name, "image", Path(Path(name).name), url=url, error=error)
        return replace(_file(path, Path(path.name), name), url=url)

    def _folder(self, folder: Path) -> list[Source]:
        """The sources below a folder; subfolders that cannot be searched become failures."""
        failures: list[Source] = []

        def fail(error: OSError) -> None:
            closed, why = Path(error.filename), error.strerror or str(error)
            if closed == folder:
                raise SourceFolderError(folder, why) from error
            output, failure = closed.relative_to(folder), SourceFolderError(closed, why)
            failures.append(Source(str(closed), "image", output, closed, error=failure))

        paths: list[Path] = []
        for parent, folders, files in os.walk(folder, onerror=fail):
            for name in list(folders):
                if _is_hidden(name) or Path(parent, name).is_symlink():  # walk() follows no links
                    self.left_out(Path(parent, name))
                    folders.remove(name)
            paths += [Path(parent, name) for name in files]
        sources = self._known_files(folder, paths)
        if not sources and not failures:
            suffixes = ", ".join(sorted(IMAGE_SUFFIXES | VIDEO_SUFFIXES))
            raise SourceFolderError(folder, f"no image or video in it; looked for {suffixes}")
        return sorted([*sources, *failures], key=lambda source: source.name)

    def _glob(self, pattern: str) -> list[Source]:
        """Matching files; outputs are relative to the part before the first wildcard."""
        parts = Path(pattern).parts
        fixed = next(i for i, part in enumerate(parts) if _WILDCARDS & set(part))
        base = Path(*parts[:fixed])
        paths = [path for path in _matches(base, str(Path(*parts[fixed:]))) if path.is_file()]
        sources = self._known_files(base, paths)
        if not sources:
            raise SourceNotFoundError(pattern)
        return sources

    def _known_files(self, base: Path, paths: Sequence[Path]) -> list[Source]:
        """The images and videos among files, apart from those below `out`."""
        out = self.out
        excluded = None if out is None or _real(out) == _real(base) else _real(out)
        sources = []
        for path in sorted(paths):
            if excluded is not None and excluded in _real(path).parents:
                continue
            output = path.relative_to(base)
            hidden = any(_is_hidden(part) for part in output.parts)
            known = None if hidden else classify(path, output, trusting=False)
            if known is None:
                self.left_out(path)
            else:
                sources.append(Source(str(path), *known, path))
        return sources


def _file(path: Path, output: Path, name: str | None = None) -> Source:
    """A file that was named, whatever it is."""
    known = classify(path, output, trusting=True)
    assert known is not None
    return Source(name or str(path), *known, path)


def _is_hidden(name: str) -> bool:
    return name.startswith(".")


def _exists(argument: str) -> bool:
    """Returns whether a file exists; False also for names that no file can have."""
    try:
        return bool(argument) and Path(argument).exists()
    except (OSError, ValueError):
        return False


def _matches(base: Path, pattern: str) -> Iterator[Path]:
    try:
        yield from base.glob(pattern)
    except ValueError as error:
        raise SourceNotFoundError(str(base / pattern)) from error


def _real(path: Path) -> Path:
    """Resolves links, as far as they lead to something."""
    return Path(os.path.realpath(path))
