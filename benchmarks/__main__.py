"""The commands of `python -m benchmarks`."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import click

from fkd_infer.commands import FkdCommand
from fkd_train.options import data_option

CONTENDERS = ("models/fkdnet.onnx", "models/fkdnet.pt", "models/naimishnet.onnx", "recipe:seed")


@click.group()
def main() -> None:
    """Measure networks alone and whole videos, and search for the best network."""


@main.command(cls=FkdCommand)
@click.argument("contenders", nargs=-1)
@click.option("--batch", type=click.IntRange(1), default=1, show_default=True)
@click.option("--threads", type=click.IntRange(1), default=2, show_default=True)
@click.option("--blocks", type=click.IntRange(1), default=5, show_default=True)
def latency(contenders: tuple[str, ...], batch: int, threads: int, blocks: int) -> None:
    """Time networks, .onnx under ONNX Runtime and .pt under eager torch, on one batch of crops.

    recipe:NAME is an untrained network of that recipe under ONNX Runtime. Each runs in processes
    of its own, in short blocks that alternate in random order. Ratios are to the last one.
    """
    from benchmarks.latency import compare, prepared

    with TemporaryDirectory() as folder:
        models = [prepared(name, Path(folder)) for name in contenders or CONTENDERS]
        for line in compare(models, batch, threads, blocks):
            click.echo(line)


@main.command(cls=FkdCommand)
@click.option("--seconds", type=click.IntRange(1), default=20, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("out/pipeline"))
def pipeline(seconds: int, out: Path) -> None:
    """Pan over a photo to make a 720p video with a tone; run fkd-infer on it; check the result."""
    from benchmarks.pipeline import run

    for line in run(seconds, out):
        click.echo(line)


@main.command(cls=FkdCommand)
@data_option(required=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("out/search"))
@click.option("--workers", type=click.IntRange(0), default=1, show_default=True)
@click.option("--blocks", type=click.IntRange(1), default=5, show_default=True)
def search(data: Path, out: Path, workers: int, blocks: int) -> None:
    """Train and time every network of benchmarks/search.toml; hours, and it can be stopped.

    Each point trains into a folder of --out; what is there already is not trained again.
    """
    from benchmarks.search import search as run

    for line in run(data, out, workers, blocks):
        click.echo(line)


if __name__ == "__main__":
    main()
