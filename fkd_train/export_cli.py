"""fkd-export: a checkpoint to a verified ONNX file."""

from __future__ import annotations

from pathlib import Path

import click

from fkd_infer.commands import FkdCommand
from fkd_train.options import data_option

_PATH = click.Path(path_type=Path)


@click.command(cls=FkdCommand)
@click.argument("run", type=_PATH)
@click.option("--out", type=_PATH, required=True, help="The .onnx file to write.")
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
def main(run: Path, out: Path, checkpoint: str, half: Path | None, data: Path | None) -> None:
    """Export RUN (a run folder or a .pt file) to ONNX.

    The file is compared with the checkpoint, on the faces of --data or on drawn ones, and is only
    written if no point differs by more than the budget of 0.01 px.
    """
    from fkd_train.checkpoint import find_checkpoint
    from fkd_train.export import export

    done = export(find_checkpoint(run, checkpoint), out, data, half)
    size = done.path.stat().st_size / 1e6
    click.echo(f"{done.path}: {size:.1f} MB, {done.card.precision}, opset {done.card.opset}")
    click.echo(f"verified: {done.verification.report()}")
    for protocol, measured in done.card.accuracy.items():
        click.echo(f"{protocol}: NME {measured.nme:.2f} % on {measured.count} faces")
