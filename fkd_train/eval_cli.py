"""fkd-eval: the accuracy of a checkpoint or an exported file."""

from __future__ import annotations

import json
from pathlib import Path

import click

from fkd_infer.commands import FkdCommand
from fkd_infer.names import BOX_KINDS, BoxKind
from fkd_infer.wholefile import whole_file, writing
from fkd_train.names import CROP_PROTOCOLS, CropProtocol, Split
from fkd_train.options import data_option, split_option

_PATH = click.Path(path_type=Path)


@click.command(cls=FkdCommand)
@click.option(
    "--model", type=_PATH, required=True, help="An .onnx file, a .pt file or a run folder."
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
    type=click.Choice(BOX_KINDS),
    default="points",
    show_default=True,
    help="Boxes of the true points, or of the Haar detector, on the faces that it finds.",
)
@click.option("--json", "json_", type=_PATH, help="File for the figures.")
def main(
    model: Path, data: Path, split: Split, crop: CropProtocol, boxes: BoxKind, json_: Path | None
) -> None:
    """Measure how well a network places points, in boxes around the true points."""
    if crop == "image" and boxes != "points":
        raise click.UsageError("--crop image takes no boxes; leave --boxes out")
    from fkd_train.data import load_evaluation
    from fkd_train.evaluate import evaluate, evaluate_detected, open_model

    predict, sampler = open_model(model, crop)
    faces = load_evaluation(data, split, sampler.scheme)
    result = (evaluate if boxes == "points" else evaluate_detected)(predict, faces, sampler)
    figures = result.accuracy
    counted = f"{figures.count} of {len(faces)} faces"
    click.echo(f"{model}, {split} split, {counted}, errors in % of interocular distance")
    click.echo(f"NME                {figures.nme:8.2f}")
    click.echo(f"median             {figures.median:8.2f}")
    click.echo(f"failure rate > 8   {figures.failure_rate_8:8.2f} % of faces")
    click.echo(f"failure rate > 10  {figures.failure_rate_10:8.2f} % of faces")
    click.echo(f"AUC@10             {figures.auc_10:8.2f} %")
    for region, error in figures.regions.items():
        click.echo(f"  {region:17}{error:8.2f}")
    click.echo(f"seed MSE           {result.seed_mse:8.4f} ((px - 100) / 50)², central 224 crop")
    if json_:
        protocol = {"model": str(model), "split": split, "crop": crop, "boxes": boxes}
        with whole_file(json_) as partial, writing(json_):
            partial.write_text(json.dumps({**protocol, **result.figures()}, indent=2) + "\n")
