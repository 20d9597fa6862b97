"""fkd-infer doctor: checks of the installation and of what this machine can do."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fkd_infer.choices import STDOUT
from fkd_infer.cli.command import FkdCommand
from fkd_infer.cli.options.group import PATH
from fkd_infer.jobs.summary import counted

if TYPE_CHECKING:
    from fkd_infer.doctor.finding import Finding


@click.command(cls=FkdCommand)
@click.option(
    "--json",
    "json_",
    type=PATH,
    help="Write the findings as JSON to this file; - prints them instead of the text.",
)
@click.pass_context
def main(context: click.Context, json_: Path | None) -> None:
    """Check the installation and the machine, and print the command that fixes each problem.

    Ends with exit code 1 if there is a problem.
    """
    from fkd_infer.doctor.checks import examine

    findings = examine()
    if json_ != STDOUT:
        _print(findings)
    if json_:
        _write_json(findings, json_)
    context.exit(1 if any(finding.problem for finding in findings) else 0)


def _print(findings: Sequence[Finding]) -> None:
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        mark = "problem" if finding.problem else ""
        click.echo(f"{mark:9}{finding.name:{width + 2}}{finding.fact}")
        if finding.problem:
            click.echo(f"{'':9}{finding.problem}")
        if finding.repair:
            purpose = "fix it with" if finding.problem else "to improve"
            click.echo(f"{'':9}{purpose}: {finding.repair}")
    problems = sum(finding.problem is not None for finding in findings)
    click.echo(counted(problems, "problem") if problems else "all is well")


def _write_json(findings: Sequence[Finding], path: Path) -> None:
    """Writes one JSON object; raises OutputError."""
    from fkd_infer.system.files.atomic import atomic_write, output_errors

    well = not any(finding.problem for finding in findings)
    text = json.dumps(
        {"well": well, "findings": [asdict(finding) for finding in findings]}, indent=1
    )
    if path == STDOUT:
        click.echo(text)
        return
    with atomic_write(path) as partial, output_errors(path):
        partial.write_text(f"{text}\n", "utf-8")


if __name__ == "__main__":
    main()
