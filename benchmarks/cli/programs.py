"""Commands that measure fkd-infer as a program."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmarks.cli.options import (
    DEFAULT_MODELS,
    PATH,
    POSITIVE,
    folder_option,
    open_recorder,
    out_option,
    timing_options,
    tuned_option,
)
from fkd_infer.cli.command import FkdCommand
from fkd_train.cli.options import data_option

if TYPE_CHECKING:
    from benchmarks.programs.photos import Output


@click.command(cls=FkdCommand)
@click.option(
    "--seconds", type=POSITIVE, default=20, show_default=True, help="Length of each video."
)
@click.option(
    "--repeats", type=POSITIVE, default=5, show_default=True, help="Runs of each contender."
)
@click.option(
    "--scene",
    "scenes",
    metavar="NAME",
    multiple=True,
    help="Lines, faces and bits, as 720p-1 or 1080p-4-10bit; default: all.",
)
@click.option("--cores", type=POSITIVE, help="Cores for fkd-infer; default: all.")
@click.option("--workers", type=POSITIVE, help="Passed on to fkd-infer.")
@tuned_option
@folder_option("videos")
@out_option
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
    """Time fkd-infer on generated videos, in turn with the encoder alone, and check its points."""
    from benchmarks.programs.inference_command import Inference
    from benchmarks.programs.videos import SCENES, measure_videos
    from fkd_infer.system.hardware import available_threads

    inference = Inference(cores or available_threads(), workers, tuned)
    names = [scene.name for scene in SCENES]
    if unknown := sorted(set(scenes) - set(names)):
        raise click.UsageError(f"no scene {unknown[0]}; choose from {', '.join(names)}")
    selected = [scene for scene in SCENES if not scenes or scene.name in scenes]
    recorder = open_recorder("pipeline", out)
    measure_videos(seconds, repeats, inference, selected, folder, recorder)


@click.command(cls=FkdCommand)
@click.option(
    "--python",
    "interpreter",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="The Python of an environment with mediapipe==0.10.14.",
)
@click.option(
    "--seconds", type=POSITIVE, default=20, show_default=True, help="Length of each video."
)
@click.option(
    "--repeats", type=POSITIVE, default=5, show_default=True, help="Runs of each contender."
)
@click.option("--cores", type=POSITIVE, help="Cores for each; default: all.")
@folder_option("videos")
@out_option
def facemesh(
    interpreter: Path, seconds: int, repeats: int, cores: int | None, folder: Path, out: Path | None
) -> None:
    """Time points alone on videos of 640 × 360, in turn with MediaPipe's FaceMesh."""
    from benchmarks.programs.face_mesh import measure_face_mesh
    from fkd_infer.system.hardware import available_threads

    recorder = open_recorder("facemesh", out)
    cores = cores or available_threads()
    measure_face_mesh(interpreter, seconds, repeats, cores, folder, recorder)


@click.command(cls=FkdCommand)
@click.option(
    "--minutes", type=POSITIVE, default=60, show_default=True, help="Length of the video."
)
@click.option(
    "--photos", type=POSITIVE, default=20_000, show_default=True, help="Number of photos."
)
@folder_option("videos")
@out_option
def soak(minutes: int, photos: int, folder: Path, out: Path | None) -> None:
    """Run fkd-infer on a long video and on many photos, and watch memory, files and threads."""
    from benchmarks.programs.soak import soak_photos, soak_video

    recorder = open_recorder("soak", out)
    soak_video(minutes, folder, recorder)
    soak_photos(photos, folder, recorder)


@click.command(cls=FkdCommand)
@click.option(
    "--seconds", type=POSITIVE, default=600, show_default=True, help="Length of the video."
)
@click.option("--rate", type=POSITIVE, default=30, show_default=True, help="Its frames per second.")
@click.option(
    "--segments", "count", type=POSITIVE, default=10, show_default=True, help="About so many."
)
@click.option(
    "--processes", type=POSITIVE, default=2, show_default=True, help="At work at the same time."
)
@folder_option("segments")
@out_option
def segments(
    seconds: int, rate: int, count: int, processes: int, folder: Path, out: Path | None
) -> None:
    """Compare a long video that is processed in segments with one run: points, ids, sound."""
    from benchmarks.scale.segments import compare_segments

    compare_segments(seconds, rate, count, processes, folder, open_recorder("segments", out))


@click.command(cls=FkdCommand)
@click.option(
    "--images", type=POSITIVE, default=2000, show_default=True, help="Number of pictures."
)
@data_option(required=False, several=False)
@click.option(
    "--cores",
    type=POSITIVE,
    multiple=True,
    default=(1, 2),
    show_default=True,
    help="Cores for fkd-infer.",
)
@click.option("--workers", type=POSITIVE, multiple=True, help="Passed on to fkd-infer.")
@click.option(
    "--output",
    type=click.Choice(("json", "pictures")),
    multiple=True,
    default=("json", "pictures"),
    show_default=True,
    help="Records to standard output, or pictures in a folder.",
)
@click.option("--rounds", type=POSITIVE, default=3, show_default=True, help="Runs of each case.")
@tuned_option
@folder_option("photos")
@out_option
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
    """Time fkd-infer on a folder of generated pictures, on one core and on more."""
    from benchmarks.programs.inference_command import Inference
    from benchmarks.programs.photos import measure_photos

    inferences = [Inference(count, w, tuned) for count in cores for w in workers or (None,)]
    recorder = open_recorder("throughput", out)
    measure_photos(images, data, inferences, output, rounds, folder, recorder)


@click.command(cls=FkdCommand)
@click.argument("model", type=PATH, default=Path(DEFAULT_MODELS[0]))
@click.option(
    "--beside",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Another checkout, whose fkd_infer is timed in turn with this one.",
)
@click.option(
    "--threads",
    type=POSITIVE,
    default=2,
    show_default=True,
    help="Threads and cores of the network and of OpenCV.",
)
@timing_options
@out_option
def overhead(
    model: Path,
    beside: Path | None,
    threads: int,
    blocks: int,
    seconds: float,
    out: Path | None,
) -> None:
    """Time what the Python API adds to the network's own time, step by step."""
    from benchmarks.networks.latency import Timing
    from benchmarks.programs.overhead import measure_overhead
    from fkd_infer.models.shipped import find_model

    timing = Timing(blocks, seconds)
    measure_overhead(find_model(model), beside, threads, timing, open_recorder("overhead", out))
