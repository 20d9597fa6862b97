"""fkd-infer doctor: what is installed, what this machine can do, and what mends a problem."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fkd_infer.cli.command import FkdCommand

if TYPE_CHECKING:
    from fkd_infer.doctor.finding import Finding

_STDOUT = Path("-")


@click.command(cls=FkdCommand)
@click.option(
    "--json",
    "json_",
    type=click.Path(path_type=Path),
    help="File for the same as JSON; - prints it instead.",
)
@click.pass_context
def main(context: click.Context, json_: Path | None) -> None:
    """Look at the installation and the machine, and say what mends each problem.

    Ends with exit code 1 where there is one.
    """
    from fkd_infer.doctor.checks import examine

    findings = examine()
    if json_ != _STDOUT:
        _tell(findings)
    if json_:
        _write(findings, json_)
    context.exit(1 if any(finding.problem for finding in findings) else 0)


def _tell(findings: Sequence[Finding]) -> None:
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        mark = "problem" if finding.problem else ""
        click.echo(f"{mark:9}{finding.name:{width + 2}}{finding.fact}")
        if finding.problem:
            click.echo(f"{'':9}{finding.problem}")
        if finding.repair:
            click.echo(
                f"{'':9}{'mend it with' if finding.problem else 'to improve'}: {finding.repair}"
            )
    count = sum(finding.problem is not None for finding in findings)
    click.echo(f"{count} problem{'' if count == 1 else 's'}" if count else "all is well")


def _write(findings: Sequence[Finding], path: Path) -> None:
    """One JSON object; raises OutputError."""
    from fkd_infer.system.files.atomic import atomic_write, output_errors

    well = not any(finding.problem for finding in findings)
    text = json.dumps(
        {"well": well, "findings": [asdict(finding) for finding in findings]}, indent=1
    )
    if path == _STDOUT:
        click.echo(text)
        return
    with atomic_write(path) as partial, output_errors(path):
        partial.write_text(f"{text}\n", "utf-8")


if __name__ == "__main__":
    main()
