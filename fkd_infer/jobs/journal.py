"""What a run has completed, in a hidden file beside its outputs, so that another can go on there.

The file is lines of JSON: first the settings of the run; then, for each source, its frames with
their faces, exactly as they were found, and a line that says that its outputs are whole. Lines are
only appended. What a killed run left behind the last such line is dropped.
"""

from __future__ import annotations

import hashlib
import json
import os
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from fkd_infer.errors import ResumeError
from fkd_infer.geometry.arrays import Floats
from fkd_infer.media.sources import Source
from fkd_infer.system.files.atomic import output_errors
from fkd_infer.system.files.lock import lock_new
from fkd_infer.types import Face, Frame

VERSION = 1
_PREFIX = ".fkd-"
_ANEW = "leave --resume out to begin anew"
_DAMAGED = (ValueError, KeyError, TypeError, IndexError, RecursionError, OverflowError)
"""What reading a line raises that no run wrote."""
_DONE = b'{"done"'


@dataclass(frozen=True, slots=True)
class Stamp:
    """A file as it was: another size or time of change, and it is another one."""

    size: int
    mtime_ns: int

    @classmethod
    def of(cls, path: Path | None) -> Stamp | None:
        """The stamp of a file; None where there is none."""
        try:
            status = path.stat() if path else None
        except OSError:
            return None
        return cls(status.st_size, status.st_mtime_ns) if status else None


@dataclass(frozen=True, slots=True)
class Completed:
    """A source that is done: where in the journal its frames are, the file as it was, and its
    picture."""

    start: int
    frames: int
    source: Stamp
    picture: Stamp | None


class Journal:
    """Keeps what is completed from `with` to the end of its block; for one thread, but `completed`.

    With `resume`, what an earlier run with the same settings completed counts. `faces` says whether
    frames are kept too, which a later run needs for records. Raises ResumeError where another run
    has the journal open, or the settings differ, and OutputError where it cannot be written.
    """

    def __init__(
        self, path: Path, settings: Mapping[str, object], resume: bool, faces: bool
    ) -> None:
        self.path = path
        self._settings = json.loads(json.dumps(dict(settings), sort_keys=True))
        self._resume = resume
        self._faces = faces
        self._completed: dict[str, Completed] = {}
        self._any = self._finished = self._broken = False
        self._frames = 0

    def __enter__(self) -> Self:
        with output_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = lock_new(self.path)
        if descriptor is None:
            why = "another run of the same sources is at work here; wait for it, or give another"
            raise ResumeError(self.path.parent, f"{why} place for outputs")
        self._file: BinaryIO = os.fdopen(descriptor, "r+b")
        try:
            with output_errors(self.path):
                self._begin()
        except BaseException:
            self._file.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        useless = not self._any or (self._finished and error is None)
        with output_errors(self.path):
            if useless:
                self.path.unlink(missing_ok=True)
            try:
                self._file.close()
            except OSError:
                if not self._broken:
                    raise  # else it was told when it broke

    @property
    def run(self) -> str:
        """A name for runs of the same sources and outputs."""
        return self.path.stem.removeprefix(_PREFIX)

    def completed(self, source: Source, picture: Path | None) -> Completed | None:
        """What is known of a source that is done, unless it or its picture changed since."""
        known = self._completed.get(source.name)
        if known is None or source.path is None or Stamp.of(source.path) != known.source:
            return None
        return known if Stamp.of(picture) == known.picture else None

    def replay(self, source: Source, known: Completed) -> Iterator[tuple[Frame, list[Face]]]:
        """The frames of a source that is done, without their pixels, and their faces."""
        with output_errors(self.path), self.path.open("rb") as file:
            file.seek(known.start)
            for _ in range(known.frames):
                try:
                    taken = _frame(source.name, json.loads(file.readline()))
                except _DAMAGED as error:
                    raise ResumeError(self.path, f"damaged at {source.name}", _ANEW) from error
                yield taken

    def take(self, frame: Frame, faces: Sequence[Face]) -> None:
        """Keeps a frame of the source that is being done."""
        if not self._faces:
            return
        self._frames += 1
        self._write(_plain(frame, faces))

    def done(self, source: Source, picture: Path | None) -> None:
        """Says that the outputs of a source are whole; the frames since the last such are its."""
        stamp = Stamp.of(source.path)
        if stamp is not None:
            made = Stamp.of(picture)
            record = {
                "done": source.name,
                "frames": self._frames,
                "source": [stamp.size, stamp.mtime_ns],
                "picture": made and [made.size, made.mtime_ns],
            }
            self._write(record, flush=True)
            self._any = True
        self._frames = 0

    def forget_frames(self) -> None:
        """Drops the frames of a source that failed."""
        self._frames = 0

    def finish(self) -> None:
        """Says that everything is done. With the block the file goes, but where a later run is to
        find it again, since this one was told to."""
        self._finished = not self._resume

    def _write(self, record: Mapping[str, object], flush: bool = False) -> None:
        self._broken = True
        with output_errors(self.path):
            self._file.write(_line(record))
            if flush:
                self._file.flush()
        self._broken = False

    def _begin(self) -> None:
        """Reads what is there, or begins anew."""
        end = self._read() if self._resume else 0
        self._file.truncate(end)
        self._file.seek(end)
        if not end:
            self._file.write(_line({"fkd_journal": VERSION, "settings": self._settings}))
            self._file.flush()
        self._any = bool(self._completed)

    def _read(self) -> int:
        """Reads what was completed; where the last line of it ends."""
        head = self._file.readline()
        if not head.endswith(b"\n"):
            return 0
        self._check(head)
        end = at = len(head)
        starts: list[int] = []
        for line in self._file:
            if not line.endswith(b"\n"):
                break
            if line.startswith(_DONE):
                if not self._note(line, starts, at):
                    break
                starts, end = [], at + len(line)
            else:
                starts.append(at)
            at += len(line)
        return end

    def _note(self, line: bytes, starts: Sequence[int], at: int) -> bool:
        """Takes a source for done; False where the line is damaged."""
        try:
            record = json.loads(line)
            frames, picture = int(record["frames"]), record["picture"]
            known = Completed(
                starts[-frames] if frames else at,
                frames,
                Stamp(*record["source"]),
                picture and Stamp(*picture),
            )
            self._completed[str(record["done"])] = known
        except _DAMAGED:
            return False
        return True

    def _check(self, head: bytes) -> None:
        """Raises ResumeError where an earlier run did something else."""
        try:
            record = json.loads(head)
            version, settings = record["fkd_journal"], dict(record["settings"])
        except _DAMAGED as error:
            raise ResumeError(self.path, "not a journal of a run", _ANEW) from error
        if version != VERSION:
            raise ResumeError(self.path, "written by another version of fkd", _ANEW)
        names = sorted(settings.keys() | self._settings.keys())
        other = [name for name in names if settings.get(name) != self._settings.get(name)]
        if other:
            why = f"the run that began here had other settings ({', '.join(other)})"
            raise ResumeError(self.path.parent, why, f"give the same, or {_ANEW}")


