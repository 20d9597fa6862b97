"""Where a run writes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fkd_infer.choices import Extra
from fkd_infer.formats.base import STDOUT
from fkd_infer.jobs.failures import ERRORS_FILE


@dataclass(frozen=True)
class Outputs:
    """Where results go; None leaves one out. `errors` lists sources that failed, in `place` where
    it is None. `extras` are what else records say of faces; `show` shows frames in a window as they
    are done."""

    folder: Path | None = None
    json: Path | None = None
    csv: Path | None = None
    coco: Path | None = None
    npz: Path | None = None
    sheet: Path | None = None
    errors: Path | None = None
    extras: frozenset[Extra] = frozenset()
    show: bool = False

    @property
    def files(self) -> list[Path]:
        """Those that are one file for all sources."""
        return [path for path in (*self._records, self.sheet) if path is not None]

    @property
    def recorded(self) -> bool:
        """Whether there are records of faces."""
        return any(path is not None for path in self._records)

    @property
    def place(self) -> Path | None:
        """The folder for what is to be told of all sources; None where nothing becomes a file."""
        if self.folder is not None:
            return self.folder
        return next((path.parent for path in self.files if path != STDOUT), None)

    @property
    def failures(self) -> Path | None:
        """The file that lists sources that failed."""
        return self.errors or (self.place and self.place / ERRORS_FILE)

    @property
    def _records(self) -> tuple[Path | None, ...]:
        return self.json, self.csv, self.coco, self.npz

    @property
    def drawn(self) -> bool:
        """Whether anybody but a file of each source sees what is drawn."""
        return self.show or self.sheet is not None

    @property
    def any(self) -> bool:
        """Whether there is any."""
        return self.folder is not None or self.drawn or bool(self.files)
