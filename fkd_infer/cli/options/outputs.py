"""Options for where pictures, records and failures are written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING

import click

from fkd_infer.choices import EXTRAS, Extra
from fkd_infer.cli.options.group import PLACE, Decorator, group, neutral_option
from fkd_infer.formats.registry import BUILT_IN, RecordFile, RecordFormat, find_format
from fkd_infer.stores.address import Place, place

if TYPE_CHECKING:
    from fkd_infer.jobs.outputs import Outputs


def _outputs(
    folder: Place | None,
    records: Sequence[str],
    sheet: Place | None,
    errors: Place | None,
    extras: Sequence[Sequence[Extra]],
    show: bool,
    **paths: Place | None,
) -> Outputs:
    from fkd_infer.jobs.outputs import Outputs

    files = (*_built_in_files(paths), *map(_record_file, records))
    outputs = Outputs(folder, files, sheet, errors, frozenset(chain.from_iterable(extras)), show)
    if not outputs.any:
        formats = ", ".join(f"--{row.name} FILE" for row in BUILT_IN)
        flags = f"--out DIR, {formats}, --records FORMAT=FILE, --sheet FILE or --show"
        raise click.UsageError(f"no output; use at least one of {flags}")
    return outputs


class _Several(click.ParamType[tuple[Extra, ...]]):
    """Choices with commas between them."""

    name = "choices"

    def __init__(self, choices: Sequence[Extra]) -> None:
        self._choice = click.Choice(choices)

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Extra, ...]:
        """The choices in a text."""
        if isinstance(value, tuple):
            return value
        return tuple(self._choice.convert(part, param, ctx) for part in str(value).split(","))


def _built_in_files(paths: dict[str, Place | None]) -> Iterator[RecordFile]:
    for row in BUILT_IN:
        if (path := paths[row.name]) is not None:
            yield RecordFile(row, path)


def _record_file(text: str) -> RecordFile:
    name, _, path = text.partition("=")
    if not name or not path:
        raise click.UsageError(f"--records {text!r} is not FORMAT=FILE, as in json=faces.jsonl")
    return RecordFile(find_format(name), place(path))


def _format_option(row: RecordFormat) -> Decorator:
    stdout = "; - prints them." if row.to_stdout else "."
    place = f"this {row.file_suffix} file or folder" if row.file_suffix else "this file"
    help_text = f"Write {row.content}, to {place}{stdout}"
    return neutral_option(f"--{row.name}", type=PLACE, help=help_text)


output_options = group(
    "outputs",
    _outputs,
    "Outputs",
    folder=neutral_option(
        "--out",
        "-o",
        "folder",
        type=PLACE,
        help="Write annotated pictures and videos to this folder, local or in a store such as "
        "s3://bucket/folder, or to this file if there is a single source.",
    ),
    **{row.name: _format_option(row) for row in BUILT_IN},
    records=neutral_option(
        "--records",
        metavar="FORMAT=FILE",
        multiple=True,
        help="Write records in this format, of another package or one of the above; may be "
        "repeated.",
    ),
    sheet=neutral_option(
        "--sheet",
        type=PLACE,
        help="Write a .jpg or .png of up to 20 annotated frames, spread over those of all sources.",
    ),
    errors=neutral_option(
        "--errors",
        type=PLACE,
        show_default="errors.jsonl in --out or beside the records",
        help="Write JSON lines about failed sources, if any, to this file.",
    ),
    extras=neutral_option(
        "--extras",
        type=_Several(EXTRAS),
        multiple=True,
        metavar=f"[{'|'.join(EXTRAS)}],...",
        help="Add to the records the head's rotation in degrees (pose), how far eyes and mouth "
        "are open (ratios), or each point's expected error (spread); may be repeated.",
    ),
    show=neutral_option(
        "--show",
        is_flag=True,
        help="Show annotated frames in a window; closing it or typing q ends the run. Needs a "
        "display and opencv-python.",
    ),
)
"""Adds `outputs`: where results are written."""
