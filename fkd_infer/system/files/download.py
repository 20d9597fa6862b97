"""Downloads of known files, verified and cached."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from tqdm import tqdm

from fkd_infer.errors import DownloadError, OutputError
from fkd_infer.system.files.atomic import atomic_write, output_errors
from fkd_infer.system.files.cache import cache_folder
from fkd_infer.system.files.reading import file_sha256

_CHUNK_BYTES = 1 << 16
_TIMEOUT_S = 30


@dataclass(frozen=True)
class RemoteFile:
    """A public file: https address, checksum, size in bytes, and its name in the cache."""

    url: str
    sha256: str
    size: int
    name: str

    def __post_init__(self) -> None:
        if not self.url.startswith("https://"):
            raise ValueError(f"{self.url}: only https is allowed")

    @property
    def path(self) -> Path:
        """Where the file is cached."""
        return cache_folder() / "fetched" / self.name


def fetch(remote: RemoteFile, fix: str) -> Path:
    """Returns the cached file, downloading it first if needed, with a progress bar on stderr.

    Raises DownloadError, which suggests `fix`, if the file cannot be downloaded or has another
    checksum, and OutputError if it cannot be cached; nothing is left then.
    """
    try:
        path = remote.path
    except RuntimeError as error:
        raise OutputError("FKD_CACHE", str(error).rstrip("."), "set it to a folder") from error
    if path.is_file() and file_sha256(path) == remote.sha256:
        return path
    bar = tqdm(
        total=remote.size, desc=remote.name, unit="B", unit_scale=True, leave=False, disable=None
    )
    with atomic_write(path) as partial:
        with output_errors(path), partial.open("wb") as file, bar:
            for chunk in _chunks(remote, fix):
                file.write(chunk)
                bar.update(len(chunk))
        sha256 = file_sha256(partial)
        if sha256 != remote.sha256:
            why = f"its sha256 is {sha256} instead of {remote.sha256}"
            raise DownloadError(remote.url, why, fix)
    return path


class _HttpsRedirectHandler(HTTPRedirectHandler):
    """Follows redirects only to https: anything else could be read and changed on the way."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        if not newurl.startswith("https://"):
            fp.close()
            raise URLError(f"it redirects to {newurl}, and only https is allowed")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def urlopen(url: str, timeout: float) -> Any:
    """Opens an address, following redirects only to https; raises URLError."""
    return build_opener(_HttpsRedirectHandler).open(url, timeout=timeout)


def _chunks(remote: RemoteFile, fix: str) -> Iterator[bytes]:
    """Downloads at most one byte more than the file's size: a longer file is the wrong one."""
    left = remote.size + 1
    try:
        with urlopen(remote.url, timeout=_TIMEOUT_S) as response:
            while left and (chunk := response.read(min(left, _CHUNK_BYTES))):
                yield chunk
                left -= len(chunk)
    except (OSError, HTTPException) as error:
        if isinstance(error, HTTPError):  # it is also the response
            error.close()
        raise DownloadError(remote.url, f"cannot be fetched ({error})", fix) from error
