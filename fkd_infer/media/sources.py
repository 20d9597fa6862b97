"""What SOURCE arguments stand for: images, videos, cameras, streams, folders, globs, stores."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain, count, groupby, islice
from pathlib import Path, PurePosixPath
from typing import Literal
from zlib import crc32

from fkd_infer.errors import FkdError, SourceFolderError, SourceNotFoundError
from fkd_infer.limits import Limits
from fkd_infer.media.file_kinds import VIDEO_SUFFIXES, classify
from fkd_infer.media.folders import WILDCARDS, files_below, files_matching, is_hidden
from fkd_infer.media.images.formats import IMAGE_SUFFIXES
from fkd_infer.media.incoming import (
    STDIN,
    is_picture_url,
    picture_name,
    save_picture,
    save_stdin,
)
from fkd_infer.media.stored import copy_object, found_objects, remove_copy, with_kinds
from fkd_infer.media.video.network_stream import file_stem, is_stream, public_name
from fkd_infer.stores.access import find
from fkd_infer.stores.address import Address, Place, is_address
from fkd_infer.stores.store import StoredObject

SourceKind = Literal["image", "video", "camera", "stream"]

_FIRST, _FIRST_STORED = 5000, 1000
"""Sources that are looked at before any work: about a second's, of files and of objects."""
_MAX_CAMERAS = 100
"""Larger numbers are taken for names of missing files."""


@dataclass(frozen=True, slots=True)
class Source:
    """An image, video, camera or stream; animated images are videos.

    `name` is shown, never `url`, which may contain a password. `output` is the path of its picture
    or video within the --out folder. `stored` is an object in a store, which `local_copy` gives a
    `path`. A source with an `error` fails by it: a folder that could not be searched, a picture
    that could not be fetched.
    """

    name: str
    kind: SourceKind
    output: Path
    path: Path | None = None
    camera: int | None = None
    url: str | None = field(default=None, repr=False)
    error: FkdError | None = None
    stored: StoredObject | None = None

    @property
    def suffixes(self) -> tuple[str, str]:
        """The suffix of the file or object, in lower case, and that of the output."""
        return Path(self.file_name or "").suffix.lower(), self.output.suffix.lower()

    @property
    def file_name(self) -> str | None:
        """The name of the file or object; None for cameras and streams."""
        if self.stored is not None:
            return self.stored.address.name
        return None if self.path is None else self.path.name


def expand_sources(
    arguments: str | Sequence[str],
    out: Place | None = None,
    left_out: Callable[[Place], object] = lambda _: None,
    limits: Limits | None = None,
) -> list[Source]:
    """Returns the sources that files, folders, globs, URLs, addresses of stores, camera numbers and
    "-" stand for, as on the command line.

    Folders and globs leave out files below `out`, which an earlier run wrote, and call `left_out`
    with each other file that is neither an image nor a video, or is hidden. Standard input and
    pictures by HTTP are read at once, within `limits`. An output whose suffix changes keeps the old
    one too if another output has its name, a.avi.mp4, and gets a number if that does not help.

    Raises SourceNotFoundError, SourceFolderError, StoreError, and SettingsError for a standard
    input that is a terminal.

    Examples:
        >>> import fkd_infer
        >>> for source in fkd_infer.expand_sources(["photo.jpg", "holiday/t*.jpg", "party.mp4"]):
        ...     print(source.kind, source.name)
        image photo.jpg
        image holiday/tilted.jpg
        image holiday/twice.jpg
        video party.mp4
    """
    return with_distinct_outputs(list(_found(arguments, out, left_out, limits)))


def iter_sources(
    arguments: str | Sequence[str],
    out: Place | None = None,
    left_out: Callable[[Place], object] = lambda _: None,
    limits: Limits | None = None,
) -> Iterator[Source]:
    """Yields what `expand_sources` returns, as folders are searched and pages of stores come.

    Folders and addresses without any source are told before the first source. Outputs get names of
    their own among neighbours, those of the same name up to its first dot; what collides beyond
    that is for `OutputCheck`.
    """
    return _named_by_neighbours(_found(arguments, out, left_out, limits))


