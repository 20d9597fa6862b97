"""Files from the network: the right ones, whole, and once."""

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

_CHUNK = 1 << 16
_PATIENCE_S = 30


@dataclass(frozen=True)
class RemoteFile:
    """A public file: where it is, over https alone, what it is, and what it is called here."""

    url: str
    sha256: str
    size: int
    name: str

    def __post_init__(self) -> None:
        if not self.url.startswith("https://"):
            raise ValueError(f"{self.url}: files are fetched over https alone")

    @property
    def path(self) -> Path:
        """Where it is kept."""
        return cache_folder() / "fetched" / self.name


def fetch(remote: RemoteFile, way_out: str) -> Path:
    """The file, from the cache, or else from the network, with a progress bar on standard error.

    Raises DownloadError, which ends in `way_out`, where it cannot be had or is another one, and
    OutputError where it cannot be kept; then nothing is.
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
            for chunk in _chunks(remote, way_out):
                file.write(chunk)
                bar.update(len(chunk))
        found = file_sha256(partial)
        if found != remote.sha256:
            why = f"its sha256 is {found} instead of {remote.sha256}"
            raise DownloadError(remote.url, why, way_out)
    return path


class _HttpsAlone(HTTPRedirectHandler):
    """Goes where an answer leads, but to https alone: the rest could be read and changed."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        if not newurl.startswith("https://"):
            fp.close()
            raise URLError(f"it leads to {newurl}, and files are fetched over https alone")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def urlopen(url: str, timeout: float) -> Any:
    """The answer of an address, through no other redirects than to https; raises URLError."""
    return build_opener(_HttpsAlone).open(url, timeout=timeout)


def _chunks(remote: RemoteFile, way_out: str) -> Iterator[bytes]:
    """What the network has: no more than the file's size and a little, since what is longer is
    another file."""
    left = remote.size + 1
    try:
        with urlopen(remote.url, timeout=_PATIENCE_S) as response:
            while left and (chunk := response.read(min(left, _CHUNK))):
                yield chunk
                left -= len(chunk)
    except (OSError, HTTPException) as error:
        if isinstance(error, HTTPError):  # which is the answer too
            error.close()
        raise DownloadError(remote.url, f"cannot be fetched ({error})", way_out) from error
