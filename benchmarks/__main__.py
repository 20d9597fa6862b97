"""The commands of `python -m benchmarks`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeVar

import click

from fkd_infer.cli.command import FkdCommand
from fkd_infer.cli.options.detectors import DetectorChoice
from fkd_infer.detection.registry import BOX_KINDS
from fkd_train.choices import SPLITS, Split
from fkd_train.cli.options import data_option

if TYPE_CHECKING:
    from benchmarks.harness.results import Recorder
    from benchmarks.programs.photos import Output

MODELS = ("models/fkdnet.onnx", "models/naimishnet.onnx")
OUT = Path("out/benchmarks")
_PATH = click.Path(path_type=Path)
_POSITIVE = click.IntRange(1)
F = TypeVar("F", bound=Callable[..., Any])


class _Size(click.ParamType[tuple[int, int]]):
    """WIDTHxHEIGHT, in pixels."""

    name = "size"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """The two numbers."""
        width, cross, height = str(value).partition("x")
        if not (cross and width.isdecimal() and height.isdecimal() and int(width) and int(height)):
            self.fail(f"{value!r} is not WIDTHxHEIGHT, such as 640x360", param, ctx)
        return int(width), int(height)


_SIZE = _Size()


def results_option() -> Callable[[F], F]:
    """--out: the file that results are appended to."""
    return click.option(
        "--out", type=_PATH, help="File that results are appended to, as JSON lines."
    )


def turns_options(blocks: int) -> Callable[[F], F]:
    """--blocks and --seconds: how long each contender is timed."""

    def add(function: F) -> F:
        count = click.option("--blocks", type=_POSITIVE, default=blocks, show_default=True)
        length = click.option(
            "--seconds", type=click.FloatRange(0.001), default=0.5, show_default=True
        )
        return count(length(function))

    return add


def threads_option() -> Callable[[F], F]:
    """--threads, which may be given several times."""
    return click.option(
        "--threads", type=_POSITIVE, multiple=True, default=(1, 2), show_default=True
    )


@click.group()
def main() -> None:
    """Measure networks and fkd-infer, tell what became slower, and search for the best network."""


@main.command(cls=FkdCommand)
@click.argument("models", nargs=-1)
@click.option("--batch", type=_POSITIVE, multiple=True, default=(1, 8, 32), show_default=True)
@threads_option()
@click.option("--only", multiple=True, help="Only contenders with this in their name.")
@turns_options(blocks=20)
@results_option()
def latency(
    models: tuple[str, ...],
    batch: tuple[int, ...],
    threads: tuple[int, ...],
    only: tuple[str, ...],
    blocks: int,
    seconds: float,
    out: Path | None,
) -> None:
    """Time networks in every way that can run here: torch's, ONNX Runtime's and OpenVINO's.

    MODELS are .onnx files, whose .pt and variants are found beside them, or recipe:NAME for an
    untrained network of that recipe. Contenders take turns in random order, each in a process of
    its own.
    """
    from benchmarks.networks.find import read_networks
    from benchmarks.networks.latency import Turns
    from benchmarks.networks.latency import latency as run

    with TemporaryDirectory() as folder:
        networks = read_networks(models or MODELS, Path(folder))
        recorder = _recorder("latency", out)
        run(networks, batch, threads, Turns(blocks, seconds), only, recorder)


@main.command(cls=FkdCommand)
@click.argument("models", nargs=-1)
@threads_option()
@turns_options(blocks=20)
@results_option()
def limit(
    models: tuple[str, ...], threads: tuple[int, ...], blocks: int, seconds: float, out: Path | None
) -> None:
    """Set networks against what the machine can do: its arithmetic and its memory.

    Where a network stays below 80 % of that, its operators are timed one by one.
    """
    from benchmarks.networks.find import read_networks
    from benchmarks.networks.latency import Turns
    from benchmarks.roofline.roofline import limit as run

    with TemporaryDirectory() as folder:
        networks = read_networks(models or MODELS, Path(folder))
        run(networks, threads, Turns(blocks, seconds), _recorder("limit", out))


@main.command(cls=FkdCommand)
@click.argument("model", type=_PATH, default=Path(MODELS[0]))
@turns_options(blocks=20)
@results_option()
def settings(model: Path, blocks: int, seconds: float, out: Path | None) -> None:
    """Change each default of a session in turn, alone and between OpenCV's work on a frame."""
    from benchmarks.networks.latency import Turns
    from benchmarks.programs.session_settings import settings as run
    from fkd_infer.models.shipped import find_model

    run(find_model(model), Turns(blocks, seconds), _recorder("settings", out))


