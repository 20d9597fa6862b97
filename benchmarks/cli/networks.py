"""Commands that measure networks."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import click

from benchmarks.cli.options import (
    DEFAULT_MODELS,
    PATH,
    POSITIVE,
    open_recorder,
    out_option,
    threads_option,
    timing_options,
)
from fkd_infer.cli.command import FkdCommand
from fkd_infer.cli.options.detectors import DetectorChoice
from fkd_infer.detection.registry import BOX_KINDS
from fkd_train.choices import SPLITS, Split
from fkd_train.cli.options import data_option


@click.command(cls=FkdCommand)
@click.argument("models", nargs=-1)
@click.option(
    "--batch",
    type=POSITIVE,
    multiple=True,
    default=(1, 8, 32),
    show_default=True,
    help="Crops per call.",
)
@threads_option
@click.option("--only", multiple=True, help="Only contenders with this text in their name.")
@timing_options
@out_option
def latency(
    models: tuple[str, ...],
    batch: tuple[int, ...],
    threads: tuple[int, ...],
    only: tuple[str, ...],
    blocks: int,
    seconds: float,
    out: Path | None,
) -> None:
    """Time networks with every engine that runs here: torch, ONNX Runtime and OpenVINO.

    MODELS are .onnx files, whose checkpoints and variants are searched for beside them, or
    recipe:NAME for an untrained network of that recipe. Each contender has its own process; they
    run in short blocks, in random order.
    """
    from benchmarks.networks.latency import Timing, measure_latency
    from benchmarks.networks.network_files import read_networks

    with TemporaryDirectory() as folder:
        networks = read_networks(models or DEFAULT_MODELS, Path(folder))
        recorder = open_recorder("latency", out)
        measure_latency(networks, batch, threads, Timing(blocks, seconds), only, recorder)


@click.command(cls=FkdCommand)
@click.argument("models", nargs=-1)
@threads_option
@timing_options
@out_option
def limit(
    models: tuple[str, ...], threads: tuple[int, ...], blocks: int, seconds: float, out: Path | None
) -> None:
    """Compare networks with the limits of the machine: arithmetic and memory bandwidth.

    Operators are timed one by one for a network that stays below 80 % of its limit.
    """
    from benchmarks.networks.latency import Timing
    from benchmarks.networks.network_files import read_networks
    from benchmarks.roofline.roofline import measure_limits

    with TemporaryDirectory() as folder:
        networks = read_networks(models or DEFAULT_MODELS, Path(folder))
        recorder = open_recorder("limit", out)
        measure_limits(networks, threads, Timing(blocks, seconds), recorder)


@click.command(cls=FkdCommand)
@click.argument("model", type=PATH, default=Path(DEFAULT_MODELS[0]))
@timing_options
@out_option
def settings(model: Path, blocks: int, seconds: float, out: Path | None) -> None:
    """Change each default of a session in turn, for single calls and for video frames."""
    from benchmarks.networks.latency import Timing
    from benchmarks.programs.session_settings import compare_settings
    from fkd_infer.models.shipped import find_model

    timing = Timing(blocks, seconds)
    compare_settings(find_model(model), timing, open_recorder("settings", out))


@click.command(cls=FkdCommand)
@click.argument("models", nargs=-1, type=PATH)
@data_option(required=True, several=False)
@click.option(
    "--split",
    type=click.Choice(SPLITS),
    multiple=True,
    default=SPLITS,
    help="How people are divided into training and test; default: both.",
)
@click.option(
    "--boxes",
    type=DetectorChoice(BOX_KINDS),
    multiple=True,
    default=("points",),
    show_default=True,
    help="Face boxes: of the true points, or a detector's.",
)
@out_option
def accuracy(
    models: tuple[Path, ...],
    data: Path,
    split: tuple[Split, ...],
    boxes: tuple[str, ...],
    out: Path | None,
) -> None:
    """Measure the accuracy of MODELS (default: the shipped ones)."""
    from benchmarks.networks.accuracy import measure_accuracy
    from fkd_infer.models.shipped import shipped_models

    files = models or tuple(shipped_models().values())
    measure_accuracy(files, data, split, boxes, open_recorder("accuracy", out))


@click.command(cls=FkdCommand)
@data_option(required=True, several=False)
@click.option(
    "--out",
    type=PATH,
    default=Path("out/search"),
    show_default=True,
    help="Folder of the runs and of the table.",
)
@click.option(
    "--workers", type=click.IntRange(0), default=1, show_default=True, help="Loader processes."
)
@click.option(
    "--blocks", type=POSITIVE, default=5, show_default=True, help="Blocks per network, of 1.5 s."
)
def search(data: Path, out: Path, workers: int, blocks: int) -> None:
    """Train and time every network of benchmarks/networks/size_search.toml.

    This needs hours. Each network is trained in its own folder below --out; a search that was
    stopped continues from there.
    """
    from benchmarks.networks.size_search import search_sizes

    for line in search_sizes(data, out, workers, blocks):
        click.echo(line)
