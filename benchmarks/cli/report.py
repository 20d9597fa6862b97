"""Commands that read results."""

from __future__ import annotations

from pathlib import Path

import click

from benchmarks.cli.options import OUT, PATH
from fkd_infer.cli.command import FkdCommand
from fkd_infer.cli.options.group import FiniteRange


@click.command(cls=FkdCommand)
@click.argument("files", nargs=-1, required=True, type=PATH)
@click.option(
    "--out",
    type=PATH,
    default=OUT / "report",
    show_default=True,
    help="Folder for the report.",
)
def report(files: tuple[Path, ...], out: Path) -> None:
    """Make tables and plots of results."""
    from benchmarks.harness.results import read_runs
    from benchmarks.report.markdown import write_report

    for path in write_report(read_runs(files), out):
        click.echo(path)


@click.command(cls=FkdCommand)
@click.argument("before", type=PATH)
@click.argument("after", type=PATH)
@click.option(
    "--percent",
    type=FiniteRange(0),
    default=3.0,
    show_default=True,
    help="Ignore smaller changes.",
)
@click.pass_context
def compare(context: click.Context, before: Path, after: Path, percent: float) -> None:
    """Show figures that changed by more than chance; exit code 1 if any became worse."""
    from benchmarks.harness.results import read_runs
    from benchmarks.report.compare import (
        environment_differences,
        find_changes,
        significant_changes,
    )

    runs = read_runs([before]), read_runs([after])
    changes = find_changes(*runs)
    worse, better = significant_changes(changes, percent)
    for line in (*environment_differences(*runs), *worse, *better):
        click.echo(line)
    click.echo(f"{len(changes)} figures compared: {len(worse)} worse, {len(better)} better")
    context.exit(1 if worse else 0)


@click.command(cls=FkdCommand)
@click.argument("file", type=PATH)
@click.option(
    "--images", type=FiniteRange(1), default=1e9, show_default=True, help="Number of images."
)
@click.option("--core-hour", type=FiniteRange(0), help="Price of an hour of a core.")
@click.option("--gpu-hour", type=FiniteRange(0), help="Price of an hour of a GPU.")
def cost(file: Path, images: float, core_hour: float | None, gpu_hour: float | None) -> None:
    """Work out from results of throughput and gpu what many images take, and cost."""
    from benchmarks.harness.results import read_runs
    from benchmarks.report.cost import cost_lines

    prices = {"core": core_hour, "GPU": gpu_hour}
    for line in cost_lines(read_runs([file]), file, images, prices):
        click.echo(line)
