"""Where the results of a run go."""

from __future__ import annotations

from dataclasses import dataclass

from fkd_infer.choices import STDOUT, Extra
from fkd_infer.formats.registry import RecordFile
from fkd_infer.jobs.failures import ERRORS_FILE
from fkd_infer.stores.address import Place


@dataclass(frozen=True)
class Outputs:
    """The outputs of a run, local or in a store; None and empty ones are not written.

    `folder` gets annotated pictures and videos, `sheet` is a contact sheet, `errors` lists sources
    that failed (None: `failures` chooses the file). `extras` are added to the records. `show` opens
    a window with the annotated frames.
    """

    folder: Place | None = None
    records: tuple[RecordFile, ...] = ()
    sheet: Place | None = None
    errors: Place | None = None
    extras: frozenset[Extra] = frozenset()
    show: bool = False

    @property
    def any(self) -> bool:
        """Whether the run has any output."""
        return self.folder is not None or self.drawn or bool(self.files)

    @property
    def drawn(self) -> bool:
        """Whether frames are drawn on even without an output per source."""
        return self.show or self.sheet is not None

    @property
    def files(self) -> list[Place]:
        """Outputs that are one file, or one of `folders`, for all sources."""
        paths: list[Place] = [record.path for record in self.records]
        return paths if self.sheet is None else [*paths, self.sheet]

    @property
    def folders(self) -> list[Place]:
        """Those of `files` that are folders of files."""
        return [record.path for record in self.records if record.is_folder]

    @property
    def place(self) -> Place | None:
        """The folder for files about the run itself; None if the run writes no file."""
        if self.folder is not None:
            return self.folder
        return next((path.parent for path in self.files if path != STDOUT), None)

    @property
    def failures(self) -> Place | None:
        """The file that lists sources that failed; None if the run writes no file."""
        return self.errors or (self.place and self.place / ERRORS_FILE)
