"""How fkd-infer goes on with a run: whether it can, and what has to be as it was."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fkd_infer.system.files.reading import file_sha256

if TYPE_CHECKING:
    from fkd_infer.cli.options.drawing import DrawingOptions
    from fkd_infer.cli.options.faces import FaceOptions
    from fkd_infer.jobs.journal import Journal
    from fkd_infer.jobs.outputs import Outputs
    from fkd_infer.media.video.writer import Encoding
    from fkd_infer.pipeline import Pipeline
    from fkd_infer.types import Cut


def check_resume(resume: bool, outputs: Outputs) -> None:
    """Refuses what cannot be resumed."""
    if resume and outputs.sheet is not None:
        why = "--sheet shows frames as they are drawn, and --resume leaves out what is complete"
        raise click.UsageError(f"{why}; make it in a run of its own")
    if resume and outputs.place is None:
        raise click.UsageError("--resume needs outputs that are files, such as --out DIR")


def run_journal(
    sources: Sequence[str],
    outputs: Outputs,
    resume: bool,
    pipeline: Pipeline,
    faces: FaceOptions,
    drawing: DrawingOptions,
    cut: Cut,
    encoding: Encoding,
) -> Journal | None:
    """Where a run keeps what it has completed; None where nothing becomes a file.

    What it depends on goes along: files by their content, options by what they are, and nothing
    that only changes how long it takes.
    """
    if outputs.place is None:
        return None
    from fkd_infer import __version__
    from fkd_infer.jobs.journal import Journal, journal_path

    settings: dict[str, object] = {
        "version": __version__,
        "--model": file_sha256(pipeline.session.path),
        **faces.settings(pipeline),
        "--draw": sorted(drawing.layers),
        "--filter": [_content(name) for name in drawing.filters],
        "--start": str(cut.start),
        "--end": None if cut.end is None else str(cut.end),
        "--max-frames": cut.max_frames,
        "--stride": cut.stride,
        "--codec": encoding.codec,
        "--quality": encoding.quality,
    }
    places = [path for path in (outputs.folder, *outputs.files) if path is not None]
    path = journal_path(outputs.place, sources, places)
    return Journal(path, settings, resume, faces=outputs.recorded)


def _content(name: str) -> str:
    """A filter's name, and for one of the user's own what is in its folder."""
    folder = Path(name)
    if not folder.exists():
        return name
    folder = folder if folder.is_dir() else folder.parent
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return " ".join([name, *(file_sha256(file) for file in files)])
