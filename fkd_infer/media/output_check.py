"""Checks that outputs can be written, before any work starts."""

from __future__ import annotations

import os
from collections.abc import Container, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from fkd_infer.choices import STDOUT
from fkd_infer.errors import OutputError
from fkd_infer.media.file_kinds import VIDEO_SUFFIXES
from fkd_infer.media.images.formats import ANIMATED, IMAGE_SUFFIXES, WRITABLE_SUFFIXES, by_suffix
from fkd_infer.media.sources import Source
from fkd_infer.media.video.encoding import CONTAINERS
from fkd_infer.stores.access import check_container
from fkd_infer.stores.address import Address, Place
from fkd_infer.system.files.atomic import output_errors
from fkd_infer.system.hash_set import HashSet

_FILE_SUFFIXES = {
    "a picture": WRITABLE_SUFFIXES,
    "an animation": {suffix for format in ANIMATED for suffix in format.suffixes},
    "a video": CONTAINERS.keys(),
}
"""Suffixes that outputs may have."""


def check_outputs(
    sources: Sequence[Source],
    folder: Place | None,
    files: Sequence[Place] = (),
    folders: Sequence[Place] = (),
) -> None:
    """Checks a run's outputs: a picture or video per source in `folder`, and other `files`, of
    which `folders` are folders of files.

    Raises OutputError if two outputs have the same path, if an output is a source, or if a folder
    cannot be made or written to, and StoreError if a store cannot be used.
    """
    sources = [source for source in sources if source.error is None]
    originals = {_source_id(source) or "" for source in sources}
    for number, file in enumerate(files):
        if file in files[:number]:
            raise OutputError(file, "two outputs would go there", "give each its own file")
        if file != STDOUT:
            _check_target(file, originals, is_folder=file in folders)
    if folder is not None:
        _check_distinct(sources, folder)
        for source in sources:
            _check_target(folder / source.output, originals)
    places = [*files, *([] if folder is None else [folder])]
    for container in {place.container: place for place in places if isinstance(place, Address)}:
        check_container(container)


def checked_sources(
    first: Sequence[Source], others: Iterator[Source], folder: Place | None
) -> Iterator[Source]:
    """Yields the sources that follow those that `check_outputs` has checked, as they are found.

    A source whose output has no place of its own gets the OutputError as its `error`, and fails.
    """
    if folder is None:
        yield from others
        return
    taken, originals = HashSet(), HashSet()
    for source in first:
        taken.add(str(source.output))
        originals.add(_source_id(source) or "")
    for source in others:
        originals.add(_source_id(source) or "")
        target = folder / source.output
        try:
            if source.error is None:
                if not taken.add(str(source.output)):
                    raise OutputError(target, f"{source.name} and another would both go there")
                _check_target(target, originals)
        except OutputError as error:
            source = replace(source, error=error)
        yield source


def place_single_output(sources: Sequence[Source], out: Place) -> tuple[list[Source], Place]:
    """The sources with their outputs, and the folder of these, if `out` may be a file: the name of
    a picture or video, for a single source that becomes one.

    Raises OutputError for such a name if there are several sources, or if the source becomes
    something else.
    """
    suffix = out.suffix.lower()
    kinds = [kind for kind, suffixes in _FILE_SUFFIXES.items() if suffix in suffixes]
    if out.is_dir() or (not kinds and suffix not in IMAGE_SUFFIXES | VIDEO_SUFFIXES):
        return list(sources), out
    if len(sources) > 1:
        problem = f"it is the name of one file, but there are {len(sources)} sources"
        raise OutputError(out, problem, f"give a folder, such as --out {out.stem}")
    (source,) = sources
    kind = _kind_of(source)
    if kind not in kinds:
        problem = f"{suffix} is not written" if not kinds else f"{source.name} becomes {kind}"
        fix = f"end it in {source.output.suffix}, or give a folder, such as --out {out.stem}"
        raise OutputError(out, problem, fix)
    return [replace(source, output=Path(out.name))], out.parent


def _kind_of(source: Source) -> str:
    """What a source is written as."""
    if source.kind == "image":
        return "a picture"
    return "an animation" if by_suffix(source.output.suffix.lower()) in ANIMATED else "a video"


def _check_distinct(sources: Sequence[Source], folder: Place) -> None:
    owners: dict[Path, Source] = {}
    for source in sources:
        owner = owners.setdefault(source.output, source)
        if owner is not source:
            raise OutputError(
                folder / source.output,
                f"both {owner.name} and {source.name} would go there",
                "run them one by one, or give the folder that holds both",
            )


def _check_target(target: Place, originals: Container[str], is_folder: bool = False) -> None:
    existing = _file_id(target) if isinstance(target, Path) else target.url
    if existing is not None and existing in originals:
        raise OutputError(target, "it is one of the sources", "write somewhere else")
    if not isinstance(target, Path):
        return
    folder = target if is_folder else target.parent
    with output_errors(target):
        folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(target, f"no permission to write in {folder}")
    if target.is_dir() and not is_folder:
        raise OutputError(target, "a folder of that name is in the way")


def _source_id(source: Source) -> str | None:
    """What the file or object of a source is told from others by; None if it has none."""
    if source.stored is not None:
        return source.stored.address.url
    return None if source.path is None else _file_id(source.path)


def _file_id(path: Path) -> str | None:
    """Returns a file's device and inode, which all its names share; None if it is missing."""
    try:
        status = path.stat()
    except OSError:
        return None
    return f"{status.st_dev} {status.st_ino}"
