"""fkd-export: a checkpoint to one verified ONNX file, or to several optimised ones."""

from __future__ import annotations

from pathlib import Path

import click

from fkd_infer.choices import PLATFORMS, Platform
from fkd_infer.cli.command import FkdCommand
from fkd_train.choices import OPTIMIZE_GOALS, OptimizeGoal
from fkd_train.cli.options import data_option

_PATH = click.Path(path_type=Path)


@click.command(cls=FkdCommand)
@click.argument("run", type=_PATH)
@click.option(
    "--out", type=_PATH, required=True, help="The .onnx file to write; with --optimize, a folder."
)
@click.option(
    "--checkpoint",
    type=click.Choice(["last", "best"]),
    default="last",
    show_default=True,
    help="Which of the run's; best was chosen by its evaluation faces.",
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
    help="Also make smaller and faster files, and keep those that are right and better; auto tries "
    "everything. Needs --data.",
)
@click.option(
    "--max-nme-increase",
    type=click.FloatRange(0),
    default=0.1,
    show_default=True,
    help="How many points of NME a file of --optimize may lose.",
)
@click.option(
    "--max-ap-decrease",
    type=click.FloatRange(0),
    default=0.5,
    show_default=True,
    help="The same of a detector: points of average precision, or of recall.",
)
@click.option(
    "--platform",
    type=click.Choice(PLATFORMS),
    default="any",
    show_default=True,
    help="CPUs that int8 is for: any is right on all; vnni and arm need dot products of bytes.",
)
@click.option("--triton", type=_PATH, help="Also add the files to this Triton model repository.")
@click.option(
    "--end-to-end",
    is_flag=True,
    help="One file with detector, crop and network: from an image to the points of its faces.",
)
@click.option(
    "--detector-model",
    help="The detector's ONNX file for --end-to-end; by default fkd-detector, which is shipped.",
)
def main(
    run: Path,
    out: Path,
    checkpoint: str,
    half: Path | None,
    data: Path | None,
    goal: OptimizeGoal | None,
    max_nme_increase: float,
    max_ap_decrease: float,
    platform: Platform,
    triton: Path | None,
    end_to_end: bool,
    detector_model: str | None,
) -> None:
    """Export RUN (a run folder or a .pt file), of a keypoint network or a detector, to ONNX.

    The file is compared with the checkpoint, on the faces of --data or on drawn ones, and is only
    written if no point differs by more than the budget of 0.01 px.
    """
    if goal and data is None:
        raise click.UsageError("--optimize judges files on real faces: give --data DIR")
    if goal and half:
        raise click.UsageError("--half goes with a single file; --optimize tries fp16 by itself")
    from fkd_train.checkpoints import find_checkpoint, holds_detector

    found = find_checkpoint(run, checkpoint)
    if end_to_end:
        if goal or half or triton:
            raise click.UsageError("--end-to-end goes without --optimize, --half and --triton")
        _end_to_end(found, out, data, detector_model)
        return
    if detector_model:
        raise click.UsageError("--detector-model is for --end-to-end")
    if holds_detector(found):
        if triton:
            raise click.UsageError("--triton serves networks that place points, not detectors")
        _detector(found, out, data, half, goal, max_ap_decrease, platform)
        return
    if goal and data:
        files = _optimized(found, out, data, goal, max_nme_increase, platform)
    else:
        files = [_exported(found, out, data, half)]
    if triton:
        from fkd_train.export.triton import write_repository

        for path in write_repository(triton, files):
            click.echo(path)


def _end_to_end(checkpoint: Path, out: Path, data: Path | None, detector: str | None) -> None:
    from fkd_infer.choices import DETECTOR_MODEL
    from fkd_train.export.end_to_end import export_end_to_end

    for line in export_end_to_end(checkpoint, out, data, detector or DETECTOR_MODEL).lines():
        click.echo(line)


def _exported(checkpoint: Path, out: Path, data: Path | None, half: Path | None) -> Path:
    from fkd_train.export.landmarks import export

    done = export(checkpoint, out, data, half)
    size = done.path.stat().st_size / 1e6
    click.echo(f"{done.path}: {size:.1f} MB, {done.card.precision}, opset {done.card.opset}")
    click.echo(f"verified: {done.verification.report()}")
    for protocol, measured in done.card.accuracy.items():
        click.echo(f"{protocol}: NME {measured.nme:.2f} % on {measured.count} faces")
    return done.path


def _detector(
    checkpoint: Path,
    out: Path,
    data: Path | None,
    half: Path | None,
    goal: OptimizeGoal | None,
    max_ap_decrease: float,
    platform: Platform,
) -> None:
    if goal is None or data is None:
        from fkd_train.export.detector import export_detector

        for line in export_detector(checkpoint, out, data, half).lines():
            click.echo(line)
        return
    if goal != "auto":
        raise click.UsageError("of a detector, --optimize auto tries everything there is")
    from fkd_train.optimize.detector import optimize_detector

    def tell(line: str) -> None:
        click.echo(line, err=True)

    for judged in optimize_detector(checkpoint, out, data, max_ap_decrease, platform, tell):
        click.echo(judged.line())


def _optimized(
    checkpoint: Path,
    out: Path,
    data: Path,
    goal: OptimizeGoal,
    max_nme_increase: float,
    platform: Platform,
) -> list[Path]:
    from fkd_train.optimize.report import protocol_lines, table, write_report
    from fkd_train.optimize.search import optimize

    def tell(line: str) -> None:
        click.echo(line, err=True)

    result = optimize(checkpoint, out, data, goal, max_nme_increase, platform, tell)
    write_report(result)
    for line in (*table(result), "", *protocol_lines(result)):
        click.echo(line)
    return result.files


if __name__ == "__main__":
    main()
