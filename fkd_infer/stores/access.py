"""Access to objects by address: opens stores, tries again after what passes, and words errors."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

from fkd_infer.errors import FkdError, InstallError, StoreError
from fkd_infer.stores.address import Address
from fkd_infer.stores.clouds import AzureStore, GoogleStore
from fkd_infer.stores.faults import retried, store_error
from fkd_infer.stores.s3 import S3Store
from fkd_infer.stores.store import ChangedError, FolderStore, Store, StoredObject

T = TypeVar("T")

_MAX_CHANGES = 3
_STORES: dict[str, type[Store]] = {
    "s3": S3Store,
    "gs": GoogleStore,
    **dict.fromkeys(("az", "abfs", "abfss"), AzureStore),
    **dict.fromkeys(("sftp", "memory"), FolderStore),
}


def open_store(address: Address) -> Store:
    """The store of an address; raises InstallError without the packages for it."""
    logging.getLogger("gcsfs").setLevel(logging.CRITICAL)  # it logs what it also raises
    try:
        import fsspec

        # Keys of hosts are checked, as ssh does; sshfs by itself checks none.
        options = {"known_hosts": ()} if address.scheme == "sftp" else {"use_listings_cache": False}
        system, _ = fsspec.url_to_fs(address.url, **options)
    except ImportError as error:
        cause = error.__cause__ or error
        package = (getattr(cause, "name", None) or "fsspec").partition(".")[0]
        raise InstallError.of_extra(package, "remote") from error
    return _STORES.get(address.scheme, Store)(system)


def find(address: Address) -> StoredObject | None:
    """The object of an address; None if there is none. Raises StoreError."""

    def info() -> StoredObject | None:
        try:
            return open_store(address).info(address)
        except FileNotFoundError:
            return None

    return _attempt(address, "read", info)


def objects_below(folder: Address) -> Iterator[StoredObject]:
    """Yields the objects below a folder, in order, as pages of the store come.

    Raises StoreError.
    """
    with _worded(folder, "listed"):
        yield from open_store(folder).objects(folder)


def read_head(stored: StoredObject, count: int) -> bytes:
    """The first bytes of an object; raises StoreError."""
    address = stored.address
    return _attempt(address, "read", lambda: open_store(address).head(stored, count))


def fetch(stored: StoredObject, to: Path) -> StoredObject:
    """Copies an object to a file; returns the version that it is of, which may be a newer one.

    Raises StoreError; the file is to be removed then.
    """
    address = stored.address
    for _ in range(_MAX_CHANGES):
        try:
            _attempt(address, "read", partial(open_store(address).read, stored, to))
        except ChangedError:
            found = find(address)
            if found is None:
                break
            stored = found
        else:
            return stored
    raise StoreError(address, "cannot be read: it changed while it was read")


def upload(file: Path, address: Address) -> StoredObject:
    """Copies a file to an object, which appears completely or not at all; raises StoreError."""

    def write() -> StoredObject:
        store = open_store(address)
        store.write(file, address)
        written = store.info(address)
        if written is None or written.size != file.stat().st_size:
            raise ConnectionError("not all of it arrived")
        return written

    return _attempt(address, "written", write)


def remove(address: Address) -> None:
    """Removes an object; raises StoreError."""
    _attempt(address, "removed", lambda: open_store(address).remove(address))


def check_container(address: Address) -> None:
    """Raises StoreError if a bucket is missing, or credentials for it are missing or wrong."""
    _attempt(address, "written", lambda: open_store(address).check(address))


def _attempt(address: Address, verb: str, call: Callable[[], T]) -> T:
    with _worded(address, verb):
        return retried(call)


@contextmanager
def _worded(address: Address, verb: str) -> Iterator[None]:
    """Turns errors of stores into a StoreError."""
    try:
        yield
    except (FkdError, ChangedError):
        raise
    except Exception as error:
        raise store_error(address, verb, error) from error
