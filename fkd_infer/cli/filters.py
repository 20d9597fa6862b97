"""fkd-infer filters: a list of the filters, previews of them, and checks of packs."""

from __future__ import annotations

from pathlib import Path

import click

from fkd_infer.cli.command import FkdCommand
from fkd_infer.cli.options.group import PATH
from fkd_infer.cli.options.networks import model_option
from fkd_infer.jobs.summary import counted


@click.group()
def main() -> None:
    """List filters, draw them on a photo, and check packs of your own."""


@main.command("list", cls=FkdCommand)
def list_() -> None:
    """List the filters that come with fkd."""
    from fkd_infer.filters.filter import builtin_filters, load_filter

    for name in builtin_filters():
        click.echo(f"{name:12}{load_filter(name).title}")


@main.command(cls=FkdCommand)
@click.argument("filters", nargs=-1, required=True, metavar="NAME|PATH...")
@click.option(
    "--image",
    type=PATH,
    show_default="NASA's portrait of Eileen Collins, from the extra demo",
    help="Draw on this photo.",
)
@click.option("--out", type=PATH, required=True, help="Write the picture to this file.")
@model_option
@click.option(
    "--sheet",
    is_flag=True,
    help="Draw a row for each filter: upright, tilted by 40° either way, small, and cut by every "
    "border.",
)
def preview(
    filters: tuple[str, ...], image: Path | None, out: Path, model: str, sheet: bool
) -> None:
    """Draw filters on a photo, all at once, or each in its own row of a sheet."""
    from fkd_infer.errors import OutputError
    from fkd_infer.filters.filter import load_filters
    from fkd_infer.filters.preview import draw_preview_sheet, sample_portrait
    from fkd_infer.loading import load
    from fkd_infer.media.images.file import read_image
    from fkd_infer.media.images.writing import write_image

    if image is not None and image.exists() and out.exists() and out.samefile(image):
        raise OutputError(out, "it is the photo", "write somewhere else")
    loaded = load_filters(filters)
    photo = sample_portrait() if image is None else read_image(image)
    pipeline = load(model)
    loaded.check_scheme(pipeline.card.landmarks)
    faces = pipeline(photo)
    if sheet:
        photo = draw_preview_sheet(photo, faces, [load_filters([name]) for name in filters])
    else:
        loaded.draw(photo, faces)
    write_image(out, photo)
    click.echo(f"{loaded.title}: {counted(len(faces), 'face')}; the picture: {out}")


@main.command(cls=FkdCommand)
@click.argument("paths", nargs=-1, required=True, type=PATH, metavar="PATH...")
def validate(paths: tuple[Path, ...]) -> None:
    """Check packs. Each PATH is a folder with a filter.json, or that file."""
    from fkd_infer.filters.filter import load_filter

    for path in paths:
        loaded = load_filter(path)
        pictures = counted(len(loaded.layers), "picture")
        click.echo(f"{path}: {loaded.name}, {loaded.title!r}: {pictures}, valid")


if __name__ == "__main__":
    main()
