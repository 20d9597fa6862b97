"""fkd-infer: facial keypoints on photos, videos and cameras."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fkd_infer import options
from fkd_infer.commands import FkdCommandWithOthers

if TYPE_CHECKING:
    from fkd_infer.app import Outputs, Summary
    from fkd_infer.options import Finding, Looks
    from fkd_infer.video import Cut
    from fkd_infer.videosink import Encoding

_PICTURES_NAMED = 10


@click.command(
    cls=FkdCommandWithOthers,
    others={
        "live": ("fkd_infer.live_cli", "Show a camera or video as it runs, in the browser."),
        "tune": ("fkd_infer.tune_cli", "Find out how a model is best run on this machine."),
        "doctor": ("fkd_infer.doctor_cli", "Look at the installation, and say what mends it."),
        "filters": ("fkd_infer.filters_cli", "List filters, draw them on a photo, check your own."),
    },
)
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@options.outputs
@options.looks
@options.finding
@options.cut
@options.encoding
@click.option(
    "--workers", type=click.IntRange(1), help="Photos worked on at once; default: all cores."
)
@click.option(
    "--profile",
    type=click.Path(path_type=Path),
    help="File for a Chrome trace: what happened when.",
)
@click.option("--quiet", is_flag=True, help="No progress bar and no summary.")
@click.version_option(package_name="fkd")
@click.pass_context
def main(
    context: click.Context,
    sources: tuple[str, ...],
    outputs: Outputs,
    looks: Looks,
    finding: Finding,
    cut: Cut,
    encoding: Encoding,
    workers: int | None,
    profile: Path | None,
    quiet: bool,
) -> None:
    """Place 68 points on every face of photos and videos.

    SOURCE is an image, a video, a folder, a glob such as 'trip/*.jpg', a stream's URL, or a
    camera's number.
    """
    from fkd_infer.app import Work, run
    from fkd_infer.machine import available_threads
    from fkd_infer.media import check_outputs, expand_sources

    found = expand_sources(sources, outputs.folder)
    check_outputs(found, outputs.folder, [*outputs.files, *([profile] if profile else [])])
    workers = workers or available_threads()
    pipeline = finding.pipeline(found, workers)
    work = Work(
        finding.finder(pipeline),
        looks.look(pipeline),
        outputs,
        cut,
        encoding,
        finding.smooth == "offline",
        workers,
    )
    with pipeline.profile(profile) if profile else nullcontext():
        summary = run(found, work, quiet)
    if not quiet:
        _tell(summary)
    for failure in summary.failures:
        click.echo(f"{context.info_name}: {failure}", err=True)
    if summary.stopped or summary.failures:
        context.exit(130 if summary.stopped else 1)


def _tell(summary: Summary) -> None:
    if summary.frames:
        for line in summary.lines():
            click.echo(line, err=True)
    for picture in summary.pictures[:_PICTURES_NAMED]:
        click.echo(picture, err=True)
    more = len(summary.pictures) - _PICTURES_NAMED
    if more > 0:
        click.echo(f"… and {more} more", err=True)


if __name__ == "__main__":
    main()
