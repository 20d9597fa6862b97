"""fkd-infer models: a list of the shipped models, and checks of model files."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import click

from fkd_infer.cli.command import FkdCommand
from fkd_infer.cli.options.group import PATH
from fkd_infer.jobs.summary import counted


@click.group()
def main() -> None:
    """List the models that come with fkd, and check model files."""


@main.command("list", cls=FkdCommand)
def list_() -> None:
    """List the models that come with fkd, as their cards describe them."""
    from fkd_infer.models.description import describe_model
    from fkd_infer.models.shipped import shipped_models

    rows = [("NAME", "KIND", "MB", "POINTS", "INPUT", "ACCURACY", "FILE")]
    for name, path in (shipped_models() | shipped_models(detectors=True)).items():
        model = describe_model(path)
        size = f"{model.bytes / 1e6:.2f}"
        row = (name, model.kind, size, model.scheme, model.input, model.accuracy, str(path))
        rows.append(row)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        click.echo("  ".join(map(str.ljust, row, widths)).rstrip())


@main.command(cls=FkdCommand)
@click.argument("paths", nargs=-1, type=PATH, metavar="[PATH...]")
@click.pass_context
def verify(context: click.Context, paths: tuple[Path, ...]) -> None:
    """Check the models that come with fkd, or those at each PATH.

    PATH is an .onnx file, a manifest.toml, or a folder with one or with .onnx files. Ends with exit
    code 1 if a file has a problem.
    """
    from fkd_infer.models.verification import verify, verify_shipped

    problems = 0
    reports = chain.from_iterable(map(verify, paths)) if paths else verify_shipped()
    for report in reports:
        problems += bool(report.problem)
        mark = "problem" if report.problem else ""
        click.echo(f"{mark:9}{report.file}: {report.problem or report.fact}")
    click.echo(counted(problems, "problem") if problems else "all is well")
    context.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
