"""The command that proves and measures fkd on a GPU."""

from __future__ import annotations

from pathlib import Path

import click

from benchmarks.cli.options import OUT, PATH
from fkd_infer.cli.command import SOME_FAILED, FkdCommand
from fkd_infer.cli.options.group import FiniteRange


@click.command(cls=FkdCommand)
@click.option(
    "--provider",
    default="cuda",
    show_default=True,
    help="Execution provider, perhaps with a device: cuda:1. With cpu, this is a dry run.",
)
@click.option("--part", "names", metavar="NAME", multiple=True, help="Run this part; default: all.")
@click.option("--quick", is_flag=True, help="Fewer networks, sizes and blocks, for a dry run.")
@click.option(
    "--minutes",
    type=FiniteRange(0.1),
    default=10.0,
    show_default=True,
    help="End after this time; parts that are left are left out.",
)
@click.option("--out", type=PATH, help="JSON lines file to which results are appended.")
@click.option("--markdown", type=PATH, help="Write the tables to this file too.")
@click.pass_context
def gpu(
    context: click.Context,
    provider: str,
    names: tuple[str, ...],
    quick: bool,
    minutes: float,
    out: Path | None,
    markdown: Path | None,
) -> None:
    """Prove and measure fkd on a GPU: strictness, parity, latency, pipelines, torch beside them.

    Each part runs in a process of its own, and one that fails does not end the others; the exit
    code is 3 then. Without a GPU, one line says so.
    """
    from benchmarks.gpu.check import missing_device, run_check
    from benchmarks.gpu.parts import PARTS
    from benchmarks.gpu.plan import CheckPlan
    from benchmarks.harness.results import Recorder, default_path, read_runs
    from benchmarks.report.markdown import report_lines
    from fkd_infer.system.files.atomic import atomic_write

    known = [part.name for part in PARTS]
    if unknown := sorted(set(names) - set(known)):
        raise click.UsageError(f"no part {unknown[0]}; choose from {', '.join(known)}")
    plan = CheckPlan(provider, quick)
    if why := missing_device(plan):
        click.echo(f"nothing to check: {why}; --provider cpu is a dry run")
        return
    path = out or default_path(OUT, "gpu")
    parts = [part for part in PARTS if not names or part.name in names]
    recorder = Recorder(path, click.echo, quiet=True)
    failures = run_check(plan, parts, 60 * minutes, recorder, click.echo)
    text = "\n".join(report_lines(read_runs([path])))
    if markdown is not None:
        with atomic_write(markdown) as partial:
            partial.write_text(text + "\n", encoding="utf-8")
    click.echo(text)
    context.exit(SOME_FAILED if failures else 0)
