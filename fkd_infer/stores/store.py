"""A store: lists, reads and writes objects, with any file system of fsspec."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fkd_infer.stores.address import Address
from fkd_infer.stores.faults import retried

_VERSIONS = ("ETag", "etag", "generation", "blob_id", "md5Hash", "last_modified", "mtime")
"""What tells versions of an object apart, in what file systems of fsspec know about it; the first
of these that is there."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as it was listed; `version` differs once it has changed."""

    address: Address
    size: int
    version: str


class ChangedError(Exception):
    """An object changed while it was read."""


class Store:
    """A file system of fsspec; calls raise its errors. Thread-safe.

    Objects are listed folder by folder; an object that changes as it is read is noticed afterwards.
    """

    def __init__(self, system: Any) -> None:
        self.system = system

    def path(self, address: Address) -> str:
        """An address as the file system names it."""
        path: str = self.system._strip_protocol(address.url)
        return path

    def info(self, address: Address) -> StoredObject | None:
        """What is known of an object; None for a folder. Raises FileNotFoundError."""
        info = self.system.info(self.path(address))
        return stored_object(address, info) if info["type"] == "file" else None

    def objects(self, folder: Address) -> Iterator[StoredObject]:
        """All objects below a folder, in the order of their addresses, as they are listed."""
        entries = retried(lambda: self.system.ls(self.path(folder), detail=True))
        for entry in sorted(entries, key=_order):
            address = folder / _name(entry)
            if entry["type"] == "directory":
                yield from self.objects(address)
            elif entry["type"] == "file":
                yield stored_object(address, entry)

    def read(self, stored: StoredObject, to: Path) -> None:
        """Copies an object to a file; raises ChangedError if it is not the one that was listed."""
        self.system.get_file(self.path(stored.address), str(to))
        if to.stat().st_size != stored.size or self.info(stored.address) != stored:
            raise ChangedError

    def head(self, stored: StoredObject, count: int) -> bytes:
        """The first bytes of an object."""
        data: bytes = self.system.cat_file(
            self.path(stored.address), start=0, end=min(count, stored.size)
        )
        return data

    def write(self, file: Path, address: Address) -> None:
        """Copies a file to an object, which is written completely or not at all."""
        self.system.put_file(str(file), self.path(address))

    def remove(self, address: Address) -> None:
        """Removes an object."""
        self.system.rm_file(self.path(address))

    def check(self, address: Address) -> None:
        """Raises an error if a bucket is missing, or credentials are not valid."""
        self.system.info(self.path(address.container))


class FolderStore(Store):
    """A store with real folders, to which files are copied under another name, then renamed."""

    def write(self, file: Path, address: Address) -> None:
        """Copies a file to an object."""
        path, partial = self.path(address), self.path(address.parent / f".{address.name}.part")
        self.system.makedirs(self.path(address.parent), exist_ok=True)
        try:
            self.system.put_file(str(file), partial)
            self.system.mv(partial, path)
        except BaseException:
            if self.system.exists(partial):
                self.system.rm_file(partial)
            raise

    def check(self, address: Address) -> None:
        """Does nothing: opening the file system has connected to the host."""


def stored_object(address: Address, info: Mapping[str, Any]) -> StoredObject:
    """An object by what a file system of fsspec, or its service, tells of it."""
    version = next((str(info[key]) for key in _VERSIONS if info.get(key)), "")
    # Lists and objects themselves do not agree on whether ETags have quotes.
    return StoredObject(address, int(info["size"] or 0), version.strip('"'))


def _name(entry: Mapping[str, Any]) -> str:
    name: str = entry["name"]
    return name.rstrip("/").rpartition("/")[2]


def _order(entry: Mapping[str, Any]) -> str:
    """So that folders come where the addresses of their objects do."""
    return _name(entry) + ("/" if entry["type"] == "directory" else "")
