"""fkd-infer models: the models that come with fkd, and whether model files are sound."""

from __future__ import annotations

from pathlib import Path

import click

from fkd_infer.cli.command import FkdCommand


@click.group(help="List the models that come with fkd, and check model files.")
def main() -> None:
    """The commands below stand for themselves."""


@main.command("list", cls=FkdCommand)
def list_() -> None:
    """Name the models that come with fkd, as their cards describe them."""
    from fkd_infer.models.inventory import describe
    from fkd_infer.models.shipped import shipped_models

    rows = [("NAME", "KIND", "MB", "POINTS", "INPUT", "ACCURACY", "FILE")]
    for name, path in (shipped_models() | shipped_models(detectors=True)).items():
        found = describe(path)
        size = f"{found.bytes / 1e6:.2f}"
        row = (name, found.kind, size, found.scheme, found.input, found.accuracy, str(path))
        rows.append(row)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        click.echo("  ".join(map(str.ljust, row, widths)).rstrip())


@main.command(cls=FkdCommand)
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH...]")
@click.pass_context
def verify(context: click.Context, paths: tuple[Path, ...]) -> None:
    """Check the models that come with fkd, or each PATH.

    PATH is an .onnx file, a manifest.toml, or a folder with one. Ends with exit code 1 where a file
    is not what it should be.
    """
    from fkd_infer.models.inventory import verify, verify_shipped

    problems = 0
    for verdict in (one for path in paths for one in verify(path)) if paths else verify_shipped():
        problems += bool(verdict.problem)
        mark = "problem" if verdict.problem else ""
        click.echo(f"{mark:9}{verdict.file}: {verdict.problem or verdict.fact}")
    click.echo(f"{problems} problem{'' if problems == 1 else 's'}" if problems else "all is well")
    context.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
