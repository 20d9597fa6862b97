"""fkd-eval: the accuracy of checkpoints and exported files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from fkd_infer.choices import DEFAULT_DETECTOR
from fkd_infer.cli.command import FkdCommand
from fkd_infer.cli.options.detectors import DetectorChoice, detector_model_option
from fkd_infer.detection.registry import BOX_KINDS, SEARCHING, find_detector
from fkd_train.choices import CROP_PROTOCOLS, SPLITS, CropProtocol, Split
from fkd_train.cli.evaluation_text import print_comparison, write_comparison_json, write_json
from fkd_train.cli.options import data_option, split_option

if TYPE_CHECKING:
    from fkd_infer.detection.base import SizedDetector

_PATH = click.Path(path_type=Path)


@click.command(cls=FkdCommand)
@click.option(
    "--model",
    "models",
    type=_PATH,
    required=True,
    multiple=True,
    help="Measure this .onnx file, .pt file or run folder. Repeat for several of one scheme.",
)
@data_option(required=True)
@split_option(
    default="official",
    help="official: the test part, whose people are also in the training part; identity: people, "
    "or photos of 300-W, held out from training; folds: one in ten of them.",
    choices=tuple(split for split in SPLITS if split != "none"),
)
@click.option(
    "--crop",
    type=click.Choice(CROP_PROTOCOLS),
    default="model",
    show_default=True,
    help="model: the crop that the model was trained with; image: the seed protocol, the central "
    "224 of 250 px.",
)
@click.option(
    "--boxes",
    type=DetectorChoice(BOX_KINDS),
    default="points",
    show_default=True,
    help="Crop around the true points, or around a detector's boxes, on the faces it detects.",
)
@detector_model_option
@click.option(
    "--refine/--no-refine",
    default=True,
    show_default=True,
    help="With a detector: run the network again in the box of its first points.",
)
@click.option(
    "--convention",
    metavar="NAME",
    help="Place points as the annotators of this data set do, if the model learned how.",
)
@click.option("--perturb", is_flag=True, help="Also measure on worse boxes and worse pictures.")
@click.option(
    "--score",
    is_flag=True,
    help="Also measure how well the score tells faces from other crops, and good points from bad.",
)
@click.option(
    "--beside",
    type=DetectorChoice(SEARCHING),
    multiple=True,
    help="Measure this detector beside a detector's file. Repeat for several. --detector-model "
    "names YuNet's file.",
)
@click.option(
    "--json",
    "json_",
    type=_PATH,
    help="Write the results to this JSON file: an object, or a list of them for several models.",
)
@click.option(
    "--report",
    type=_PATH,
    help="Write report.html, a page with tables, curves and faces, and report.json with its "
    "numbers to this folder.",
)
def main(
    models: tuple[Path, ...],
    data: tuple[Path, ...],
    split: Split,
    crop: CropProtocol,
    boxes: str,
    detector_model: Path | None,
    refine: bool,
    convention: str | None,
    perturb: bool,
    score: bool,
    beside: tuple[str, ...],
    json_: Path | None,
    report: Path | None,
) -> None:
    """Evaluate landmark networks, in boxes around the true points, or detectors.

    Detectors are evaluated on the original images, on tilted, dark and gray ones, and on mosaics.
    """
    from fkd_train.evaluation.detector_comparison import is_detector_file

    if is_detector_file(models[0]):
        changed = crop != "model" or boxes != "points" or not refine or convention is not None
        if changed or perturb or score or report:
            raise click.UsageError("for detectors, use only --data, --split, --beside and --json")
        _evaluate_detectors(models, data, split, beside, detector_model, json_)
        return
    if beside:
        raise click.UsageError(f"--beside needs a detector's file; {models[0]} is not one")
    if crop == "image" and boxes != "points":
        raise click.UsageError("--crop image uses no boxes; remove --boxes")
    if detector_model and not _has_model(boxes):
        names = " and ".join(name for name in SEARCHING if _has_model(name))
        raise click.UsageError(f"--detector-model is for --boxes {names}")
    if perturb and (crop == "image" or boxes != "points"):
        raise click.UsageError("--perturb cuts its own crops; remove --crop and --boxes")
    from fkd_train.evaluation.comparison import EvaluationProtocol, compare

    protocol = EvaluationProtocol(
        data, split, crop, boxes, perturb, score, refine, detector_model, convention
    )
    comparison = compare(models, protocol)
    print_comparison(comparison)
    if json_:
        write_comparison_json(json_, comparison)
    if report:
        from fkd_train.reports.html import write_report

        click.echo(f"report: {write_report(report, comparison)}")


def _has_model(kind: str) -> bool:
    """Whether boxes of this kind come from a detector with a model file."""
    return kind != "points" and find_detector(kind).default_model is not None


def _evaluate_detectors(
    models: tuple[Path, ...],
    data: tuple[Path, ...],
    split: Split,
    beside: tuple[str, ...],
    detector_model: Path | None,
    json_: Path | None,
) -> None:
    from fkd_train.evaluation.detector_comparison import (
        evaluate_detectors,
        format_table,
        rows_as_dicts,
    )

    detectors = _open_detectors(models, beside, detector_model)
    rows = list(evaluate_detectors(detectors, data, split))
    click.echo(f"{split} split; recall at IoU 0.5; 1 in 100: at one false box in 100 pictures")
    for line in format_table(rows):
        click.echo(line)
    if json_:
        write_json(json_, rows_as_dicts(rows))


def _open_detectors(
    models: tuple[Path, ...], beside: tuple[str, ...], detector_model: Path | None
) -> dict[str, SizedDetector]:
    from fkd_train.evaluation.calibration import open_sized_detector
    from fkd_train.evaluation.comparison import distinct_names

    detectors = {
        name: open_sized_detector("fkd", path)
        for name, path in zip(distinct_names(models), models, strict=True)
    }
    for kind in beside:
        # --detector-model never replaces the shipped detector, which is the reference.
        has_choice = _has_model(kind) and kind != DEFAULT_DETECTOR
        detectors[kind] = open_sized_detector(kind, detector_model if has_choice else None)
    return detectors


if __name__ == "__main__":
    main()