@main.command(cls=FkdCommand)
@click.argument("models", nargs=-1, type=_PATH)
@data_option(required=True)
@click.option("--split", type=click.Choice(SPLITS), multiple=True, default=SPLITS)
@click.option("--boxes", type=DetectorChoice(BOX_KINDS), multiple=True, default=("points",))
@results_option()
def accuracy(
    models: tuple[Path, ...],
    data: Path,
    split: tuple[Split, ...],
    boxes: tuple[str, ...],
    out: Path | None,
) -> None:
    """Measure how well files place points; the shipped ones, unless MODELS are given."""
    from benchmarks.networks.accuracy import accuracy as run
    from fkd_infer.models.shipped import shipped_models

    files = models or tuple(shipped_models().values())
    run(files, data, split, boxes, _recorder("accuracy", out))


@main.command(cls=FkdCommand)
@click.option("--seconds", type=_POSITIVE, default=20, show_default=True, help="Of each video.")
@click.option("--repeats", type=_POSITIVE, default=5, show_default=True)
@click.option(
    "--scene",
    "scenes",
    type=click.Choice(("720p-1", "720p-4", "1080p-1", "1080p-4")),
    multiple=True,
    help="Lines and faces; default: all.",
)
@click.option("--cores", type=_POSITIVE, help="Cores for fkd-infer; default: all.")
@click.option("--workers", type=_POSITIVE, help="Passed on to fkd-infer.")
@click.option("--tuned", is_flag=True, help="Use what `fkd-infer tune` found on this machine.")
@click.option("--folder", type=_PATH, default=OUT / "videos", show_default=True)
@results_option()
def pipeline(
    seconds: int,
    repeats: int,
    scenes: tuple[str, ...],
    cores: int | None,
    workers: int | None,
    tuned: bool,
    folder: Path,
    out: Path | None,
) -> None:
    """Run fkd-infer on generated videos of one and four faces, by turns with the encoder alone;
    time it and check its points."""
    from benchmarks.programs.command import Inference
    from benchmarks.programs.videos import SCENES
    from benchmarks.programs.videos import pipeline as run
    from fkd_infer.system.hardware import available_threads

    inference = Inference(cores or available_threads(), workers, tuned)
    chosen = [scene for scene in SCENES if not scenes or scene.name in scenes]
    run(seconds, repeats, inference, chosen, folder, _recorder("pipeline", out))


@main.command(cls=FkdCommand)
@click.option("--minutes", type=_POSITIVE, default=60, show_default=True)
@click.option("--photos", type=_POSITIVE, default=20_000, show_default=True)
@click.option("--folder", type=_PATH, default=OUT / "videos", show_default=True)
@results_option()
def soak(minutes: int, photos: int, folder: Path, out: Path | None) -> None:
    """Run fkd-infer on a long video and on many photos; watch what it holds, and check what came
    back."""
    from benchmarks.programs.soak import soak_photos, soak_video

    recorder = _recorder("soak", out)
    soak_video(minutes, folder, recorder)
    soak_photos(photos, folder, recorder)


@main.command(cls=FkdCommand)
@click.option("--images", type=_POSITIVE, default=2000, show_default=True)
@data_option(required=False)
@click.option("--cores", type=_POSITIVE, multiple=True, default=(1, 2), show_default=True)
@click.option("--workers", type=_POSITIVE, multiple=True, help="Passed on to fkd-infer.")
@click.option(
    "--output",
    type=click.Choice(("json", "pictures")),
    multiple=True,
    default=("json", "pictures"),
    show_default=True,
)
@click.option("--rounds", type=_POSITIVE, default=3, show_default=True)
@click.option("--tuned", is_flag=True, help="Use what `fkd-infer tune` found on this machine.")
@click.option("--folder", type=_PATH, default=OUT / "photos", show_default=True)
@results_option()
def throughput(
    images: int,
    data: Path | None,
    cores: tuple[int, ...],
    workers: tuple[int, ...],
    output: tuple[Output, ...],
    rounds: int,
    tuned: bool,
    folder: Path,
    out: Path | None,
) -> None:
    """Run fkd-infer over a folder of generated pictures, kept to one core and to more."""
    from benchmarks.programs.command import Inference
    from benchmarks.programs.photos import throughput as run

    ways = [Inference(count, w, tuned) for count in cores for w in workers or (None,)]
    run(images, data, ways, output, rounds, folder, _recorder("throughput", out))