def journal_path(folder: Path, sources: Sequence[str], outputs: Sequence[Path]) -> Path:
    """Where a run keeps its journal: the same place for the same sources and outputs."""
    places = [str(Path(text).absolute()) for text in sources]
    places += ["to", *(str(path.absolute()) for path in outputs)]
    digest = hashlib.sha256("\0".join(places).encode("utf-8", "surrogatepass")).hexdigest()
    return folder / f"{_PREFIX}{digest[:12]}.journal"


def _line(record: Mapping[str, object]) -> bytes:
    return json.dumps(record, separators=(",", ":")).encode("ascii") + b"\n"


def _plain(frame: Frame, faces: Sequence[Face]) -> dict[str, object]:
    return {
        "frame": [frame.width, frame.height, frame.index, str(frame.time)],
        "faces": [
            [_packed(face.points), _packed(face.box), float(face.score), face.id, face.presence]
            for face in faces
        ],
    }


def _frame(name: str, record: dict[str, Any]) -> tuple[Frame, list[Face]]:
    width, height, index, time = record["frame"]
    image = np.broadcast_to(np.uint8(0), (height, width, 3))
    faces = [
        Face(_unpacked(points).reshape(-1, 2), _unpacked(box), score, identity, presence)
        for points, box, score, identity, presence in record["faces"]
    ]
    return Frame(image, name, index, Fraction(time)), faces


def _packed(values: Floats) -> str:
    little: NDArray[np.float32] = values.astype("<f4")
    return b64encode(little.tobytes()).decode("ascii")


def _unpacked(text: str) -> Floats:
    return np.frombuffer(b64decode(text), "<f4").astype(np.float32)
