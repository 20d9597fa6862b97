"""The command that measures the library for browsers."""

from __future__ import annotations

from pathlib import Path

import click

from benchmarks.cli.options import POSITIVE, open_recorder, out_option
from fkd_infer.cli.command import FkdCommand

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command(cls=FkdCommand)
@click.option("--photos", type=FOLDER, help="Folder of whole photos as 300-W has them.")
@click.option(
    "--face-api",
    type=FOLDER,
    help="Folder in which `npm install @vladmandic/face-api @tensorflow/tfjs-backend-wasm` ran.",
)
@click.option(
    "--rounds", type=POSITIVE, default=5, show_default=True, help="Browsers of each contender."
)
@out_option
def web(photos: Path | None, face_api: Path | None, rounds: int, out: Path | None) -> None:
    """Time points in Chromium, in turn with face-api, and compare their errors."""
    from benchmarks.web.measure import measure_web

    measure_web(photos, face_api, rounds, open_recorder("web", out))
