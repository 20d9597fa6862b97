"""fkd-infer filters: the filters there are, pictures of them, and whether a pack is usable."""

from __future__ import annotations

from pathlib import Path

import click

from fkd_infer.choices import DEFAULT_MODEL
from fkd_infer.cli.command import FkdCommand

_PATH = click.Path(path_type=Path)


@click.group(help="List filters, draw them on a photo, and check packs of your own.")
def main() -> None:
    """The commands below stand for themselves."""


@main.command("list", cls=FkdCommand)
def list_() -> None:
    """Name the filters that come with fkd."""
    from fkd_infer.filters.filter import builtin_filters, load_filter

    for name in builtin_filters():
        click.echo(f"{name:12}{load_filter(name).title}")


@main.command(cls=FkdCommand)
@click.argument("filters", nargs=-1, required=True, metavar="NAME|PATH...")
@click.option("--image", type=_PATH, help="Photo to draw on; default: a portrait that NASA took.")
@click.option("--out", type=_PATH, required=True, help="The picture to write.")
@click.option(
    "--model", default=DEFAULT_MODEL, show_default=True, help="Shipped model, or an .onnx file."
)
@click.option("--sheet", is_flag=True, help="Each filter tilted, small, and cut by every border.")
def preview(
    filters: tuple[str, ...], image: Path | None, out: Path, model: str, sheet: bool
) -> None:
    """Draw filters on a photo, all at once, or each in its own row of a sheet."""
    from fkd_infer.filters.filter import load_filters
    from fkd_infer.filters.preview import draw_preview_sheet, sample_portrait
    from fkd_infer.media.images.file import read_image, write_image
    from fkd_infer.pipeline import load

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
    found = "1 face" if len(faces) == 1 else f"{len(faces)} faces"
    click.echo(f"{loaded.title}: {found}; the picture: {out}")


@main.command(cls=FkdCommand)
@click.argument("paths", nargs=-1, required=True, type=_PATH, metavar="PATH...")
def validate(paths: tuple[Path, ...]) -> None:
    """Check packs: each PATH is a folder with a filter.json, or that file."""
    from fkd_infer.filters.filter import load_filter

    for path in paths:
        loaded = load_filter(path)
        count = len(loaded.layers)
        pictures = "1 picture" if count == 1 else f"{count} pictures"
        click.echo(f"{path}: {loaded.name}, {loaded.title!r}: {pictures}, fit to be worn")


if __name__ == "__main__":
    main()
