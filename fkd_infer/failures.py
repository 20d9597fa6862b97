"""Sources that failed: what is told of each, and the file that lists them."""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import cv2

from fkd_infer.errors import FkdError, SourceMemoryError, UnexpectedError
from fkd_infer.filelock import lock
from fkd_infer.wholefile import whole_file, writing

ERRORS_FILE = "errors.jsonl"
SCHEMA = "fkd-error/1"
_NO_MEMORY = -4
"""OpenCV's number for memory that could not be had."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a source failed: the error's class, its line for people, when it was (UTC, ISO 8601), and
    where in the code, for an error that nobody foresaw."""

    source: str
    error: str
    message: str
    at: str
    trace: str | None = None

    @classmethod
    def of(cls, source: str, error: Exception) -> Failure:
        """What is told of an error."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        if _lacks_memory(error):
            error = SourceMemoryError(source)
        if isinstance(error, FkdError):
            return cls(source, type(error).__name__, str(error), now)
        trace = "".join(traceback.format_exception(error))
        message = str(UnexpectedError(source, error))
        return cls(source, type(error).__name__, message, now, trace)


def _lacks_memory(error: Exception) -> bool:
    if isinstance(error, cv2.error):
        return error.code == _NO_MEMORY
    return isinstance(error, MemoryError) and not isinstance(error, FkdError)


def write_failures(path: Path, failures: Sequence[Failure], sources: Collection[str]) -> None:
    """Brings the list of failures up to date after a run over sources.

    What it says of other sources stays, so that runs that share it lose nothing, and without any
    failure there is no file. Raises OutputError.
    """
    with writing(path), _one_at_a_time(path.parent):
        done = set(sources)
        others = [line for line in _lines(path) if _source(line) not in done]
        lines = [*others, *(_line(failure) for failure in failures)]
        if not lines:
            path.unlink(missing_ok=True)
            return
        with whole_file(path) as partial:
            partial.write_text("".join(f"{line}\n" for line in lines), "utf-8")


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Waits until no other process is in such a block for the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    if os.name != "posix":  # where folders cannot be opened
        yield
        return
    file = os.open(folder, os.O_RDONLY)
    try:
        lock(file)
        yield
    finally:
        os.close(file)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8", "replace").splitlines()
    except FileNotFoundError:
        return []


def _source(line: str) -> object:
    """The source that a line is about; a line that somebody else wrote is about none."""
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record.get("source") if isinstance(record, dict) else None


def _line(failure: Failure) -> str:
    return json.dumps({"schema": SCHEMA, **asdict(failure)})
