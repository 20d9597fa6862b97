"""Outputs that are written to a local file first, and go to a store when they are complete."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fkd_infer.errors import FkdError
from fkd_infer.stores.access import fetch, find, remove, upload
from fkd_infer.stores.address import Place
from fkd_infer.stores.store import StoredObject
from fkd_infer.stores.temporary import temporary_folder


@dataclass
class LocalOutput:
    """The file to write to, and the object that it became; None if it is not in a store."""

    path: Path
    stored: StoredObject | None = None


@contextmanager
def local_output(place: Place) -> Iterator[LocalOutput]:
    """Yields where to write an output to: there, or a temporary file, which is uploaded afterwards.

    A file that the block leaves is complete, and uploaded after an FkdError too; without one,
    nothing is. Raises StoreError.
    """
    if isinstance(place, Path):
        yield LocalOutput(place)
        return
    with temporary_folder() as folder:
        output = LocalOutput(folder / (place.name or "output"))
        try:
            yield output
        except FkdError as error:
            if output.path.exists():
                output.stored = upload(output.path, place)
            if error.subject == str(output.path):
                raise error.about(str(place)) from error
            raise
        if output.path.exists():
            output.stored = upload(output.path, place)


@contextmanager
def local_update(place: Place) -> Iterator[Path]:
    """Yields a file that is updated by the block, or removed: there, or a copy of an object, which
    becomes the object afterwards. Raises StoreError.
    """
    if isinstance(place, Path):
        yield place
        return
    with temporary_folder() as folder:
        path = folder / place.name
        before = find(place)
        if before is not None:
            fetch(before, path)
        yield path
        if path.exists():
            upload(path, place)
        elif before is not None:
            remove(place)
