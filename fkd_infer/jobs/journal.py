"""The journal of a run: what it has completed, in a hidden file beside its outputs, for --resume.

Lines of JSON, only ever appended: the settings; then, for each source, its frames with their faces
and a line that its outputs are complete. Frames after the last such line belong to a source that
was not completed, and are dropped.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from fkd_infer.errors import OutputError, ResumeError
from fkd_infer.jobs.journal_lines import (
    DAMAGED,
    VERSION,
    CompletedSource,
    FileStamp,
    completed_record,
    encode_line,
    frame_record,
    is_completed_line,
    parse_completed,
    parse_frame,
    parse_settings,
    settings_record,
)
from fkd_infer.media.sources import Source
from fkd_infer.stores.address import Place, place
from fkd_infer.system.files.atomic import output_errors
from fkd_infer.system.files.cache import state_folder
from fkd_infer.system.files.lock import open_locked
from fkd_infer.types import Face, Frame

_PREFIX = ".fkd-"
_START_ANEW = "start from the beginning without --resume"


class Journal:
    """Records completed sources while it is `opened`. Only `completed` is thread-safe.

    With `resume`, it starts from what an earlier run with the same settings completed. With
    `faces`, it also records frames, which a later run needs for records.
    """

    def __init__(
        self, path: Path, settings: Mapping[str, object], resume: bool, faces: bool
    ) -> None:
        self.path = path
        self._settings = json.loads(json.dumps(dict(settings), sort_keys=True))
        self._resume = resume
        self._faces = faces
        self._completed: dict[str, CompletedSource] = {}
        self._any_completed = self._finished = self._write_failed = False
        self._frames = 0

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Locks and opens the file for the block; removes it afterwards if no run can use it.

        Raises ResumeError if another run has it open or its settings differ, and OutputError if it
        cannot be written.
        """
        self._file = self._open_locked()
        try:
            with output_errors(self.path):
                self._begin()
        except BaseException:
            self._file.close()
            raise
        succeeded = False
        try:
            yield
            succeeded = True
        finally:
            self._close(remove=not self._any_completed or (self._finished and succeeded))

    @property
    def run(self) -> str:
        """A name that runs of the same sources and outputs share."""
        return self.path.stem.removeprefix(_PREFIX)

    def completed(self, source: Source, picture: Place | None) -> CompletedSource | None:
        """The entry of a completed source, unless the source or its picture has changed since."""
        entry = self._completed.get(source.name)
        if entry is None or FileStamp.of_source(source) != entry.source:
            return None
        return entry if FileStamp.of(picture) == entry.picture else None

    def replay(
        self, source: Source, completed: CompletedSource
    ) -> Iterator[tuple[Frame, list[Face]]]:
        """The frames of a completed source, without their pixels, and their faces."""
        with output_errors(self.path), self.path.open("rb") as file:
            file.seek(completed.start)
            for _ in range(completed.frames):
                try:
                    frame_and_faces = parse_frame(source.name, file.readline())
                except DAMAGED as error:
                    why = f"damaged at {source.name}"
                    raise ResumeError(self.path, why, _START_ANEW) from error
                yield frame_and_faces

    def add(self, frame: Frame, faces: Sequence[Face]) -> None:
        """Records a frame of the current source."""
        if not self._faces:
            return
        self._frames += 1
        self._write(frame_record(frame, faces))

    def complete(self, source: Source, picture: FileStamp | None) -> None:
        """Records the current source, with all frames since the last one, as completed."""
        stamp = FileStamp.of_source(source)
        if stamp is not None:
            record = completed_record(source.name, self._frames, stamp, picture)
            self._write(record, flush=True)
            self._any_completed = True
        self._frames = 0

    def forget_frames(self) -> None:
        """Drops the frames of the current source, which failed."""
        self._frames = 0

    def finish(self) -> None:
        """Marks the run as complete: the file is removed, unless this run resumed another.

        After a run with --resume it stays, so that the same command can process new sources.
        """
        self._finished = not self._resume

    def _open_locked(self) -> BinaryIO:
        with output_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = open_locked(self.path)
        if descriptor is None:
            why = "another run of the same sources is writing here"
            fix = "wait for it, or choose another place for outputs"
            raise ResumeError(self.path.parent, why, fix)
        return os.fdopen(descriptor, "r+b")

    def _close(self, remove: bool) -> None:
        with output_errors(self.path):
            if remove and sys.platform != "win32":
                self.path.unlink(missing_ok=True)
            try:
                self._file.close()
            except OSError:
                if not self._write_failed:  # that error has been raised already
                    raise
            if remove and sys.platform == "win32":  # which cannot remove an open file
                with suppress(PermissionError):  # another run has opened it since
                    self.path.unlink(missing_ok=True)

    def _write(self, record: Mapping[str, object], flush: bool = False) -> None:
        self._write_failed = True
        with output_errors(self.path):
            self._file.write(encode_line(record))
            if flush:
                self._file.flush()
        self._write_failed = False

    def _begin(self) -> None:
        """Reads what an earlier run completed and drops the rest, or starts an empty journal."""
        end = self._read() if self._resume else 0
        self._file.truncate(end)
        self._file.seek(end)
        if not end:
            self._file.write(encode_line(settings_record(self._settings)))
            self._file.flush()
        self._any_completed = bool(self._completed)

    def _read(self) -> int:
        """Reads completed sources; returns where the last of them ends."""
        head = self._file.readline()
        if not head.endswith(b"\n"):
            return 0
        self._check_settings(head)
        end = offset = len(head)
        starts: list[int] = []
        for line in self._file:
            if not line.endswith(b"\n"):
                break
            if is_completed_line(line):
                try:
                    name, completed = parse_completed(line, starts, offset)
                except DAMAGED:
                    break
                self._completed[name] = completed
                starts, end = [], offset + len(line)
            else:
                starts.append(offset)
            offset += len(line)
        return end

    def _check_settings(self, line: bytes) -> None:
        """Raises ResumeError if the run that wrote the journal had other settings."""
        try:
            version, settings = parse_settings(line)
        except DAMAGED as error:
            raise ResumeError(self.path, "not a journal of a run", _START_ANEW) from error
        if version != VERSION:
            raise ResumeError(self.path, "written by another version of fkd", _START_ANEW)
        names = sorted(settings.keys() | self._settings.keys())
        changed = [name for name in names if settings.get(name) != self._settings.get(name)]
        if changed:
            why = f"the earlier run here had other settings ({', '.join(changed)})"
            fix = f"use the same ones, name other outputs, or {_START_ANEW}"
            raise ResumeError(self.path.parent.absolute(), why, fix)


def journal_path(folder: Place, sources: Sequence[str], outputs: Sequence[Place]) -> Path:
    """The journal for these sources and outputs: in this folder, or, if that is in a store, in one
    of the user's, since lines cannot be appended to objects."""
    places = [_full(place(text)) for text in sources]
    places += ["to", *map(_full, outputs)]
    digest = hashlib.sha256("\0".join(places).encode("utf-8", "surrogatepass")).hexdigest()
    if not isinstance(folder, Path):
        try:
            folder = state_folder() / "journals"
        except RuntimeError as error:
            fix = "set it to a folder"
            raise OutputError("XDG_STATE_HOME", str(error).rstrip("."), fix) from error
    return folder / f"{_PREFIX}{digest[:12]}.journal"


def _full(where: Place) -> str:
    """A place whatever the working folder is."""
    return str(where.absolute()) if isinstance(where, Path) else where.url
