"""Options that say where pictures, records and failures are written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from fkd_infer.choices import EXTRAS, Extra
from fkd_infer.cli.options.group import PATH, group, neutral_option

if TYPE_CHECKING:
    from fkd_infer.jobs.outputs import Outputs


def _outputs(**said: Any) -> Outputs:
    from fkd_infer.jobs.outputs import Outputs

    extras: tuple[Extra, ...] = said.pop("extras")
    outputs = Outputs(**said, extras=frozenset(extras))
    if not outputs.any:
        flags = (
            "--out DIR, --json FILE, --csv FILE, --coco FILE, --npz FILE, --sheet FILE or --show"
        )
        raise click.UsageError(f"nothing to write: give {flags}")
    return outputs


output_options = group(
    "outputs",
    _outputs,
    folder=neutral_option(
        "--out", "folder", type=PATH, help="Folder for the annotated pictures and videos."
    ),
    json=neutral_option("--json", type=PATH, help="File for JSON lines, one per frame; - prints."),
    csv=neutral_option("--csv", type=PATH, help="File for a CSV table, one line per face."),
    coco=neutral_option(
        "--coco", type=PATH, help="File for all faces as one document of COCO keypoints."
    ),
    npz=neutral_option("--npz", type=PATH, help="File for all faces as NumPy arrays."),
    sheet=neutral_option(
        "--sheet", type=PATH, help="Picture of up to 20 frames from all over the sources."
    ),
    errors=neutral_option(
        "--errors",
        type=PATH,
        show_default="errors.jsonl in --out, or beside the records",
        help="File for JSON lines of the sources that failed, where there are any.",
    ),
    extras=neutral_option(
        "--extras",
        type=click.Choice(EXTRAS),
        multiple=True,
        help="More of each face in records: the head's angles; how open eyes and mouth are.",
    ),
    show=neutral_option("--show", is_flag=True, help="Show frames in a window as they are done."),
)
"""Options that say where results go, for a command's argument `outputs`."""
