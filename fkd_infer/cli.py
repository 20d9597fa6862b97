"""fkd-infer: facial keypoints on photos, videos and cameras."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fkd_infer.commands import FkdCommandWithOthers
from fkd_infer.names import (
    BOX_KINDS,
    DEFAULT_LAYERS,
    DEFAULT_MODEL,
    DETECT_SIZE,
    DETECTORS,
    LAYERS,
    MIN_PRESENCE,
    PROVIDERS,
    VIDEO_DETECT_SIZE,
    BoxKind,
    DetectorName,
    Layer,
    Provider,
)

if TYPE_CHECKING:
    from fkd_infer.app import Summary

_PATH = click.Path(path_type=Path)
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
@click.option("--out", type=_PATH, help="Folder for the annotated pictures and videos.")
@click.option("--json", "json_", type=_PATH, help="File for JSON lines, one per frame; - prints.")
@click.option("--csv", type=_PATH, help="File for a CSV table, one line per face.")
@click.option(
    "--model", default=DEFAULT_MODEL, show_default=True, help="Shipped model, or an .onnx file."
)
@click.option(
    "--detector",
    type=click.Choice(DETECTORS),
    default="haar",
    show_default=True,
    help="none: each image is one face, cropped already.",
)
@click.option("--boxes", type=_PATH, help="CSV of boxes: source,frame,x0,y0,x1,y1; no detector.")
@click.option(
    "--boxes-kind",
    type=click.Choice(BOX_KINDS),
    default="points",
    show_default=True,
    help="How --boxes are drawn: tight around brows to chin, or as Haar does.",
)
@click.option(
    "--detect-size",
    type=click.IntRange(64),
    show_default=f"{DETECT_SIZE}, videos {VIDEO_DETECT_SIZE}",
    help="Longer side, px, at which a frame is searched; more finds smaller faces.",
)
@click.option(
    "--min-presence",
    type=click.FloatRange(0, 1),
    show_default=f"{MIN_PRESENCE}, 0 without a detector",
    help="Leave out faces of which the network is less sure; 0 keeps all.",
)
@click.option(
    "--refine/--no-refine",
    default=None,
    show_default="on, but with --detector none",
    help="Place points again in the box of the first ones.",
)
@click.option(
    "--provider",
    type=click.Choice(PROVIDERS),
    default="auto",
    show_default=True,
    help="cuda is used or the command fails; auto takes it where it works.",
)
@click.option(
    "--threads",
    type=click.IntRange(1),
    show_default="all cores, photos: each worker's share",
    help="Threads of the network.",
)
@click.option(
    "--workers", type=click.IntRange(1), help="Photos worked on at once; default: all cores."
)
@click.option(
    "--tuned/--no-tuned",
    default=True,
    show_default=True,
    help="Run the network as fkd-infer tune found best on this machine.",
)
@click.option(
    "--draw",
    "layers",
    type=click.Choice(LAYERS),
    multiple=True,
    default=DEFAULT_LAYERS,
    show_default=True,
    help="What to draw; may be given several times.",
)
@click.option("--profile", type=_PATH, help="File for a Chrome trace: what happened when.")
@click.option("--quiet", is_flag=True, help="No progress bar and no summary.")
@click.version_option(package_name="fkd")
@click.pass_context
def main(
    context: click.Context,
    sources: tuple[str, ...],
    out: Path | None,
    json_: Path | None,
    csv: Path | None,
    model: str,
    detector: DetectorName,
    boxes: Path | None,
    boxes_kind: BoxKind,
    detect_size: int | None,
    min_presence: float | None,
    refine: bool | None,
    provider: Provider,
    threads: int | None,
    workers: int | None,
    tuned: bool,
    layers: tuple[Layer, ...],
    profile: Path | None,
    quiet: bool,
) -> None:
    """Place 68 points on every face of photos and videos.

    SOURCE is an image, a video, a folder, a glob such as 'trip/*.jpg', or a camera's number.
    """
    if not (out or json_ or csv):
        raise click.UsageError("nothing to write: give --out DIR, --json FILE or --csv FILE")
    from fkd_infer.annotate import Annotator
    from fkd_infer.app import Outputs, run
    from fkd_infer.boxes import BoxesFile
    from fkd_infer.detect import box_rule, build_detector
    from fkd_infer.finder import Finder
    from fkd_infer.machine import available_threads
    from fkd_infer.media import check_outputs, expand_sources
    from fkd_infer.photos import network_threads
    from fkd_infer.pipeline import load

    found = expand_sources(sources, out)
    check_outputs(found, out, [path for path in (json_, csv, profile) if path])
    workers = workers or available_threads()
    given = BoxesFile.read(boxes) if boxes else None
    detector = "none" if given else detector
    pipeline = load(
        model,
        detector=detector,
        provider=provider,
        threads=threads or network_threads(found, workers),
        detect_size=detect_size or DETECT_SIZE,
        min_presence=min_presence,
        refine=refine,
        tuned=tuned,
    )
    size = detect_size or VIDEO_DETECT_SIZE
    moving = build_detector(detector, pipeline.card, size, quick=True)
    with pipeline.profile(profile) if profile else nullcontext():
        summary = run(
            found,
            Finder(pipeline, moving, given, box_rule(boxes_kind, pipeline.card)),
            Annotator(pipeline.card.landmarks, layers),
            Outputs(out, json_, csv),
            quiet,
            workers,
        )
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