def begin_sources(
    arguments: Sequence[str],
    out: Place | None = None,
    left_out: Callable[[Place], object] = lambda _: None,
    limits: Limits | None = None,
) -> tuple[list[Source], Iterator[Source] | None]:
    """The first sources, and an iterator of all others; None if the first are all.

    All are as `expand_sources` returns them; of more, each is as `iter_sources` yields it.
    """
    found = _found(arguments, out, left_out, limits)
    most = _FIRST_STORED if any(map(is_address, arguments)) else _FIRST
    first = list(islice(found, most + 1))
    if len(first) <= most:
        return with_distinct_outputs(first), None
    others = _named_by_neighbours(chain(first, found))
    return list(islice(others, most)), others


@contextmanager
def local_copy(source: Source, limits: Limits | None = None) -> Iterator[Source]:
    """Yields a source whose `path` is a file of this machine: a temporary copy, which is removed
    after the block, if it is in a store. A copy that this machine has already is used, and stays.
    Raises StoreError; with `limits`, LimitError.
    """
    if source.stored is not None and source.path is not None and source.path.exists():
        yield source
        return
    copied = copied_source(source, limits)
    try:
        yield copied
    except FkdError as error:
        if copied is source or error.subject != str(copied.path):
            raise
        raise error.about(source.name) from error
    finally:
        discard_copy(copied)


def copied_source(source: Source, limits: Limits | None = None) -> Source:
    """What `local_copy` yields, to be passed to `discard_copy`."""
    if source.stored is None or source.error is not None:
        return source
    stored, path = copy_object(source.stored, limits)
    return replace(source, stored=stored, path=path)


def discard_copy(copied: Source) -> None:
    """Removes the file of a source that `copied_source` returned, if it is a copy."""
    if copied.stored is not None and copied.path is not None:
        remove_copy(copied.path)


def with_distinct_outputs(sources: Sequence[Source]) -> list[Source]:
    """Sources whose outputs, if their names change, have names that no other has."""
    counts = Counter(source.output for source in sources)
    sources = [_with_own_suffix(one) if counts[one.output] > 1 else one for one in sources]
    taken = {one.output for one in sources if not _is_renamed(one)}
    return [_numbered(one, taken) if _is_renamed(one) else one for one in sources]


def _named_by_neighbours(sources: Iterator[Source]) -> Iterator[Source]:
    for _, group in groupby(sources, _neighbourhood):
        yield from with_distinct_outputs(list(group))


def _neighbourhood(source: Source) -> tuple[Path, str]:
    return source.output.parent, source.output.name.partition(".")[0]


def _found(
    arguments: str | Sequence[str],
    out: Place | None,
    left_out: Callable[[Place], object],
    limits: Limits | None,
) -> Iterator[Source]:
    """The sources of all arguments, as they are found; nothing missing is told late."""
    arguments = [arguments] if isinstance(arguments, str) else arguments
    expand = _Expansion(out, left_out, limits or Limits())
    return chain.from_iterable([expand(argument) for argument in arguments])


def _is_renamed(source: Source) -> bool:
    """Whether the output has another name than its source."""
    return source.file_name is not None and source.file_name != source.output.name


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
    own = source.file_name
    if source.url is not None and source.kind == "image":
        number = f"{crc32(source.url.encode()):08x}"
        name = f"{source.output.stem}-{number}{source.output.suffix}"
    elif own is None or Path(own).suffix.lower() == source.output.suffix.lower():
        return source
    else:
        name = f"{own}{source.output.suffix}"
    return replace(source, output=source.output.with_name(name))


