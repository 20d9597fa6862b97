"""Sources that failed: the record of each, and the file that lists them."""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import cv2

from fkd_infer.errors import FkdError, SourceMemoryError
from fkd_infer.media.images.decoding import NO_MEMORY
from fkd_infer.stores.address import Place
from fkd_infer.stores.output import local_update
from fkd_infer.system.files.atomic import atomic_write, output_errors
from fkd_infer.system.files.lock import wait_for_lock

ERRORS_FILE = "errors.jsonl"
SCHEMA = "fkd-error/1"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a source failed: the class of the error, a message, the time (UTC, ISO 8601), and, for an
    unexpected error, the traceback."""

    source: str
    error: str
    message: str
    at: str
    trace: str | None = None

    @classmethod
    def of(cls, source: str, error: Exception) -> Failure:
        """The failure of a source by an error."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        if is_out_of_memory(error) and not isinstance(error, FkdError):
            error = SourceMemoryError(source)
        if isinstance(error, FkdError):
            return cls(source, type(error).__name__, str(error), now)
        trace = "".join(traceback.format_exception(error))
        text = " ".join(str(error).split()) or "no reason given"
        message = f"{source}: failed unexpectedly: {type(error).__name__}: {text}"
        return cls(source, type(error).__name__, message, now, trace)


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error reports a lack of memory."""
    if isinstance(error, cv2.error):
        return error.code == NO_MEMORY
    return isinstance(error, MemoryError)


def write_failures(
    place: Place, run: str, failures: Sequence[Failure], reached: Container[str], complete: bool
) -> None:
    """Updates the list of failures after a run; raises OutputError and StoreError.

    `run` is the same for later runs of the same sources and outputs. Lines of other runs stay,
    since runs may share the list; so do lines about sources that this run did not reach. Older
    lines of the same run go once it is `complete`. Without any line there is no file.
    """
    with local_update(place) as path, output_errors(path), _exclusive(path.parent):
        lines = [line for line in _lines(path) if _is_current(line, run, reached, complete)]
        lines += [json.dumps({"schema": SCHEMA, "run": run, **asdict(one)}) for one in failures]
        if not lines:
            path.unlink(missing_ok=True)
            return
        with atomic_write(path) as partial:
            partial.write_text("".join(f"{line}\n" for line in lines), "utf-8")


@contextmanager
def _exclusive(folder: Path) -> Iterator[None]:
    """Waits for other processes in such a block for the same folder."""
    folder.mkdir(parents=True, exist_ok=True)
    if os.name != "posix":  # where folders cannot be opened
        yield
        return
    file = os.open(folder, os.O_RDONLY)
    try:
        wait_for_lock(file)
        yield
    finally:
        os.close(file)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8", "replace").splitlines()
    except FileNotFoundError:
        return []


def _is_current(line: str, run: str, reached: Container[str], complete: bool) -> bool:
    """Whether an older line is still true; a line in another format is not ours to remove."""
    try:
        record = json.loads(line)
        source, same_run = record["source"], record["run"] == run
    except (ValueError, KeyError, TypeError, RecursionError):
        return True
    return source not in reached and not (same_run and complete)
