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

from fkd_infer.errors import FkdError, SourceMemoryError
from fkd_infer.media.images.file import NO_MEMORY
from fkd_infer.system.files.atomic import atomic_write, output_errors
from fkd_infer.system.files.lock import lock

ERRORS_FILE = "errors.jsonl"
SCHEMA = "fkd-error/1"


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
        if is_of_memory(error) and not isinstance(error, FkdError):
            error = SourceMemoryError(source)
        if isinstance(error, FkdError):
            return cls(source, type(error).__name__, str(error), now)
        trace = "".join(traceback.format_exception(error))
        text = " ".join(str(error).split()) or "no reason given"
        message = f"{source}: failed unexpectedly: {type(error).__name__}: {text}"
        return cls(source, type(error).__name__, message, now, trace)


def is_of_memory(error: Exception) -> bool:
    """Whether an error says that there was not enough memory."""
    if isinstance(error, cv2.error):
        return error.code == NO_MEMORY
    return isinstance(error, MemoryError)


def write_failures(
    path: Path, run: str, failures: Sequence[Failure], reached: Collection[str], ended: bool
) -> None:
    """Brings the list of failures up to date after a run, which is named so that a later one of the
    same sources and outputs has the same name.

    What it says of sources that were not reached stays, as does what other runs say of others: runs
    that share it lose nothing. What an earlier run said of the rest goes, and all of it where this
    one `ended`. Without any failure there is no file. Raises OutputError.
    """
    with output_errors(path), _one_at_a_time(path.parent):
        lines = [line for line in _lines(path) if _stays(line, run, reached, ended)]
        lines += [json.dumps({"schema": SCHEMA, "run": run, **asdict(one)}) for one in failures]
        if not lines:
            path.unlink(missing_ok=True)
            return
        with atomic_write(path) as partial:
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


def _stays(line: str, run: str, reached: Collection[str], ended: bool) -> bool:
    """Whether a line is still true; one that somebody else wrote stays."""
    try:
        record = json.loads(line)
        source, own = record["source"], record["run"] == run
    except (ValueError, KeyError, TypeError, RecursionError):
        return True
    return source not in reached and not (own and ended)