@main.command(cls=FkdCommand)
@click.argument("model", type=_PATH, default=Path(MODELS[0]))
@click.option("--seconds", type=click.FloatRange(0.5), default=10.0, show_default=True)
@data_option(required=False)
@results_option()
def tracking(model: Path, seconds: float, data: Path | None, out: Path | None) -> None:
    """Follow faces on known paths: jitter, lag and error of each smoothing, and detector calls."""
    from benchmarks.faces.tracking import tracking as run
    from fkd_infer.models.shipped import find_model

    run(find_model(model), seconds, data, _recorder("tracking", out))


@main.command(cls=FkdCommand)
@click.argument("models", nargs=-1, type=_PATH)
@click.option("--yunet", type=_PATH, help="A file of YuNet, to be timed too.")
@click.option("--size", type=_SIZE, multiple=True, default=("640x360",), show_default=True)
@threads_option()
@turns_options(blocks=20)
@results_option()
def detectors(
    models: tuple[Path, ...],
    yunet: Path | None,
    size: tuple[tuple[int, int], ...],
    threads: tuple[int, ...],
    blocks: int,
    seconds: float,
    out: Path | None,
) -> None:
    """Time detectors: the shipped ones, unless MODELS are given, Haar and YuNet through OpenCV.

    Contenders take turns in random order, each in a process of its own. How well they find faces,
    fkd-eval says.
    """
    from benchmarks.faces.detectors import detectors as run
    from benchmarks.networks.latency import Turns
    from fkd_infer.models.shipped import shipped_models

    files = models or tuple(shipped_models(detectors=True).values())
    run(files, yunet, size, threads, Turns(blocks, seconds), _recorder("detectors", out))


@main.command(cls=FkdCommand)
@click.argument("files", nargs=-1, required=True, type=_PATH)
@click.option("--out", type=_PATH, default=OUT / "report", show_default=True)
def report(files: tuple[Path, ...], out: Path) -> None:
    """Make tables and plots of results."""
    from benchmarks.harness.results import read_runs
    from benchmarks.report.markdown import write_report

    for path in write_report(read_runs(files), out):
        click.echo(path)


@main.command(cls=FkdCommand)
@click.argument("before", type=_PATH)
@click.argument("after", type=_PATH)
@click.option(
    "--percent", type=click.FloatRange(0), default=3.0, show_default=True, help="That count."
)
@click.pass_context
def compare(context: click.Context, before: Path, after: Path, percent: float) -> None:
    """Tell what became worse by more than chance and so many percent; if anything, exit with 1."""
    from benchmarks.harness.results import read_runs
    from benchmarks.report.compare import beyond, changes, differences

    runs = read_runs([before]), read_runs([after])
    found = changes(*runs)
    for line in differences(*runs):
        click.echo(line)
    worse, better = beyond(found, percent)
    for change in (*worse, *better):
        click.echo(change)
    click.echo(f"{len(found)} figures compared: {len(worse)} worse, {len(better)} better")
    context.exit(1 if worse else 0)


@main.command(cls=FkdCommand)
@data_option(required=True)
@click.option("--out", type=_PATH, default=Path("out/search"))
@click.option("--workers", type=click.IntRange(0), default=1, show_default=True)
@click.option("--blocks", type=_POSITIVE, default=5, show_default=True)
def search(data: Path, out: Path, workers: int, blocks: int) -> None:
    """Train and time every network of benchmarks/networks/size_search.toml.

    It takes hours, and can be stopped and started again.

    Each point trains into a folder of --out; what is there already is not trained again.
    """
    from benchmarks.networks.size_search import search as run

    for line in run(data, out, workers, blocks):
        click.echo(line)


def _recorder(command: str, out: Path | None) -> Recorder:
    from benchmarks.harness.results import Recorder, default_path

    return Recorder(out or default_path(OUT, command), click.echo)


if __name__ == "__main__":
    main()
