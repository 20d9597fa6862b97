"""`python -m fuzz`: fuzzes each reader of files, and reports crashes."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from fuzz.targets import TARGETS, Target

CRASHES = Path(__file__).parent / "crashes"
_REPOSITORY = Path(__file__).parents[1]
_MEMORY_DISK = Path("/dev/shm")
"""Where inputs are written, if the system has it: faster than a disk."""
_INPUT_TIMEOUT_S, _MEMORY_LIMIT_MB = 10, 2048
_COVERAGE = re.compile(rb"cov: (\d+) ft: (\d+)")
_EXECUTIONS = re.compile(rb"number_of_executed_units: (\d+)")


@dataclass(frozen=True)
class Outcome:
    """The result of fuzzing one target; `failure` is the output of a run that itself failed."""

    target: str
    executions: int
    seconds: float
    edges: int
    features: int
    crashes: tuple[Path, ...]
    failure: str

    def line(self) -> str:
        """One line for people."""
        rate = self.executions / max(self.seconds, 1e-9)
        return (
            f"{self.target:10} {self.executions:9} executions {rate:7.0f}/s "
            f"{self.edges:6} edges {self.features:6} features {len(self.crashes):3} crashes"
        )


def fuzz(target: Target, limits: list[str], corpus: Path, crashes: Path) -> Outcome:
    """Fuzzes one target in its own process, starting from its seeds and the corpus."""
    seeds = corpus.with_name(f"{corpus.name}-seeds")
    for folder in (corpus, seeds, crashes):
        folder.mkdir(parents=True, exist_ok=True)
    for name, data in target.seeds().items():
        (seeds / name).write_bytes(data)
    dictionary = corpus.with_name(f"{corpus.name}.dict")
    dictionary.write_text("".join(f'"{_escape(token)}"\n' for token in target.tokens))
    flags = [
        str(corpus), str(seeds), f"-artifact_prefix={crashes / target.name}-",
        f"-dict={dictionary}", f"-max_len={target.max_size}", f"-timeout={_INPUT_TIMEOUT_S}",
        f"-rss_limit_mb={_MEMORY_LIMIT_MB}", "-print_final_stats=1", "-close_fd_mask=3", *limits,
    ]  # fmt: skip
    started, started_at = time.monotonic(), time.time()
    with TemporaryDirectory(dir=_MEMORY_DISK if _MEMORY_DISK.is_dir() else None) as scratch:
        command = [sys.executable, "-m", "fuzz.harness", target.name, scratch, str(crashes), *flags]
        run = subprocess.run(command, cwd=_REPOSITORY, capture_output=True, check=False)
    seconds = time.monotonic() - started
    new_crashes = sorted(
        path
        for path in crashes.glob(f"{target.name}-*")
        if path.suffix != ".txt" and path.stat().st_mtime >= started_at - 1
    )
    coverage, count = _COVERAGE.findall(run.stderr), _EXECUTIONS.search(run.stderr)
    edges, features = map(int, coverage[-1]) if coverage else (0, 0)
    failure = ""
    if run.returncode and not new_crashes:
        failure = run.stderr[-2000:].decode(errors="replace")
    executions = int(count[1]) if count else 0
    return Outcome(target.name, executions, seconds, edges, features, tuple(new_crashes), failure)


def _escape(token: bytes) -> str:
    """Writes a token in the syntax of libFuzzer's dictionaries."""
    return "".join(f"\\x{byte:02x}" for byte in token)


@click.command()
@click.argument("names", metavar="[TARGET]…", nargs=-1, type=click.Choice(list(TARGETS)))
@click.option("--seconds", type=click.IntRange(1), default=60, show_default=True,
              help="Time for each target.")  # fmt: skip
@click.option("--runs", type=click.IntRange(1),
              help="Inputs for each target in place of a time; always the same.")  # fmt: skip
@click.option("--crashes", type=click.Path(path_type=Path), default=CRASHES,
              help="Folder for inputs that crash.")  # fmt: skip
@click.option("--corpus", type=click.Path(path_type=Path),
              help="Folder that saves inputs which reach new code; default: none.")  # fmt: skip
def main(
    names: tuple[str, ...], seconds: int, runs: int | None, crashes: Path, corpus: Path | None
) -> None:
    """Fuzz the readers of untrusted files; without a TARGET all of them.

    Exits with 1 if a reader crashed.
    """
    limits = [f"-max_total_time={seconds}"] if runs is None else [f"-runs={runs}", "-seed=1"]
    failed = False
    with TemporaryDirectory() as scratch:
        for name in names or TARGETS:
            folder = (corpus or Path(scratch)).absolute() / name
            outcome = fuzz(TARGETS[name], limits, folder, crashes.absolute())
            click.echo(outcome.line())
            for path in outcome.crashes:
                click.echo(f"    {path}")
            if outcome.failure:
                click.echo(outcome.failure, err=True)
            failed = failed or bool(outcome.crashes) or bool(outcome.failure)
    sys.exit(int(failed))


if __name__ == "__main__":
    main()