@dataclass(frozen=True)
class _Expansion:
    """Expands arguments to sources."""

    out: Place | None
    left_out: Callable[[Place], object]
    limits: Limits

    def __call__(self, argument: str) -> Iterable[Source]:
        """The sources that one argument stands for; raises if there is none."""
        if is_address(argument):
            return self._stored(Address.parse(argument))
        path = Path(argument)
        if _exists(argument):
            return self._folder(path) if path.is_dir() else _one_file(path)
        if argument == STDIN:
            return [_file(save_stdin(), Path("stdin"), "stdin")]
        if is_stream(argument):
            return [self._address(argument)]
        if argument.isascii() and argument.isdigit() and int(argument) < _MAX_CAMERAS:
            number = int(argument)
            return [Source(argument, "camera", Path(f"camera{number}.mp4"), camera=number)]
        if WILDCARDS & set(argument):
            base, paths = files_matching(Path(argument))
            return _begun(self._known_files(base, paths), SourceNotFoundError(argument))
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

    def _stored(self, address: Address) -> Iterator[Source]:
        """The objects that an address of a store stands for."""

        def sources() -> Iterator[Source]:
            named = find(address) if address.key else None
            found = found_objects(address, self.left_out)
            if named is not None:
                found = iter([(named, PurePosixPath(address.name))])
            inside = self.out if self.out != address else None
            for stored, known in with_kinds(found, trusting=named is not None):
                if isinstance(inside, Address) and stored.address.url.startswith(f"{inside.url}/"):
                    continue
                if known is None:
                    self.left_out(stored.address)
                else:
                    yield Source(str(stored.address), *known, stored=stored)

        return _begun(sources(), _nothing_in(address))

    def _folder(self, folder: Path) -> Iterator[Source]:
        """The sources below a folder; subfolders that cannot be searched become failures."""

        def sources() -> Iterator[Source]:
            failures: list[Source] = []

            def fail(error: OSError) -> None:
                closed, why = Path(error.filename), error.strerror or str(error)
                if closed == folder:
                    raise SourceFolderError(folder, why) from error
                output, failure = closed.relative_to(folder), SourceFolderError(closed, why)
                failures.append(Source(str(closed), "image", output, closed, error=failure))

            for source in self._known_files(folder, files_below(folder, self.left_out, fail)):
                yield from failures
                failures.clear()
                yield source
            yield from failures

        return _begun(sources(), _nothing_in(folder))

    def _known_files(self, base: Path, paths: Iterable[Path]) -> Iterator[Source]:
        """The images and videos among files, apart from those below `out`."""
        out = self.out if isinstance(self.out, Path) else None
        excluded = None if out is None or _real(out) == _real(base) else _real(out)
        for path in paths:
            if excluded is not None and excluded in _real(path).parents:
                continue
            output = path.relative_to(base)
            hidden = any(is_hidden(part) for part in output.parts)
            known = None if hidden else classify(path, output, trusting=False)
            if known is None:
                self.left_out(path)
            else:
                yield Source(str(path), *known, path)


def _begun(sources: Iterator[Source], nothing: FkdError) -> Iterator[Source]:
    """The same sources, once it is known that there is one; raises `nothing` if there is none."""
    first = list(islice(sources, 1))
    if not first:
        raise nothing
    return chain(first, sources)


def _nothing_in(place: Place) -> FkdError:
    suffixes = ", ".join(sorted(IMAGE_SUFFIXES | VIDEO_SUFFIXES))
    return SourceFolderError(place, f"no image or video in it; looked for {suffixes}")


def _one_file(path: Path) -> Iterator[Source]:
    yield _file(path, Path(path.name))


def _file(path: Path, output: Path, name: str | None = None) -> Source:
    """A file that was named, whatever it is."""
    known = classify(path, output, trusting=True)
    assert known is not None
    return Source(name or str(path), *known, path)


def _exists(argument: str) -> bool:
    """Returns whether a file exists; False also for names that no file can have."""
    try:
        return bool(argument) and Path(argument).exists()
    except (OSError, ValueError):
        return False


def _real(path: Path) -> Path:
    """Resolves links, as far as they lead to something."""
    return Path(os.path.realpath(path))
