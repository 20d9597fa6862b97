"""fkd-export: a checkpoint to one verified ONNX file, or to several optimised ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fkd_infer.choices import MAX_FACES, MAX_IMAGE_SIDE, MIN_IMAGE_SIDE, PLATFORMS, Platform
from fkd_infer.cli.command import FkdCommand
from fkd_infer.cli.options.group import FiniteRange
from fkd_train.choices import OPTIMIZE_GOALS, OptimizeGoal
from fkd_train.cli.options import data_option

if TYPE_CHECKING:
    from fkd_train.graphs.fixed_end_to_end import FixedSize

_PATH = click.Path(path_type=Path)
_FACES = 4
"""Faces that a file of --image-size answers by default."""


@click.command(cls=FkdCommand)
@click.argument("run", type=_PATH)
@click.option(
    "--out",
    type=_PATH,
    help="The .onnx file to write; with --optimize, the folder.",
)
@click.option(
    "--checkpoint",
    type=click.Choice(["last", "best"]),
    default="last",
    show_default=True,
    help="The checkpoint of a run folder; best was selected by its evaluation faces.",
)
@click.option(
    "--half",
    type=_PATH,
    help="Round the weights to half precision, and also write them to this .pt file.",
)
@data_option(required=False)
@click.option(
    "--optimize",
    "goal",
    type=click.Choice(OPTIMIZE_GOALS),
    help="Also create smaller and faster variants, and keep those that are accurate and better; "
    "auto tries all. Needs --data.",
)
@click.option(
    "--max-nme-increase",
    type=FiniteRange(0),
    default=0.1,
    show_default=True,
    help="Points of NME that a variant may lose.",
)
@click.option(
    "--max-ap-decrease",
    type=FiniteRange(0),
    default=0.5,
    show_default=True,
    help="Points of average precision and of recall that a detector's variant may lose.",
)
@click.option(
    "--platform",
    type=click.Choice(PLATFORMS),
    default="any",
    show_default=True,
    help="CPUs that int8 variants are for: any is correct on all CPUs; vnni and arm need 8-bit "
    "dot products.",
)
@click.option("--triton", type=_PATH, help="Also add the files to this Triton model repository.")
@click.option(
    "--end-to-end",
    is_flag=True,
    help="Export one file with detector, crop and network: from an image to its faces' points.",
)
@click.option(
    "--detector-model",
    show_default="the shipped fkd-detector",
    help="The detector's ONNX file for --end-to-end.",
)
@click.option(
    "--image-size",
    metavar="HEIGHTxWIDTH",
    help="With --end-to-end, a file for images of this size alone, without loops, which also "
    "OpenCV runs.",
)
@click.option(
    "--max-faces",
    type=click.IntRange(1, MAX_FACES),
    show_default="4",
    help="The number of faces that a file of --image-size answers.",
)
@click.option(
    "--check-runtimes",
    is_flag=True,
    help="Also run the files in every runtime that is installed, and compare; RUN may then be a "
    "file of fkd-export, and --out is optional.",
)
def main(
    run: Path,
    out: Path | None,
    checkpoint: str,
    half: Path | None,
    data: tuple[Path, ...],
    goal: OptimizeGoal | None,
    max_nme_increase: float,
    max_ap_decrease: float,
    platform: Platform,
    triton: Path | None,
    end_to_end: bool,
    detector_model: str | None,
    image_size: str | None,
    max_faces: int | None,
    check_runtimes: bool,
) -> None:
    """Export RUN, a run folder or a .pt file of a landmark network or a detector, to ONNX.

    The file is compared with the checkpoint, on the faces of --data or on drawn ones, and is only
    written if no point differs by more than 0.01 px.
    """
    if goal and not data:
        raise click.UsageError("--optimize needs real faces: add --data DIR")
    if goal and half:
        raise click.UsageError("--half is for a single file; --optimize tries fp16 by itself")
    if check_runtimes and run.suffix == ".onnx":
        _check_file(run, out, data or None)
        return
    if out is None:
        raise click.UsageError("Missing option '--out'.")
    from fkd_train.checkpoints import find_checkpoint, holds_detector

    file = find_checkpoint(run, checkpoint)
    if end_to_end:
        if goal or half or triton:
            raise click.UsageError(
                "--end-to-end cannot be combined with --optimize, --half or --triton"
            )
        size = _fixed_size(image_size, max_faces)
        _export_end_to_end(file, out, data or None, detector_model, size)
        if check_runtimes:
            _check_written(out, data or None)
        return
    if detector_model:
        raise click.UsageError("--detector-model is for --end-to-end")
    if image_size:
        raise click.UsageError("--image-size is for --end-to-end")
    if holds_detector(file):
        if triton:
            raise click.UsageError("--triton is for landmark networks, not for detectors")
        for path in _export_detector(
            file, out, data or None, half, goal, max_ap_decrease, platform
        ):
            if check_runtimes:
                _check_written(path, data or None)
        return
    if goal and data:
        files = _optimize(file, out, data, goal, max_nme_increase, platform, check_runtimes)
    else:
        files = [_export(file, out, data or None, half)]
        if check_runtimes:
            _check_written(out, data or None)
    if triton:
        from fkd_train.export.triton import write_repository

        for path in write_repository(triton, files):
            click.echo(path)


def _fixed_size(image_size: str | None, max_faces: int | None) -> FixedSize | None:
    """Reads --image-size and --max-faces."""
    if image_size is None:
        if max_faces is not None:
            raise click.UsageError("--max-faces is for --image-size")
        return None
    sides = image_size.split("x")
    if len(sides) != 2 or not all(each.isdecimal() for each in sides):
        raise click.UsageError(f"--image-size is HEIGHTxWIDTH, such as 480x640, not {image_size!r}")
    height, width = map(int, sides)
    if not all(MIN_IMAGE_SIDE <= side <= MAX_IMAGE_SIDE for side in (height, width)):
        allowed = f"{MIN_IMAGE_SIDE} to {MAX_IMAGE_SIDE} pixels"
        raise click.UsageError(f"--image-size is {image_size}, but its sides must be {allowed}")
    from fkd_train.graphs.fixed_end_to_end import FixedSize

    return FixedSize(height, width, max_faces or _FACES)


def _export_end_to_end(
    checkpoint: Path,
    out: Path,
    data: tuple[Path, ...] | None,
    detector: str | None,
    size: FixedSize | None,
) -> None:
    from fkd_infer.choices import DETECTOR_MODEL
    from fkd_train.export.end_to_end import export_end_to_end

    exported = export_end_to_end(checkpoint, out, data, detector or DETECTOR_MODEL, size)
    for line in exported.lines():
        click.echo(line)


def _export(checkpoint: Path, out: Path, data: tuple[Path, ...] | None, half: Path | None) -> Path:
    from fkd_train.export.landmarks import export_landmarks

    exported = export_landmarks(checkpoint, out, data, half)
    size, card = exported.path.stat().st_size / 1e6, exported.card
    click.echo(f"{exported.path}: {size:.1f} MB, {card.precision}, opset {card.opset}")
    click.echo(f"verified: {exported.verification.report()}")
    for protocol, accuracy in card.accuracy.items():
        click.echo(f"{protocol}: NME {accuracy.nme:.2f} % on {accuracy.count} faces")
    return exported.path


def _export_detector(
    checkpoint: Path,
    out: Path,
    data: tuple[Path, ...] | None,
    half: Path | None,
    goal: OptimizeGoal | None,
    max_ap_decrease: float,
    platform: Platform,
) -> list[Path]:
    if goal is None or data is None:
        from fkd_train.export.detector import export_detector

        for line in export_detector(checkpoint, out, data, half).lines():
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
    checkpoint: Path,
    out: Path,
    data: tuple[Path, ...],
    goal: OptimizeGoal,
    max_nme_increase: float,
    platform: Platform,
    check_runtimes: bool,
) -> list[Path]:
    from fkd_train.optimize.landmarks import optimize_landmarks
    from fkd_train.optimize.report import protocol_lines, runtime_lines, table, write_report

    result = optimize_landmarks(
        checkpoint, out, data, goal, max_nme_increase, platform, _print_progress
    )
    if check_runtimes:
        from fkd_train.optimize.runtimes import with_runtimes

        _print_progress(f"running {len(result.files)} files in other runtimes")
        result = with_runtimes(result, data)
    write_report(result)
    for line in (*table(result), "", *protocol_lines(result), *runtime_lines(result)):
        click.echo(line)
    return result.files


def _print_progress(line: str) -> None:
    click.echo(line, err=True)


def _check_written(path: Path, data: tuple[Path, ...] | None) -> None:
    """Checks the runtimes of a file, and writes them into its card."""
    click.echo(f"{path} in other runtimes:")
    _check_file(path, path, data)


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
