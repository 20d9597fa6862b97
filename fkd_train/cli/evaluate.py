"""fkd-eval: the accuracy of checkpoints and exported files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fkd_infer.choices import DEFAULT_DETECTOR, MIN_PRESENCE
from fkd_infer.cli.command import FkdCommand
from fkd_infer.cli.options.detectors import DetectorChoice, detector_model_option
from fkd_infer.detection.registry import BOX_KINDS, SEARCHING, find_detector
from fkd_infer.system.files.atomic import atomic_write, output_errors
from fkd_train.choices import CROP_PROTOCOLS, CropProtocol, Split
from fkd_train.cli.options import data_option, split_option

if TYPE_CHECKING:
    from fkd_train.evaluation.comparison import Comparison, EvaluationProtocol, Result
    from fkd_train.evaluation.presence import ScoreReport
    from fkd_train.evaluation.robustness import Robustness

_PATH = click.Path(path_type=Path)


@click.command(cls=FkdCommand)
@click.option(
    "--model",
    "models",
    type=_PATH,
    required=True,
    multiple=True,
    help="An .onnx file, a .pt file or a run folder; may be given several times.",
)
@data_option(required=True)
@split_option(
    default="official",
    help="official: test rows, whose people were trained on; identity: people held out.",
)
@click.option(
    "--crop",
    type=click.Choice(CROP_PROTOCOLS),
    default="model",
    show_default=True,
    help="model: as the model was trained; image: the seed protocol's central 224 of 250 px.",
)
@click.option(
    "--boxes",
    type=DetectorChoice(BOX_KINDS),
    default="points",
    show_default=True,
    help="Boxes of the true points, or of a detector, on the faces that it finds.",
)
@detector_model_option
@click.option(
    "--refine/--no-refine",
    default=True,
    show_default=True,
    help="With a detector: place points again in the box of the first ones.",
)
@click.option("--perturb", is_flag=True, help="Also measure on worse boxes and worse pictures.")
@click.option("--score", is_flag=True, help="Also measure how well the score tells faces.")
@click.option(
    "--beside",
    type=DetectorChoice(SEARCHING),
    multiple=True,
    help="Of a detector's file: other detectors to measure too; --detector-model is YuNet's file.",
)
@click.option("--json", "json_", type=_PATH, help="File for the figures.")
@click.option("--report", type=_PATH, help="Folder for a page with tables, plots and faces.")
def main(
    models: tuple[Path, ...],
    data: Path,
    split: Split,
    crop: CropProtocol,
    boxes: str,
    detector_model: Path | None,
    refine: bool,
    perturb: bool,
    score: bool,
    beside: tuple[str, ...],
    json_: Path | None,
    report: Path | None,
) -> None:
    """Measure how well networks place points, in boxes around the true points; or how well
    detectors find faces, where the files are of detectors.

    Detectors are measured on images as they are, tilted, dark and gray, and on mosaics.
    """
    from fkd_train.evaluation.detectors import is_detector_file

    if is_detector_file(models[0]):
        if crop != "model" or boxes != "points" or not refine or perturb or score or report:
            raise click.UsageError("of detectors, give --data, --split, --beside and --json alone")
        _detectors(models, data, split, beside, detector_model, json_)
        return
    if beside:
        raise click.UsageError(f"--beside is for a detector's file, and {models[0]} is none")
    if crop == "image" and boxes != "points":
        raise click.UsageError("--crop image takes no boxes; leave --boxes out")
    if detector_model and not _has_model(boxes):
        names = " and ".join(name for name in SEARCHING if _has_model(name))
        raise click.UsageError(f"--detector-model is for --boxes {names}")
    if perturb and (crop == "image" or boxes != "points"):
        raise click.UsageError("--perturb cuts its own crops; leave --crop and --boxes out")
    from fkd_train.evaluation.comparison import EvaluationProtocol, compare

    protocol = EvaluationProtocol(data, split, crop, boxes, perturb, score, refine, detector_model)
    comparison = compare(models, protocol)
    for result in comparison.results:
        _print(result, comparison)
    if json_:
        _write_json(json_, comparison)
    if report:
        from fkd_train.reports.html import write_report

        click.echo(f"report: {write_report(report, comparison)}")


def _has_model(kind: str) -> bool:
    """Whether boxes of a kind come from a detector with a model file."""
    return kind != "points" and find_detector(kind).default_model is not None


def _detectors(
    models: tuple[Path, ...],
    data: Path,
    split: Split,
    beside: tuple[str, ...],
    detector_model: Path | None,
    json_: Path | None,
) -> None:
    from fkd_infer.detection.base import SizedDetector
    from fkd_train.evaluation.calibration import open_sized_detector
    from fkd_train.evaluation.comparison import distinct_names
    from fkd_train.evaluation.detectors import evaluate_detectors, plain, table

    detectors: dict[str, SizedDetector] = {
        name: open_sized_detector("fkd", path)
        for name, path in zip(distinct_names(models), models, strict=True)
    }
    for kind in beside:
        # The shipped detector is measured as it is shipped.
        chosen = _has_model(kind) and kind != DEFAULT_DETECTOR
        detectors[kind] = open_sized_detector(kind, detector_model if chosen else None)
    rows = list(evaluate_detectors(detectors, data, split))
    click.echo(f"{split} split; recall at IoU 0.5; 1 in 100: at one false box in 100 pictures")
    for line in table(rows):
        click.echo(line)
    if json_:
        with atomic_write(json_) as partial, output_errors(json_):
            partial.write_text(json.dumps(plain(rows), indent=2) + "\n")


def _print(result: Result, comparison: Comparison) -> None:
    figures = result.evaluation.accuracy
    counted = f"{figures.count} of {comparison.total} faces"
    where = f"{comparison.protocol.split} split, {counted}"
    click.echo(f"{result.path}, {where}, errors in % of interocular distance")
    click.echo(f"NME                {figures.nme:8.2f}")
    click.echo(f"median             {figures.median:8.2f}")
    click.echo(f"failure rate > 8   {figures.failure_rate_8:8.2f} % of faces")
    click.echo(f"failure rate > 10  {figures.failure_rate_10:8.2f} % of faces")
    click.echo(f"AUC@10             {figures.auc_10:8.2f} %")
    for region, error in figures.regions.items():
        click.echo(f"  {region:17}{error:8.2f}")
    mse = result.evaluation.seed_mse
    click.echo(f"seed MSE           {mse:8.4f} ((px - 100) / 50)², central 224 crop")
    if result.robustness:
        click.echo(f"{'perturbed':24}{'NME':>8}{'to clean':>10}{'failures > 10':>17}")
    for row in result.robustness:
        click.echo(_line(row))
    if comparison.protocol.score:
        _print_score(result.score)


def _print_score(score: ScoreReport | None) -> None:
    if score is None:
        click.echo("score: this network has none")
        return
    kept = f"{score.rejected:.2f} % of {score.faces} faces are below {MIN_PRESENCE}"
    click.echo(f"score: ROC AUC against backgrounds {score.auc:.4f}; {kept}")
    for name, group in score.groups.items():
        passing = f"{group.accepted:6.2f} % of {group.count} crops are above"
        click.echo(f"  {name:22}AUC {group.auc:.4f}, {passing}")


def _line(row: Robustness) -> str:
    return f"  {row.perturbation:22}{row.nme:8.2f}{row.ratio:9.2f}×{row.failure_rate_10:15.2f} %"


def _write_json(path: Path, comparison: Comparison) -> None:
    """One object for one model, a list of them for several."""
    tables = [_table(result, comparison.protocol) for result in comparison.results]
    content = json.dumps(tables[0] if len(tables) == 1 else tables, indent=2)
    with atomic_write(path) as partial, output_errors(path):
        partial.write_text(content + "\n")


def _table(result: Result, protocol: EvaluationProtocol) -> dict[str, object]:
    measured = {"split": protocol.split, "crop": protocol.crop, "boxes": protocol.boxes}
    return {"model": str(result.path), **measured, **result.figures()}
