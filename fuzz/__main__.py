"""`python -m fuzz`: feeds each reader for a while, and says what became of it."""

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
_DISK = Path("/dev/shm")
"""Where inputs are written to be read: in memory, where the system has that."""
_SLOWEST, _MEMORY = 10, 2048
"""Seconds that one input may take, and megabytes that a target may."""
_COVERED = re.compile(rb"cov: (\d+) ft: (\d+)")
_DONE = re.compile(rb"number_of_executed_units: (\d+)")


@dataclass(frozen=True)
class Outcome:
    """What came of feeding one target; `crashes` are files."""

    target: str
    executions: int
    seconds: float
    edges: int
    features: int
    crashes: tuple[Path, ...]
    broken: str

    def line(self) -> str:
        """For people."""
        a_second = self.executions / max(self.seconds, 1e-9)
        return (
            f"{self.target:10} {self.executions:9} executions {a_second:7.0f}/s "
            f"{self.edges:6} edges {self.features:6} features {len(self.crashes):3} crashes"
        )


def fuzz(target: Target, limits: list[str], corpus: Path, crashes: Path) -> Outcome:
    """Feeds one target in a process of its own, from its seeds and what `corpus` already has."""
    seeds = corpus.with_name(f"{corpus.name}-seeds")
    for folder in (corpus, seeds, crashes):
        folder.mkdir(parents=True, exist_ok=True)
    for name, data in target.seeds().items():
        (seeds / name).write_bytes(data)
    tokens = corpus.with_name(f"{corpus.name}.dict")
    tokens.write_text("".join(f'"{_escaped(token)}"\n' for token in target.tokens))
    flags = [
        str(corpus), str(seeds), f"-artifact_prefix={crashes / target.name}-",
        f"-dict={tokens}", f"-max_len={target.longest}", f"-timeout={_SLOWEST}",
        f"-rss_limit_mb={_MEMORY}", "-print_final_stats=1", "-close_fd_mask=3", *limits,
    ]  # fmt: skip
    began, stamp = time.monotonic(), time.time()
    with TemporaryDirectory(dir=_DISK if _DISK.is_dir() else None) as scratch:
        command = [sys.executable, "-m", "fuzz.harness", target.name, scratch, str(crashes), *flags]
        done = subprocess.run(command, cwd=_REPOSITORY, capture_output=True, check=False)
    seconds = time.monotonic() - began
    found = sorted(
        path
        for path in crashes.glob(f"{target.name}-*")
        if path.suffix != ".txt" and path.stat().st_mtime >= stamp - 1
    )
    covered, count = _COVERED.findall(done.stderr), _DONE.search(done.stderr)
    edges, features = map(int, covered[-1]) if covered else (0, 0)
    broken = ""
    if done.returncode and not found:
        broken = done.stderr[-2000:].decode(errors="replace")
    executions = int(count[1]) if count else 0
    return Outcome(target.name, executions, seconds, edges, features, tuple(found), broken)


def _escaped(token: bytes) -> str:
    """A token as libFuzzer's dictionaries have it."""
    return "".join(f"\\x{byte:02x}" for byte in token)


@click.command()
@click.argument("names", metavar="[TARGET]…", nargs=-1, type=click.Choice(list(TARGETS)))
@click.option("--seconds", type=click.IntRange(1), default=60, show_default=True,
              help="Time for each target.")  # fmt: skip
@click.option(
    "--runs", type=click.IntRange(1), help="Inputs for each target instead, always the same."
)
@click.option("--crashes", type=click.Path(path_type=Path), default=CRASHES,
              help="Where crashing inputs go.")  # fmt: skip
@click.option("--corpus", type=click.Path(path_type=Path),
              help="Where inputs that reach new lines are kept; without it nowhere.")  # fmt: skip
def main(
    names: tuple[str, ...], seconds: int, runs: int | None, crashes: Path, corpus: Path | None
) -> None:
    """Feeds bytes to everything that reads files of others; all TARGETs where none is named.

    The exit code is 1 where anything but an error for users came out.
    """
    limits = [f"-max_total_time={seconds}"] if runs is None else [f"-runs={runs}", "-seed=1"]
    failed = False
    with TemporaryDirectory() as scratch:
        for name in names or TARGETS:
            kept = (corpus or Path(scratch)).absolute() / name
            outcome = fuzz(TARGETS[name], limits, kept, crashes.absolute())
            click.echo(outcome.line())
            for path in outcome.crashes:
                click.echo(f"    {path}")
            if outcome.broken:
                click.echo(outcome.broken, err=True)
            failed = failed or bool(outcome.crashes) or bool(outcome.broken)
    sys.exit(int(failed))


if __name__ == "__main__":
    main()
