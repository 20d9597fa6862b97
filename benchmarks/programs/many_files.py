"""Runs fkd-infer over a folder of very many small photos: time to the first result, and memory.

    python -m benchmarks.programs.many_files --count 200000

The photos are hard links to one tiny picture without a face, so that listing, checks and records
dominate. The first result is the first picture in --out. Memory is the resident size of the
process, read at the first result and at intervals of the run.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import cv2
import numpy as np

_POLL_S = 0.05


@click.command()
@click.option("--count", type=click.IntRange(1), default=200_000, show_default=True)
@click.option("--seconds", type=click.FloatRange(1), help="Stop the run after this time.")
def main(count: int, seconds: float | None) -> None:
    """Times a run over a folder of this many small photos."""
    with tempfile.TemporaryDirectory() as temporary:
        folder, out = Path(temporary, "in"), Path(temporary, "out")
        _link_photos(folder, count)
        command = [sys.executable, "-m", "fkd_infer.cli.main", str(folder), "--out", str(out)]
        command += ["--json", str(Path(temporary, "faces.jsonl")), "--quiet", "--detector", "none"]
        started = time.monotonic()
        with subprocess.Popen(command) as process:  # our own program  # nosec B603
            first, memory = _watch(process, out, started, seconds)
        after = time.monotonic() - started
        written = len(list(out.iterdir()))
    rates = ", ".join(f"{size / 1e6:.0f}" for size in memory)
    click.echo(f"{count} photos: first result after {first:.1f} s, {written} in {after:.0f} s")
    click.echo(f"resident memory in MB, at the first result and at even intervals: {rates}")


def _link_photos(folder: Path, count: int) -> None:
    """Makes a folder of hard links to one picture; a file has 65,000 of them at most."""
    folder.mkdir()
    picture = cv2.imencode(".jpg", np.full((48, 64, 3), 128, np.uint8))[1].tobytes()
    for number in range(count):
        path = folder / f"{number:07d}.jpg"
        if number % 60_000 == 0:
            original = path
            path.write_bytes(picture)
        else:
            os.link(original, path)


def _watch(
    process: subprocess.Popen[bytes], out: Path, started: float, seconds: float | None
) -> tuple[float, list[int]]:
    """Seconds until the first picture, and resident bytes, at most 20 of them."""
    first, every = 0.0, 1.0
    memory: list[int] = []
    while process.poll() is None:
        now = time.monotonic() - started
        if not first and out.is_dir() and any(p.suffix == ".jpg" for p in out.iterdir()):
            first = now
        if first and now >= first + every * len(memory):
            memory.append(_resident(process.pid))
            if len(memory) == 20:
                memory, every = memory[::2], every * 2
        if seconds is not None and now > seconds:
            process.terminate()
            process.wait()
        time.sleep(_POLL_S if first else _POLL_S / 5)
    return first, memory


def _resident(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text("ascii")
    except OSError:
        return 0
    line = next((line for line in status.splitlines() if line.startswith("VmRSS")), "0 0 0")
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main()
