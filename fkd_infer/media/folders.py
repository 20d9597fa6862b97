"""Files below a folder, or that match a glob, in order, found as they are asked for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from fkd_infer.errors import SourceNotFoundError

WILDCARDS = frozenset("*?[")


def is_hidden(name: str) -> bool:
    """Whether a file or folder is left out because of its name."""
    return name.startswith(".")


def files_below(
    folder: Path, left_out: Callable[[Path], object], fail: Callable[[OSError], object]
) -> Iterator[Path]:
    """Yields the files below a folder in the order of their paths as text.

    Calls `left_out` with hidden folders and links to folders, which are not searched, and `fail`
    with the error of a folder that cannot be. Holds no more than the names of one folder and of
    those above it.
    """
    try:
        with os.scandir(folder) as entries:
            names = [entry.name + os.sep * _is_folder(entry) for entry in entries]
    except OSError as error:
        fail(error)
        return
    names.sort(reverse=True)  # the separator puts folders where the paths of their files belong
    while names:
        name = names.pop()
        path = folder / name
        if not name.endswith(os.sep):
            yield path
        elif is_hidden(name) or path.is_symlink():
            left_out(path)
        else:
            yield from files_below(path, left_out, fail)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder, or a link to one; a link that leads nowhere is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def split_glob(parts: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """The parts of a path before the first with a wildcard, and the others."""
    fixed = next(i for i, part in enumerate(parts) if WILDCARDS & set(part))
    return parts[:fixed], parts[fixed:]


def files_matching(pattern: Path) -> tuple[Path, Iterator[Path]]:
    """The folder before the first wildcard of a glob, and the files that match, in order."""
    fixed, rest = (Path(*parts) for parts in split_glob(pattern.parts))
    return fixed, (path for path in sorted(_matches(fixed, str(rest))) if path.is_file())


def matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether the parts of a path match those of a glob, as `Path.glob` does."""
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(matches(parts[number:], pattern[1:]) for number in range(len(parts)))
    return bool(parts) and fnmatchcase(parts[0], pattern[0]) and matches(parts[1:], pattern[1:])


def _matches(base: Path, pattern: str) -> Iterator[Path]:
    try:
        yield from base.glob(pattern)
    except ValueError as error:
        raise SourceNotFoundError(str(base / pattern)) from error
