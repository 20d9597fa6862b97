"""Commands that measure servers, and what a run of many images costs."""

from __future__ import annotations

from pathlib import Path

import click

from benchmarks.cli.options import POSITIVE, open_recorder, out_option
from fkd_infer.cli.command import FkdCommand
from fkd_infer.cli.options.group import FiniteRange


@click.command(cls=FkdCommand)
@click.option(
    "--clients",
    type=POSITIVE,
    multiple=True,
    default=(1, 8, 64),
    show_default=True,
    help="Clients that wait for their answers; may be repeated.",
)
@click.option(
    "--seconds",
    type=FiniteRange(0.1),
    default=10.0,
    show_default=True,
    help="Length of each load.",
)
@click.option(
    "--rounds", type=POSITIVE, default=3, show_default=True, help="Loads of each number of clients."
)
@click.option(
    "--threads", type=POSITIVE, default=1, show_default=True, help="Threads of each replica."
)
@click.option(
    "--replicas", type=POSITIVE, default=1, show_default=True, help="Replicas of Ray Serve."
)
@click.option(
    "--triton",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The Python of an environment with nvidia-pytriton and onnxruntime.",
)
@out_option
def serve(
    clients: tuple[int, ...],
    seconds: float,
    rounds: int,
    threads: int,
    replicas: int,
    triton: Path | None,
    out: Path | None,
) -> None:
    """Load the servers of examples/ on loopback, and time their answers: Ray Serve and Triton."""
    from benchmarks.serving.measure import measure_servers

    recorder = open_recorder("serve", out)
    measure_servers(clients, seconds, rounds, threads, replicas, triton, recorder)
