"""Sources in stores: the objects that an address stands for, their kinds, and local copies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from fkd_infer.errors import LimitError, StoreError
from fkd_infer.limits import Limits
from fkd_infer.media.file_kinds import FileKind, classify, is_known_by_name, may_be_animated
from fkd_infer.media.folders import WILDCARDS, is_hidden, matches, split_glob
from fkd_infer.media.images.formats import HEAD_BYTES
from fkd_infer.stores.access import fetch, objects_below, read_head
from fkd_infer.stores.address import Address
from fkd_infer.stores.store import StoredObject
from fkd_infer.stores.temporary import new_folder, remove_folder, temporary_folder
from fkd_infer.system.map_ahead import map_ahead

_THREADS, _AHEAD = 16, 64
"""Requests for the beginnings of objects whose names do not tell what they are."""
_HEAD_BYTES = max(HEAD_BYTES, 1 << 15)
_LARGEST_TEMPORARY = 2**29
"""A larger file is no animation."""

Found = tuple[StoredObject, PurePosixPath]
"""An object, and its path below the address that was given."""


def found_objects(address: Address, hidden: Callable[[Address], object]) -> Iterator[Found]:
    """Yields the objects below an address, or those that match it as a glob, as they are listed.

    Calls `hidden` with those that are left out for their names. Raises StoreError.
    """
    parts = PurePosixPath(address.key).parts
    is_glob = bool(WILDCARDS & set(address.key))
    fixed, pattern = split_glob(parts) if is_glob else (parts, ())
    base = address.container / "/".join(fixed)
    for each in objects_below(base):
        path = PurePosixPath(each.address.url[len(base.url) + 1 :])
        if is_glob and not matches(path.parts, pattern):
            continue
        # An object may have any name: .. must lead nowhere.
        if any(is_hidden(part) for part in path.parts) or not path.parts or path.is_absolute():
            hidden(each.address)
        else:
            yield each, path


def with_kinds(
    found: Iterator[Found], trusting: bool
) -> Iterator[tuple[StoredObject, tuple[FileKind, Path] | None]]:
    """Yields objects with their kinds and outputs, as `classify` tells them of files."""

    def kind(each: Found) -> tuple[StoredObject, tuple[FileKind, Path] | None]:
        return each[0], _classify(*each, trusting)

    yield from map_ahead(kind, found, _THREADS, _AHEAD)


def _classify(
    stored: StoredObject, path: PurePosixPath, trusting: bool
) -> tuple[FileKind, Path] | None:
    """The kind of an object: by its name, else by its beginning, else by all of it."""
    output = Path(path)
    if is_known_by_name(output):
        return classify(output, output, trusting)
    with temporary_folder() as folder:
        copy = folder / path.name
        try:
            head = read_head(stored, _HEAD_BYTES)
            if stored.size > len(head) and may_be_animated(head):
                if stored.size <= _LARGEST_TEMPORARY:
                    fetch(stored, copy)
            else:
                copy.write_bytes(head)
        except StoreError:  # told when the object is processed
            copy.unlink(missing_ok=True)
        return classify(copy, output, trusting)


def copy_object(stored: StoredObject, limits: Limits | None = None) -> tuple[StoredObject, Path]:
    """Copies an object to a file of its own name, to be removed with `remove_copy`.

    Returns the version that was copied and the file. Raises StoreError, and LimitError for an
    object that is larger than an image may be under `limits`.
    """
    if limits is not None and stored.size > limits.file_bytes:
        reason = f"it has more than {limits.file_bytes // 10**6} MB"
        raise LimitError(str(stored.address), reason, "--limit-memory")
    folder = new_folder()
    try:
        path = folder / (stored.address.name or "object")
        return fetch(stored, path), path
    except BaseException:
        remove_folder(folder)
        raise


def remove_copy(path: Path) -> None:
    """Removes a file that `copy_object` made."""
    remove_folder(path.parent)
