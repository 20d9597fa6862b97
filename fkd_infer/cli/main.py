"""fkd-infer: facial keypoints on photos, videos and cameras."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fkd_infer.cli.command import SOME_FAILED, STOPPED, FkdCommandWithOthers
from fkd_infer.cli.options.drawing import drawing_options
from fkd_infer.cli.options.faces import face_options
from fkd_infer.cli.options.group import neutral_option
from fkd_infer.cli.options.media import cut_options, encoding_options, limit_options
from fkd_infer.cli.options.outputs import output_options
from fkd_infer.cli.resume import check_resume, open_journal
from fkd_infer.system.files.text_checks import printable

if TYPE_CHECKING:
    from fkd_infer.cli.options.drawing import DrawingOptions
    from fkd_infer.cli.options.faces import FaceOptions
    from fkd_infer.jobs.outputs import Outputs
    from fkd_infer.jobs.summary import Summary
    from fkd_infer.limits import Limits
    from fkd_infer.media.video.writer import Encoding
    from fkd_infer.types import FrameRange


@click.command(
    cls=FkdCommandWithOthers,
    others={
        "live": ("fkd_infer.cli.live", "Show a camera or video as it runs, in the browser."),
        "tune": ("fkd_infer.cli.tune", "Find out how a model is best run on this machine."),
        "doctor": ("fkd_infer.cli.doctor", "Look at the installation, and say what mends it."),
        "models": (
            "fkd_infer.cli.models",
            "List the models that come with fkd; check model files.",
        ),
        "filters": ("fkd_infer.cli.filters", "List filters, draw them on a photo, check your own."),
    },
)
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@output_options
@drawing_options
@face_options
@cut_options
@encoding_options
@limit_options
@neutral_option(
    "--resume",
    is_flag=True,
    help="Leave out what is complete: of a run that was stopped, or failed in part.",
)
@neutral_option(
    "--workers", type=click.IntRange(1), help="Photos worked on at once; default: all cores."
)
@neutral_option(
    "--profile",
    type=click.Path(path_type=Path),
    help="File for a Chrome trace: what happened when.",
)
@neutral_option("--quiet", is_flag=True, help="No progress bar and no summary.")
@click.version_option(package_name="fkd")
@click.pass_context
def main(
    context: click.Context,
    sources: tuple[str, ...],
    outputs: Outputs,
    drawing: DrawingOptions,
    faces: FaceOptions,
    frame_range: FrameRange,
    encoding: Encoding,
    limits: Limits,
    resume: bool,
    workers: int | None,
    profile: Path | None,
    quiet: bool,
) -> None:
    """Place 68 points on every face of photos and videos.

    SOURCE is an image, a video, a folder, a glob such as 'trip/*.jpg', a stream's URL, or a
    camera's number.
    """
    from fkd_infer.jobs.run import Job, run
    from fkd_infer.media.sinks import check_outputs
    from fkd_infer.media.sources import expand_sources
    from fkd_infer.system.hardware import available_threads

    check_resume(resume, outputs)
    found = expand_sources(sources, outputs.folder)
    sides = [path for path in (*outputs.files, outputs.failures, profile) if path is not None]
    check_outputs(found, outputs.folder, sides)
    workers = workers or available_threads()
    pipeline = faces.pipeline(found, workers)
    job = Job(
        faces.finder(pipeline),
        drawing.overlay(pipeline),
        outputs,
        frame_range,
        encoding,
        faces.smooth == "offline",
        workers,
        limits,
        open_journal(context, sources, outputs, resume, pipeline),
    )
    with pipeline.profile(profile) if profile else nullcontext():
        summary = run(found, job, quiet)
    if not quiet:
        _tell(summary)
    _tell_failures(context, summary, outputs, quiet)


def _tell(summary: Summary) -> None:
    for line in summary.lines():
        click.echo(line, err=True)
    for picture in summary.pictures:
        click.echo(printable(picture), err=True)
    more = summary.pictured - len(summary.pictures)
    if more:
        click.echo(f"… and {more} more", err=True)


def _tell_failures(context: click.Context, summary: Summary, outputs: Outputs, quiet: bool) -> None:
    """Says what failed and what is left to do, and ends the command as it has to."""
    for failure in summary.failures:
        click.echo(f"{context.info_name}: {printable(failure.message)}", err=True)
    if summary.ended is not None:
        raise summary.ended
    if not (summary.failures or summary.stopped):
        return
    if outputs.place is not None and len(summary.reached) > 1 and not quiet:
        listed = f"{len(summary.failures)} failed, listed in {printable(outputs.failures)}; "
        told = listed if summary.failures else ""
        click.echo(f"{told}the same command with --resume does what is not complete", err=True)
    context.exit(STOPPED if summary.stopped else SOME_FAILED)


if __name__ == "__main__":
    main()
