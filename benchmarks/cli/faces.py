"""Commands that measure detectors and tracking."""

from __future__ import annotations

from pathlib import Path

import click

from benchmarks.cli.options import (
    DEFAULT_MODELS,
    PATH,
    ImageSize,
    open_recorder,
    out_option,
    threads_option,
    timing_options,
)
from fkd_infer.cli.command import FkdCommand
from fkd_infer.cli.options.group import FiniteRange
from fkd_train.cli.options import data_option


@click.command(cls=FkdCommand)
@click.argument("model", type=PATH, default=Path(DEFAULT_MODELS[0]))
@click.option(
    "--seconds",
    type=FiniteRange(0.5),
    default=10.0,
    show_default=True,
    help="Length of each video.",
)
@data_option(required=False, several=False)
@out_option
def tracking(model: Path, seconds: float, data: Path | None, out: Path | None) -> None:
    """Track faces on known paths: jitter, lag and error of each smoothing, and detector calls."""
    from benchmarks.faces.tracking import measure_tracking
    from fkd_infer.models.shipped import find_model

    measure_tracking(find_model(model), seconds, data, open_recorder("tracking", out))


@click.command(cls=FkdCommand)
@click.argument("model", type=PATH, default=Path(DEFAULT_MODELS[0]))
@data_option(required=False, several=False)
@out_option
def swipes(model: Path, data: Path | None, out: Path | None) -> None:
    """Track faces through motion blur: frames without the face, predicted and false faces."""
    from benchmarks.faces.swipes import measure_swipes
    from fkd_infer.models.shipped import find_model

    measure_swipes(find_model(model), data, open_recorder("swipes", out))


@click.command(cls=FkdCommand)
@click.argument("models", nargs=-1, type=PATH)
@click.option("--yunet", type=PATH, help="YuNet model file to time as well.")
@click.option(
    "--size",
    type=ImageSize(),
    multiple=True,
    default=("640x360",),
    show_default=True,
    help="WIDTHxHEIGHT of the image.",
)
@threads_option
@timing_options
@out_option
def detectors(
    models: tuple[Path, ...],
    yunet: Path | None,
    size: tuple[tuple[int, int], ...],
    threads: tuple[int, ...],
    blocks: int,
    seconds: float,
    out: Path | None,
) -> None:
    """Time detectors: MODELS (default: the shipped ones), Haar, and YuNet through OpenCV.

    Each contender has its own process; they run in short blocks, in random order. fkd-eval
    measures how well they detect.
    """
    from benchmarks.faces.detectors import measure_detectors
    from benchmarks.networks.latency import Timing
    from fkd_infer.models.shipped import shipped_models

    files = models or tuple(shipped_models(detectors=True).values())
    recorder = open_recorder("detectors", out)
    measure_detectors(files, yunet, size, threads, Timing(blocks, seconds), recorder)


@click.command(cls=FkdCommand)
@click.argument("models", nargs=-1, type=PATH)
@click.option("--photos", type=PATH, help="Whole photos with a .pts file each, as 300-W has them.")
@click.option("--yunet", type=PATH, help="YuNet model file to run as well.")
@data_option(required=False, several=False)
@out_option
def recall(
    models: tuple[Path, ...],
    photos: Path | None,
    yunet: Path | None,
    data: Path | None,
    out: Path | None,
) -> None:
    """Count faces found on whole photos, and false ones on pictures without faces.

    MODELS are detector files (default: the shipped one). Haar runs as well where OpenCV has it.
    Held-out faces of --data are shown as they are, and sideways and upside down, where none counts.
    """
    import cv2

    from benchmarks.faces.recall import Contender, measure_recall
    from fkd_infer.models.shipped import shipped_models

    files = models or tuple(shipped_models(detectors=True).values())
    contenders = [Contender(file.stem, "fkd", file) for file in files]
    if hasattr(cv2, "CascadeClassifier"):
        contenders.append(Contender("haar", "haar", None))
    if yunet is not None:
        contenders.append(Contender("yunet", "yunet", yunet))
    measure_recall(contenders, photos, data, open_recorder("recall", out))
