"""Checks of --resume, and the settings that a resumed run has to share with the first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fkd_infer.cli.options.group import NameOrPath, NeutralOption
from fkd_infer.errors import OutputError
from fkd_infer.jobs.summary import counted
from fkd_infer.system.files.reading import file_sha256

if TYPE_CHECKING:
    from fkd_infer.jobs.journal import Journal
    from fkd_infer.jobs.outputs import Outputs
    from fkd_infer.pipeline import Pipeline


def check_resume(resume: bool, outputs: Outputs) -> None:
    """Raises UsageError for outputs that a run cannot resume, and OutputError for a folder of
    records of an earlier run that this one does not resume."""
    if resume and outputs.sheet is not None:
        why = "--sheet needs frames of all sources, and --resume skips completed ones"
        raise click.UsageError(f"{why}; make the sheet in a run without --resume")
    if resume and outputs.place is None:
        raise click.UsageError("--resume needs outputs that are files, such as --out DIR")
    for record in outputs.records:
        if not resume and record.parts:
            problem = f"it has {counted(len(record.parts), 'part')} of an earlier run"
            fix = "add --resume to continue that run, or choose another folder"
            raise OutputError(record.path, problem, fix)


def check_folders(outputs: Outputs) -> None:
    """Raises OutputError for folders of records where a run on one machine cannot write them."""
    for place in outputs.folders:
        if not isinstance(place, Path):
            problem = "a folder of parts goes to a store with --ray only"
            raise OutputError(place, problem, "end the name in .parquet, for one file")


def open_journal(
    context: click.Context,
    sources: Sequence[str],
    outputs: Outputs,
    resume: bool,
    pipeline: Pipeline,
) -> Journal | None:
    """The journal of a run; None if no output is a file."""
    if outputs.place is None:
        return None
    from fkd_infer.jobs.journal import Journal, journal_path

    places = [place for place in (outputs.folder, *outputs.files) if place is not None]
    path = journal_path(outputs.place, sources, places)
    return Journal(path, result_settings(context, pipeline), resume, faces=bool(outputs.records))


def result_settings(context: click.Context, pipeline: Pipeline) -> dict[str, object]:
    """The settings of a run with a pipeline, whose models may be the shipped ones."""
    return run_settings(context, pipeline.session.path, pipeline.detector.path)


def run_settings(
    context: click.Context, model: Path, detector_model: Path | str | None
) -> dict[str, object]:
    """The version, and the value of each option that results depend on, by the option's name.

    Files are compared by content.
    """
    from fkd_infer import __version__

    models = {"model": model, "detector_model": detector_model}
    values = {**context.params, **models}
    compared = compared_options(context.command)
    options = {option.opts[0]: _comparable(option, values[option.name]) for option in compared}
    return {"version": __version__, **options}


def compared_options(command: click.Command) -> list[click.Option]:
    """The options of a command that `--resume` compares: all but neutral ones."""
    return [
        option
        for option in command.params
        if isinstance(option, click.Option)
        and option.expose_value
        and not isinstance(option, NeutralOption)
    ]


def _comparable(option: click.Option, value: object) -> object:
    """A value as the journal keeps it: names and numbers as they are, files as checksums."""
    if isinstance(value, tuple):
        values = [_comparable(option, each) for each in value]
        return sorted(values, key=str) if isinstance(option.type, click.Choice) else values
    if isinstance(value, Path):
        return file_sha256(value)
    if isinstance(option.type, NameOrPath) and isinstance(value, str):
        return _with_content(value)
    return value


def _with_content(name: str) -> str:
    """A name; that of a file or folder is followed by checksums of all files in the folder."""
    path = Path(name)
    if not path.exists():
        return name
    folder = path if path.is_dir() else path.parent
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return " ".join([name, *(file_sha256(file) for file in files)])
