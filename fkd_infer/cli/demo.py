"""A first try: `python -m fkd_infer.cli.demo` places 68 points on a photo."""

from __future__ import annotations

from pathlib import Path

import click

from fkd_infer.cli.command import FkdCommand
from fkd_infer.cli.options.group import PATH


@click.command(cls=FkdCommand)
@click.option(
    "--out",
    type=PATH,
    default=Path("out/demo"),
    show_default=True,
    help="Write the picture to this folder.",
)
def main(out: Path) -> None:
    """Find the face in NASA's portrait of Eileen Collins, which comes with scikit-image."""
    import numpy as np
    from skimage import data

    from fkd_infer.drawing.annotator import Annotator
    from fkd_infer.jobs.summary import counted
    from fkd_infer.loading import load
    from fkd_infer.media.images.writing import write_image
    from fkd_infer.types import Frame

    image = np.ascontiguousarray(data.astronaut()[..., ::-1])  # type: ignore[no-untyped-call]
    pipeline = load()
    faces = pipeline(image)
    path = out / "astronaut.png"
    frame = Frame(image, "astronaut")
    write_image(path, Annotator(pipeline.card.landmarks)(frame, faces).image)
    for face in faces:
        x0, y0, x1, y1 = face.box.round().astype(int).tolist()
        (xr, yr), (xl, yl) = face.points[[36, 45]].tolist()
        click.echo(f"face at x {x0}–{x1}, y {y0}–{y1}, score {face.score:.2f}")
        click.echo(f"  outer eye corners at {xr:.1f}, {yr:.1f} and {xl:.1f}, {yl:.1f}")
    click.echo(f"{counted(len(faces), 'face')}; the picture: {path}")


if __name__ == "__main__":
    main()
