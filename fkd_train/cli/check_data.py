"""fkd-train check-data: what data sets hold, and what looks wrong in them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fkd_infer.cli.command import FkdCommand
from fkd_train.cli.options import data_option

if TYPE_CHECKING:
    from fkd_train.data.dataset import DataSet
    from fkd_train.data.faces import Faces

_SHOWN = 8
"""Faces that a line names."""


@click.command(cls=FkdCommand)
@data_option(required=True)
@click.option(
    "--recipe",
    "name",
    default="fkdnet",
    show_default=True,
    help="The recipe whose scheme of points the data has.",
)
@click.option(
    "--sheet",
    type=click.Path(path_type=Path),
    help="Draw faces with their points into this .png or .jpg, those that look wrong first.",
)
def main(data: tuple[Path, ...], name: str, sheet: Path | None) -> None:
    """Count the faces of data sets, and look for wrong annotations.

    Bad rows are errors, as in training. What is merely suspicious is listed: points outside of
    images, images that occur twice, left and right swapped, faces of unusual shape or size, mirror
    pairs of points that do not fit the faces.
    """
    from fkd_train.config.landmarks import load_landmark_recipe
    from fkd_train.data.check import shared_images
    from fkd_train.data.dataset import find_sets

    scheme = load_landmark_recipe(name).landmarks
    parts: dict[str, Faces] = {}
    suspicious: dict[str, list[int]] = {}
    for known in find_sets(data):
        found = list(_parts(known))
        for part in found or ["training"]:
            title = f"{known.folder} ({known.format}), {part}"
            parts[title] = known.read(part, scheme, colour=False)
            suspicious[title] = _print_part(known, title, parts[title])
    for one, other, count in shared_images(parts):
        click.echo(f"{count} images of {one} are also in {other}")
    if sheet is not None:
        from fkd_train.reports.data_sheet import write_data_sheet

        write_data_sheet(sheet, parts, suspicious)
        click.echo(f"faces: {sheet}")


def _parts(known: DataSet) -> Iterator[str]:
    from fkd_train.data.dataset import FORMATS

    for part in ("training", "test"):
        if FORMATS[known.format].has_part(known.folder, part):
            yield part


def _print_part(known: DataSet, title: str, faces: Faces) -> list[int]:
    """Prints what a part holds; returns the rows that look wrong."""
    from fkd_train.data.check import face_sides, image_sides, suspicions
    from fkd_train.data.dataset import FORMATS

    sources = {FORMATS[known.format].source(image) for image in faces.names}
    held_out = len(faces.only(lambda image: known.is_held_out(image, "identity")))
    click.echo(f"{title}: {len(faces)} faces of {len(sources)} people or photos")
    click.echo(f"  images {image_sides(faces)}; faces {face_sides(faces)}")
    click.echo(f"  the split identity holds out {held_out}")
    if faces.labelled is not None:
        click.echo(f"  {100 * (1 - faces.labelled.mean()):.1f} % of the points are not labelled")
    _print_mirror_pairs(faces)
    rows: list[int] = []
    for suspicion in suspicions(faces):
        rows += suspicion.rows
        names = ", ".join(faces.names[row] for row in suspicion.rows[:_SHOWN])
        more = len(suspicion.rows) - _SHOWN
        rest = f" and {more} more" if more > 0 else ""
        click.echo(f"  {len(suspicion.rows)} {suspicion.what}: {names}{rest}")
    return rows


def _print_mirror_pairs(faces: Faces) -> None:
    """Prints whether the scheme's mirror pairs fit the faces, unless they do."""
    from fkd_train.data.check import describe_pairs, wrong_mirror_pairs

    wrong = wrong_mirror_pairs(faces)
    if wrong is None:
        click.echo("  mirror pairs cannot be checked: the faces are turned to one side")
    elif wrong:
        click.echo(f"  mirror_pairs of {faces.scheme.name} look wrong: {describe_pairs(wrong)}")
