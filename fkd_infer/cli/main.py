"""fkd-infer: facial keypoints on photos, videos and cameras."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fkd_infer.cli.command import SOME_FAILED, STOPPED, CommandWithSubcommands, Subcommand
from fkd_infer.cli.options.drawing import drawing_options
from fkd_infer.cli.options.faces import face_options
from fkd_infer.cli.options.group import PATH, neutral_option, section
from fkd_infer.cli.options.media import (
    encoding_options,
    frame_range_options,
    limit_options,
    reading_options,
)
from fkd_infer.cli.options.networks import provider_options
from fkd_infer.cli.options.outputs import output_options
from fkd_infer.system.files.text_checks import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fkd_infer.cli.folder_notes import LeftOut
    from fkd_infer.cli.options.drawing import DrawingOptions
    from fkd_infer.cli.options.faces import FaceOptions
    from fkd_infer.cli.options.networks import ProviderOptions
    from fkd_infer.jobs.outputs import Outputs
    from fkd_infer.jobs.summary import Summary
    from fkd_infer.limits import Limits
    from fkd_infer.media.sources import Source
    from fkd_infer.media.video.encoding import Encoding
    from fkd_infer.types import FrameRange, ReadSettings

_SUBCOMMANDS = {
    "live": Subcommand(
        "fkd_infer.cli.live", "Show the faces of a camera or video in the browser as it runs."
    ),
    "web": Subcommand("fkd_infer.cli.web", "Serve the page that runs networks in the browser."),
    "tune": Subcommand("fkd_infer.cli.tune", "Find the fastest settings for this machine."),
    "doctor": Subcommand("fkd_infer.cli.doctor", "Check the installation; name a fix per problem."),
    "models": Subcommand("fkd_infer.cli.models", "List the shipped models; check model files."),
    "filters": Subcommand("fkd_infer.cli.filters", "List filters, preview them, check your own."),
}


# NumPy's matrices are small here. Threads of its OpenBLAS would wait busily for more of them, and
# take a core from the start of the networks. The library leaves this to its host.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


@click.command(cls=CommandWithSubcommands, subcommands=_SUBCOMMANDS)
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@output_options
@drawing_options
@face_options
@provider_options
@frame_range_options
@reading_options
@encoding_options
@limit_options
@section(
    "The run",
    neutral_option(
        "--resume",
        is_flag=True,
        help="Skip sources that an earlier run with the same sources, outputs and options "
        "completed: after a stop, a crash or failures.",
    ),
    neutral_option(
        "--workers",
        type=click.IntRange(1),
        show_default="all cores",
        help="Process this many photos at once.",
    ),
    neutral_option(
        "--ray",
        metavar="auto|local|ray://HOST:PORT",
        help="Run on the Ray cluster of this machine, one that is started here, or that of a Ray "
        "client server; needs --parquet DIR.",
    ),
    neutral_option(
        "--profile",
        type=PATH,
        help="Write a Chrome trace to this file, for ui.perfetto.dev or chrome://tracing: the "
        "stages of each thread by frame, and each operator of ONNX Runtime.",
    ),
    neutral_option("--quiet", is_flag=True, help="Show no progress bar and no summary."),
)
@click.version_option(package_name="fkd")
@click.pass_context
def main(
    context: click.Context,
    sources: tuple[str, ...],
    outputs: Outputs,
    drawing: DrawingOptions,
    faces: FaceOptions,
    providers: ProviderOptions,
    frame_range: FrameRange,
    reading: ReadSettings,
    encoding: Encoding,
    limits: Limits,
    resume: bool,
    workers: int | None,
    ray: str | None,
    profile: Path | None,
    quiet: bool,
) -> None:
    """Place 68 points on every face of photos and videos.

    SOURCE is an image, a video, a folder, a glob such as 'trip/*.jpg', an address in a store, such
    as s3://bucket/folder, the URL of a picture or stream, a camera's number, or - for standard
    input.
    """
    from fkd_infer.cli.folder_notes import LeftOut, written_otherwise
    from fkd_infer.cli.resume import check_folders, check_resume, open_journal
    from fkd_infer.jobs.run import Job, run
    from fkd_infer.system.hardware import available_threads

    check_resume(resume, outputs)
    if ray is not None:
        from fkd_infer.cli.ray import check_ray_options, run_on_cluster

        check_ray_options(ray, sources, outputs, faces, profile)
        summary = run_on_cluster(
            context,
            ray,
            sources,
            outputs,
            faces,
            drawing,
            providers,
            frame_range,
            reading,
            encoding,
            limits,
            workers,
            quiet,
        )
        notes = [*summary.notes, written_otherwise(summary.suffixes)]
        _finish(context, summary, outputs, notes, quiet)
        return
    check_folders(outputs)
    left_out = LeftOut()
    first, others, outputs = _expand_and_check(sources, outputs, profile, left_out, limits)
    workers = workers or available_threads()
    pipeline = faces.pipeline(first, workers, providers)
    job = Job(
        faces.finder(pipeline, first, complete=others is None),
        drawing.overlay(pipeline),
        outputs,
        frame_range,
        encoding,
        faces.smooth == "offline",
        workers,
        limits,
        open_journal(context, sources, outputs, resume, pipeline),
        reading,
    )
    with pipeline.profile(profile) if profile else nullcontext():
        summary = run(first if others is None else chain(first, others), job, quiet)
    notes = [*summary.notes, str(left_out)]
    if outputs.folder is not None:
        notes.insert(0, written_otherwise(summary.suffixes))
    _finish(context, summary, outputs, notes, quiet)


def _finish(
    context: click.Context, summary: Summary, outputs: Outputs, notes: Sequence[str], quiet: bool
) -> None:
    """Prints what became of a run, and ends the command with its exit code."""
    if not quiet:
        _print_summary(summary)
        for line in filter(None, notes):
            click.echo(printable(line), err=True)
    _print_failures(context, summary, outputs, quiet)
    if summary.fatal_error is not None:
        raise summary.fatal_error
    if summary.failures or summary.stopped:
        context.exit(STOPPED if summary.stopped else SOME_FAILED)


def _expand_and_check(
    sources: tuple[str, ...],
    outputs: Outputs,
    profile: Path | None,
    left_out: LeftOut,
    limits: Limits,
) -> tuple[list[Source], Iterator[Source] | None, Outputs]:
    """The first sources that arguments stand for, all others, if there are more, and where outputs
    go, once every output of the first is known to have its own place."""
    from fkd_infer.media.output_check import (
        check_outputs,
        checked_sources,
        place_single_output,
    )
    from fkd_infer.media.sources import begin_sources

    first, others = begin_sources(sources, outputs.folder, left_out, limits)
    if outputs.folder is not None:
        first, folder = place_single_output(first, outputs.folder)
        outputs = replace(outputs, folder=folder)
    files = [*outputs.files, outputs.failures, profile]
    check_outputs(first, outputs.folder, [file for file in files if file], outputs.folders)
    if others is not None:
        others = checked_sources(first, others, outputs.folder)
    return first, others, outputs


def _print_summary(summary: Summary) -> None:
    for line in summary.lines():
        click.echo(line, err=True)
    for picture in summary.pictures:
        click.echo(printable(picture), err=True)
    more = summary.picture_count - len(summary.pictures)
    if more:
        click.echo(f"… and {more} more", err=True)


def _print_failures(
    context: click.Context, summary: Summary, outputs: Outputs, quiet: bool
) -> None:
    """Prints a line per failure; after a run of several sources, how to continue it."""
    for failure in summary.failures:
        click.echo(f"{context.info_name}: {printable(failure.message)}", err=True)
    unfinished = bool(summary.failures) or summary.stopped
    resumable = outputs.place is not None and outputs.sheet is None and len(summary.reached) > 1
    if summary.fatal_error is None and unfinished and resumable and not quiet:
        count = len(summary.failures)
        listed = f"{count} failed, listed in {printable(outputs.failures)}; " if count else ""
        click.echo(f"{listed}run the same command with --resume for the rest", err=True)


if __name__ == "__main__":
    main()
