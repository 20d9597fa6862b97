"""fkd-export: a network to one verified ONNX file, or to several optimised ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from fkd_infer.choices import (
    MAX_BATCH,
    MAX_FACES,
    MAX_IMAGE_SIDE,
    MIN_IMAGE_SIDE,
    PLATFORMS,
    Platform,
)
from fkd_infer.cli.command import FkdCommand
from fkd_infer.cli.options.group import PATH, FiniteRange, section
from fkd_train.choices import OPTIMIZE_GOALS, OptimizeGoal
from fkd_train.cli.foreign_options import Parsed, foreign_options
from fkd_train.cli.options import data_option
from fkd_train.cli.triton_options import TritonTarget, triton_options
from fkd_train.cli.web_options import WebTarget, web_options
from fkd_train.export.sources.description import Description

if TYPE_CHECKING:
    from fkd_train.export.sources.source import LandmarkSource
    from fkd_train.export.torch_to_onnx import GraphSettings
    from fkd_train.graphs.fixed_end_to_end import FixedSize

_Batch = int | Literal["dynamic"]
_LOWEST_OPSET = 18
"""Of detectors and end-to-end files."""
_FACES = 4
"""Faces that a file of --image-size answers by default."""


def _read_batch(text: str) -> _Batch:
    if text == "dynamic":
        return "dynamic"
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MAX_BATCH):
        raise ValueError(f"{text!r} is neither dynamic nor a number from 1 to {MAX_BATCH}")
    return int(text)


def _read_image_size(text: str) -> tuple[int, int]:
    height, times, width = text.partition("x")
    if not (times and height.isdecimal() and width.isdecimal()):
        raise ValueError(f"{text!r} is not HEIGHTxWIDTH, such as 480x640")
    sides = int(height), int(width)
    if not all(MIN_IMAGE_SIDE <= side <= MAX_IMAGE_SIDE for side in sides):
        raise ValueError(f"{text!r} has a side beyond {MIN_IMAGE_SIDE} to {MAX_IMAGE_SIDE} pixels")
    return sides


@click.command(cls=FkdCommand)
@click.argument("source")
@click.option(
    "--out", type=PATH, help="Write this .onnx file; with --optimize, this folder of files."
)
@click.option(
    "--checkpoint",
    type=click.Choice(["last", "best"]),
    default="last",
    show_default=True,
    help="Export this checkpoint of a run folder; best was selected by its evaluation faces.",
)
@click.option(
    "--half",
    type=PATH,
    help="Round the weights to half precision, and also write them to this .pt file.",
)
@data_option(required=False)
@foreign_options()
@click.option(
    "--opset",
    type=click.IntRange(17, 22),
    default=18,
    show_default=True,
    help="Use this operator set of ONNX; detectors and end-to-end files need 18.",
)
@click.option(
    "--batch",
    type=Parsed("batch", _read_batch),
    metavar="N|dynamic",
    show_default="dynamic; --image-size: a single image, without a batch",
    help="The number of crops, or images of --image-size, in a call; one number for programs that "
    "need it fixed.",
)
@click.option(
    "--no-border",
    is_flag=True,
    help="For other programs: take float planes (N, C, S, S) in [0, 1], RGB or gray, instead of "
    "bytes (N, S, S, C). fkd-infer does not run such files.",
)
@section(
    "Optimization",
    click.option(
        "--optimize",
        "goal",
        type=click.Choice(OPTIMIZE_GOALS),
        help="Also create smaller and faster variants, and keep those that are accurate and "
        "better; auto tries all. Needs --data.",
    ),
    click.option(
        "--max-nme-increase",
        type=FiniteRange(0),
        default=0.1,
        show_default=True,
        help="Accept variants that lose at most this many points of NME.",
    ),
    click.option(
        "--max-ap-decrease",
        type=FiniteRange(0),
        default=0.5,
        show_default=True,
        help="Accept variants of a detector that lose at most this many points of average "
        "precision on mosaics, and of recall on images.",
    ),
    click.option(
        "--platform",
        type=click.Choice(PLATFORMS),
        default="any",
        show_default=True,
        help="Optimize int8 for these CPUs: any is correct on all; vnni and arm can be faster or "
        "more exact there, and vnni is wrong on older CPUs.",
    ),
)
@triton_options()
@web_options()
@section(
    "One file for everything",
    click.option(
        "--end-to-end",
        is_flag=True,
        help="Export one file with detector, crop and network: from an image to its faces' points.",
    ),
    click.option(
        "--detector-model",
        show_default="the shipped fkd-detector",
        metavar="NAME|FILE",
        help="With --end-to-end, use this detector: an .onnx file from fkd-export.",
    ),
    click.option(
        "--image-size",
        type=Parsed("size", _read_image_size),
        metavar="HEIGHTxWIDTH",
        help="With --end-to-end, a file for images of this size alone, without loops, which also "
        "OpenCV runs.",
    ),
    click.option(
        "--max-faces",
        type=click.IntRange(1, MAX_FACES),
        show_default="4",
        help="With --image-size, always answer this many faces, the best ones; rows with a score "
        "of 0 are no faces.",
    ),
)
@click.option(
    "--check-runtimes",
    is_flag=True,
    help="Also run the files in every runtime that is installed, and compare; SOURCE may then be "
    "a file of fkd-export, and --out is optional.",
)
def main(
    source: str,
    out: Path | None,
    checkpoint: str,
    half: Path | None,
    data: tuple[Path, ...],
    described: Description,
    opset: int,
    batch: _Batch | None,
    no_border: bool,
    goal: OptimizeGoal | None,
    max_nme_increase: float,
    max_ap_decrease: float,
    platform: Platform,
    triton: TritonTarget,
    web: WebTarget,
    end_to_end: bool,
    detector_model: str | None,
    image_size: tuple[int, int] | None,
    max_faces: int | None,
    check_runtimes: bool,
) -> None:
    """Export SOURCE to ONNX.

    SOURCE is a run folder or a .pt file of a landmark network or a detector; or a network of your
    own, as package.module:factory or as an .onnx file, which --scheme and the options after it
    describe.

    The file is compared with its source, on the faces of --data or on drawn ones, and is only
    written if no point differs by more than 0.01 px.
    """
    serve = triton.repository is not None
    _check_usage(data, half, opset, goal, serve, end_to_end, detector_model, image_size, max_faces)
    fixed_batch = batch if isinstance(batch, int) and not end_to_end else None
    if (fixed_batch or no_border) and (goal or serve or end_to_end):
        raise click.UsageError("--batch and --no-border are for a single file of a network")
    if batch and end_to_end and not image_size:
        raise click.UsageError("--batch is for --end-to-end files of one --image-size")
    if web.folder and (goal or end_to_end or no_border):
        raise click.UsageError("--web is for a single file of a landmark network, with its border")
    web.check()
    from fkd_train.export.sources.loading import is_exported, source_kind
    from fkd_train.export.torch_to_onnx import GraphSettings

    if check_runtimes and is_exported(source):
        _check_file(Path(source), out, data or None)
        return
    if out is None:
        raise click.UsageError("Missing option '--out'.")
    if goal and out.suffix == ".onnx":
        raise click.UsageError(f"--optimize writes a folder, and --out is {out}; name a folder")
    form = GraphSettings(opset, fixed_batch, not no_border)
    if source_kind(source) != "checkpoint":
        if half or checkpoint != "last":
            raise click.UsageError("--half and --checkpoint are for checkpoints of fkd-train")
        network = _load_foreign(source, described, out, data, form)
    else:
        if given := described.given():
            problem = f"{', '.join(given)} are for networks of your own, and {source} is none"
            raise click.UsageError(f"{problem}; name package.module:factory or an .onnx file")
        from fkd_train.checkpoints import find_checkpoint, holds_detector
        from fkd_train.export.sources.checkpoint import load_checkpoint_source

        file = find_checkpoint(Path(source), checkpoint)
        if holds_detector(file):
            if serve or end_to_end or fixed_batch or no_border or web.folder:
                problem = "--triton, --web, --end-to-end, --batch and --no-border"
                raise click.UsageError(f"{problem} are for landmark networks")
            if opset < _LOWEST_OPSET:
                raise click.UsageError(f"detectors need --opset {_LOWEST_OPSET} or higher")
            files = _export_detector(
                file, out, data or None, half, goal, max_ap_decrease, platform, opset
            )
            if check_runtimes:
                _check_written(files, data)
            return
        network = load_checkpoint_source(file, data or None, half is not None, form)
    if goal:
        files = _optimize(network, out, goal, max_nme_increase, platform, check_runtimes)
    else:
        if end_to_end:
            size = image_size and _fixed_size(image_size, max_faces, batch)
            _export_end_to_end(network, out, detector_model, size)
        else:
            _export(network, out, half)
        files = [out]
        if check_runtimes:
            _check_written(files, data)
    for path in triton.add(files):
        click.echo(path)
    for line in web.write(out, data):
        click.echo(line)


def _check_usage(
    data: tuple[Path, ...],
    half: Path | None,
    opset: int,
    goal: OptimizeGoal | None,
    serve: bool,
    end_to_end: bool,
    detector_model: str | None,
    image_size: tuple[int, int] | None,
    max_faces: int | None,
) -> None:
    """Raises UsageError for options that do not go together, whatever is exported."""
    if goal and not data:
        raise click.UsageError("--optimize needs real faces: add --data DIR")
    if goal and half:
        raise click.UsageError("--half is for a single file; --optimize tries fp16 by itself")
    if end_to_end and (goal or half or serve):
        raise click.UsageError(
            "--end-to-end cannot be combined with --optimize, --half or --triton"
        )
    if end_to_end and opset < _LOWEST_OPSET:
        raise click.UsageError(f"--end-to-end needs --opset {_LOWEST_OPSET} or higher")
    for option, value in (("--detector-model", detector_model), ("--image-size", image_size)):
        if value and not end_to_end:
            raise click.UsageError(f"{option} is for --end-to-end")
    if max_faces and not image_size:
        raise click.UsageError("--max-faces is for --image-size")


def _load_foreign(
    source: str, described: Description, out: Path, data: tuple[Path, ...], form: GraphSettings
) -> LandmarkSource:
    from fkd_train.export.sources.loading import load_foreign

    return load_foreign(source, described, out.stem, data or None, form, _print_progress)


def _fixed_size(
    image_size: tuple[int, int], max_faces: int | None, batch: _Batch | None
) -> FixedSize:
    from fkd_train.graphs.fixed_end_to_end import FixedSize

    return FixedSize(*image_size, max_faces or _FACES, batch)


def _export_end_to_end(
    network: LandmarkSource, out: Path, detector: str | None, size: FixedSize | None
) -> None:
    from fkd_infer.choices import DETECTOR_MODEL
    from fkd_train.export.end_to_end import export_end_to_end

    for line in export_end_to_end(network, out, detector or DETECTOR_MODEL, size).lines():
        click.echo(line)


def _export(network: LandmarkSource, out: Path, half: Path | None) -> None:
    from fkd_train.export.landmarks import write_landmarks

    for line in write_landmarks(network, out, half).lines():
        click.echo(line)


def _export_detector(
    checkpoint: Path,
    out: Path,
    data: tuple[Path, ...] | None,
    half: Path | None,
    goal: OptimizeGoal | None,
    max_ap_decrease: float,
    platform: Platform,
    opset: int,
) -> list[Path]:
    if goal is None or data is None:
        from fkd_train.export.detector import export_detector

        for line in export_detector(checkpoint, out, data, half, opset).lines():
            click.echo(line)
        return [out]
    if goal != "auto":
        raise click.UsageError("for a detector, only --optimize auto is available")
    from fkd_train.optimize.detector import optimize_detector

    variants = optimize_detector(checkpoint, out, data, max_ap_decrease, platform, _print_progress)
    for variant in variants:
        click.echo(variant.line())
    return [out / variant.file for variant in variants if variant.kept]


def _optimize(
    network: LandmarkSource,
    out: Path,
    goal: OptimizeGoal,
    max_nme_increase: float,
    platform: Platform,
    check_runtimes: bool,
) -> list[Path]:
    from fkd_train.optimize.landmarks import optimize_landmarks
    from fkd_train.optimize.report import protocol_lines, runtime_lines, table, write_report

    result = optimize_landmarks(network, out, goal, max_nme_increase, platform, _print_progress)
    if check_runtimes:
        from fkd_train.optimize.runtimes import with_runtimes

        _print_progress(f"running {len(result.files)} files in other runtimes")
        assert network.data is not None
        result = with_runtimes(result, network.data.folders)
    write_report(result)
    for line in (*table(result), "", *protocol_lines(result), *runtime_lines(result)):
        click.echo(line)
    return result.files


def _print_progress(line: str) -> None:
    click.echo(line, err=True)


def _check_written(paths: Sequence[Path], data: tuple[Path, ...]) -> None:
    """Checks the runtimes of written files, and puts them into their cards."""
    for path in paths:
        click.echo(f"{path} in other runtimes:")
        _check_file(path, path, data or None)


def _check_file(path: Path, out: Path | None, data: tuple[Path, ...] | None) -> None:
    """Checks the runtimes of a file; with `out`, writes it there with them in its card."""
    from fkd_train.runtimes.check import check_runtimes
    from fkd_train.runtimes.report import table_lines, write_runs_in

    results = check_runtimes(path, data)
    if out is not None:
        write_runs_in(path, results, out)
    for line in table_lines(results):
        click.echo(line)


if __name__ == "__main__":
    main()
