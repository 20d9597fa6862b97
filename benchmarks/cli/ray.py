"""The command that measures runs on Ray."""

from __future__ import annotations

from pathlib import Path

import click

from benchmarks.cli.options import folder_option, open_recorder, out_option
from fkd_infer.cli.command import FkdCommand

_COUNT = click.IntRange(0)


@click.command(cls=FkdCommand)
@click.option(
    "--images", type=click.IntRange(1), default=2000, show_default=True, help="Number of photos."
)
@click.option("--rounds", type=_COUNT, default=3, show_default=True, help="Runs of each, in turns.")
@click.option("--kills", type=_COUNT, default=10, show_default=True, help="Drivers to kill.")
@click.option(
    "--links", type=_COUNT, default=200_000, show_default=True, help="Files of a large folder."
)
@folder_option("ray")
@out_option
def ray(images: int, rounds: int, kills: int, links: int, folder: Path, out: Path | None) -> None:
    """Time fkd-infer --ray beside threads, kill it, list a large folder, and find its limits."""
    from benchmarks.ray.measure import measure_ray

    measure_ray(images, rounds, kills, links, folder, open_recorder("ray", out))
