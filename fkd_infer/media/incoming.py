"""Sources that are no files yet: standard input, and pictures by HTTP.

They are kept in files until the process ends, so that everything else about them is as of files.
"""

from __future__ import annotations

import atexit
import shutil
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from functools import cache
from http.client import HTTPException
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, unquote, urlsplit, urlunsplit
from urllib.request import Request, build_opener

from fkd_infer.errors import FkdError, LimitError, SettingsError, StreamError
from fkd_infer.limits import Limits
from fkd_infer.media.file_kinds import VIDEO_SUFFIXES
from fkd_infer.media.images.formats import HEAD_BYTES, by_suffix, identify
from fkd_infer.media.video.network_stream import public_name
from fkd_infer.system.files.text_checks import printable

STDIN = "-"
_TIMEOUT_S, _TOTAL_S = 15.0, 60.0
_MAX_NAME = 100
"""Characters at the end of a file's name that are kept: systems allow 255 bytes."""
_CHUNK_BYTES = 1 << 20
_STREAM_SUFFIXES = VIDEO_SUFFIXES | {".m3u8", ".mpd", ".mjpg", ".mjpeg", ".sdp", ".cgi"}
_HEADERS = {"User-Agent": "fkd", "Accept": "image/*, */*;q=0.5"}


def save_stdin() -> Path:
    """Copies standard input to a file; raises SettingsError if it is a terminal, or empty."""
    stream = sys.stdin.buffer
    if stream.isatty():
        raise SettingsError(STDIN, "is standard input, but nothing is piped into it")
    path = _new_folder() / "stdin"
    with path.open("wb") as file:
        shutil.copyfileobj(stream, file, _CHUNK_BYTES)
    if not path.stat().st_size:
        raise SettingsError(STDIN, "is standard input, which is empty")
    return path


def is_picture_url(url: str) -> bool:
    """Whether an http(s) address is of a picture: by its suffix, or else by what it answers."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False  # told when it is opened as a stream
    if parts.scheme.lower() not in ("http", "https"):
        return False
    suffix = Path(parts.path).suffix.lower()
    if by_suffix(suffix) is not None:
        return True
    if suffix in _STREAM_SUFFIXES:
        return False
    try:
        with _open(url) as response:
            if response.headers.get_content_maintype() == "image":
                return True
            is_file = response.headers.get_content_type() == "application/octet-stream"
            return is_file and identify(response.read(HEAD_BYTES)) is not None
    except (OSError, HTTPException, ValueError):
        return False  # told when it is opened as a stream


def picture_name(url: str) -> str:
    """The name of a picture in records: its address without password and query."""
    return printable(public_name(url) + quote(unquote(urlsplit(url).path), "/ "))


def save_picture(url: str, limits: Limits) -> Path:
    """Downloads a picture to a file with its own name; raises StreamError and LimitError."""
    name = picture_name(url)
    path = _new_folder() / (Path(unquote(urlsplit(url).path)).name[-_MAX_NAME:] or "picture")
    try:
        with _open(url) as response, path.open("wb") as file:
            for size, chunk in _chunks(response):
                if size > limits.file_bytes:
                    reason = f"it has more than {limits.file_bytes // 10**6} MB"
                    raise LimitError(name, reason, "--limit-memory")
                file.write(chunk)
            if response.length:
                raise StreamError(name, "cannot be fetched: the connection ended too early")
    except (OSError, HTTPException, ValueError) as error:
        if isinstance(error, FkdError):
            raise
        if isinstance(error, HTTPError):  # it is also the response
            error.close()
        raise StreamError(name, f"cannot be fetched: {error}") from None
    return path


def _chunks(response: Any) -> Iterator[tuple[int, bytes]]:
    """Yields pieces of an answer, and how many bytes have come so far."""
    size, started = 0, time.monotonic()
    while chunk := response.read1(_CHUNK_BYTES):
        size += len(chunk)
        yield size, chunk
        if time.monotonic() - started > _TOTAL_S:
            raise TimeoutError(f"it took more than {_TOTAL_S:.0f} s")


def _open(url: str) -> Any:
    """Opens an http(s) address; its user and password are sent as basic authentication."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    path = quote(parts.path, "/%:@!$&'()*+,;=~")
    request = Request(urlunsplit((parts.scheme, host, path, parts.query, "")), headers=_HEADERS)
    if at:
        request.add_header("Authorization", f"Basic {b64encode(unquote(user).encode()).decode()}")
    return build_opener().open(request, timeout=_TIMEOUT_S)


def _new_folder() -> Path:
    """A folder of its own, which is removed when the process ends."""
    return Path(mkdtemp(dir=_all_folders()))


@cache
def _all_folders() -> str:
    folder = mkdtemp(prefix="fkd-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
