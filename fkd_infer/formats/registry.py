"""The registry of record formats, built in or registered by other packages.

A new format is one module beside this one and one row in `BUILT_IN`; its option, the checks and the
tests follow from the row. Sinks are imported at their first use, so that --help stays quick.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from fkd_infer.choices import STDOUT, Extra
from fkd_infer.errors import FkdError, OutputError, SettingsError, one_line
from fkd_infer.stores.access import objects_below
from fkd_infer.stores.address import Place
from fkd_infer.system.plugins import FIX, PluginError, load_plugin, plugin_names

if TYPE_CHECKING:
    from fkd_infer.formats.base import RecordSink
    from fkd_infer.landmarks.schemes import LandmarkScheme

    SinkFactory = Callable[[Path, LandmarkScheme, frozenset[Extra]], RecordSink]

GROUP = "fkd.formats"
"""Entry point group in which other packages register a RecordFormat."""
PARQUET_SUFFIX = ".parquet"
"""Of a single file; any other path is a folder of such files."""


class RecordFormat(NamedTuple):
    """A format for records of faces, for `fkd-infer --records`.

    A package states it as an entry point of the group `fkd.formats`.
    """

    name: str
    """What `--records` calls it: `json=faces.jsonl`."""
    content: str
    """What the file holds, for messages: "a CSV table, one line per face"."""
    sink: SinkFactory
    """Called with the file, the landmark scheme and the requested extras; returns a RecordSink."""
    to_stdout: bool = False
    """Whether the format can be printed while the run goes on."""
    file_suffix: str = ""
    """A path that does not end in it, if there is one, is a folder of such files."""


@dataclass(frozen=True)
class RecordFile:
    """A file or object for records; raises OutputError for - if the format cannot be printed."""

    format: RecordFormat
    path: Place

    def __post_init__(self) -> None:
        if self.path == STDOUT and not self.format.to_stdout:
            why = f"{self.format.name} records cannot be printed"
            raise OutputError(self.path, why, "give the name of a file")

    @property
    def is_folder(self) -> bool:
        """Whether the path is a folder of files."""
        return bool(self.format.file_suffix) and self.path.suffix != self.format.file_suffix

    @property
    def parts(self) -> list[Place]:
        """The files that are in the folder, sorted; empty for a single file."""
        return part_files(self.path) if self.is_folder else []

    def open(self, scheme: LandmarkScheme, extras: frozenset[Extra] = frozenset()) -> RecordSink:
        """Returns the file's sink, to be entered with `with`; `local_output` has one for an object.

        Raises SettingsError for a format of another package that fails to make one.
        """
        assert isinstance(self.path, Path)
        if self.format in BUILT_IN:
            return self.format.sink(self.path, scheme, extras)
        subject = f"record format {self.format.name!r}"
        try:
            sink = self.format.sink(self.path, scheme, extras)
        except FkdError:
            raise
        except Exception as error:  # a package may raise anything
            raise SettingsError(subject, f"failed to open: {one_line(error)}", FIX) from error
        if not (hasattr(sink, "write") and hasattr(sink, "__enter__")):
            raise SettingsError(subject, f"gave {type(sink).__name__}, which is no RecordSink", FIX)
        return sink


def _imported(name: str) -> SinkFactory:
    """Returns a factory that imports a sink class, "module:class", when it is first called."""

    def sink(path: Path, scheme: LandmarkScheme, extras: frozenset[Extra]) -> RecordSink:
        module, _, kind = name.partition(":")
        opened: RecordSink = getattr(import_module(module), kind)(path, scheme, extras)
        return opened

    return sink


BUILT_IN: tuple[RecordFormat, ...] = (
    RecordFormat(
        "json",
        "JSON lines, one per frame",
        _imported("fkd_infer.formats.json_lines:JsonLinesSink"),
        to_stdout=True,
    ),
    RecordFormat(
        "csv",
        "a CSV table, one line per face",
        _imported("fkd_infer.formats.csv_table:CsvSink"),
        to_stdout=True,
    ),
    RecordFormat(
        "coco",
        "all faces as one COCO keypoints document",
        _imported("fkd_infer.formats.coco:CocoSink"),
    ),
    RecordFormat(
        "npz",
        "all faces as NumPy arrays",
        _imported("fkd_infer.formats.npz:NpzSink"),
    ),
    RecordFormat(
        "parquet",
        "all faces as a Parquet table",
        _imported("fkd_infer.formats.parquet:ParquetSink"),
        file_suffix=PARQUET_SUFFIX,
    ),
)


def part_files(folder: Place) -> list[Place]:
    """The Parquet files of a run in a folder, sorted; empty if there is no such folder.

    Raises StoreError.
    """
    if isinstance(folder, Path):
        return [*sorted(folder.glob(f"part-*{PARQUET_SUFFIX}"))]
    found = (stored.address for stored in objects_below(folder))
    return [part for part in found if PurePosixPath(part.name).match(f"part-*{PARQUET_SUFFIX}")]


def find_format(name: str) -> RecordFormat:
    """Returns the format of a name, built in or registered by an installed package.

    Raises SettingsError if there is none, or if the package that registers it is broken.
    """
    for built_in in BUILT_IN:
        if built_in.name == name:
            return built_in
    try:
        plugin = load_plugin(GROUP, name, RecordFormat)
    except PluginError as error:
        problem = f"cannot be used: {error}"
        raise SettingsError(f"record format {name!r}", problem, FIX) from error
    if plugin is None:
        built_in_names = [row.name for row in BUILT_IN]
        others = [other for other in plugin_names(GROUP) if other not in built_in_names]
        known = ", ".join([*built_in_names, *others])
        raise SettingsError(f"record format {name!r}", "does not exist", f"there are {known}")
    return plugin
