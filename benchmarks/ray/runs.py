"""Runs of fkd-infer, here and on Ray, with the memory of each of their processes."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow.parquet as pq

from fkd_train.errors import RunError

_SAMPLE_S = 0.25
_PARTS = "part-*.parquet"
_LAST_BITS = 1e-5
"""Of scores."""


@dataclass
class MeasuredRun:
    """A run: its seconds, those until the first part of the table, the peak memory in MiB by kind
    of process, and the driver's memory over time."""

    seconds: float = 0.0
    first_part_s: float = 0.0
    peak_mib: dict[str, float] = field(default_factory=dict)
    driver_mib: list[float] = field(default_factory=list)
    stopped: bool = False


def command(
    photos: Path, out: Path, ray: bool, *more: str, with_pictures: bool = True
) -> list[str]:
    """A run that writes a table, and pictures."""
    base = [sys.executable, "-m", "fkd_infer.cli.main", str(photos), "--no-tuned", "--quiet"]
    base += ["--parquet", str(out / "faces")]
    if with_pictures:
        base += ["--out", str(out / "pictures")]
    return [*base, *(["--ray", "local"] if ray else []), *more]


def measure(arguments: Sequence[str], out: Path, stop_after_s: float | None = None) -> MeasuredRun:
    """Runs a command, and stops it with SIGINT after some seconds, if it lasts as long.

    Raises RunError if it fails.
    """
    run, started = MeasuredRun(), time.perf_counter()
    # The command that the caller built.
    with subprocess.Popen(  # nosec B603
        arguments, stderr=subprocess.PIPE, text=True
    ) as process:
        driver = psutil.Process(process.pid)
        while process.poll() is None:
            run.seconds = time.perf_counter() - started
            if not run.first_part_s and any((out / "faces").glob(_PARTS)):
                run.first_part_s = run.seconds
            if stop_after_s is not None and run.seconds > stop_after_s and not run.stopped:
                process.send_signal(signal.SIGINT)
                run.stopped = True
            _sample(driver, run)
            time.sleep(_SAMPLE_S)
        run.seconds = time.perf_counter() - started
        _, stderr = process.communicate()
    if process.returncode not in ((0, 130) if run.stopped else (0,)):
        raise RunError(Path(arguments[-1]), f"fkd-infer failed: {stderr[-300:]}")
    return run


def _sample(driver: psutil.Process, run: MeasuredRun) -> None:
    """Adds up the memory of the processes of each kind."""
    sums: dict[str, float] = {}
    try:
        processes = [driver, *driver.children(recursive=True)]
    except psutil.Error:
        return
    for process in processes:
        try:
            kind = "driver" if process.pid == driver.pid else _kind(process)
            mib = process.memory_info().rss / 2**20
        except psutil.Error:
            continue
        sums[kind] = sums.get(kind, 0.0) + mib
    for kind, mib in sums.items():
        run.peak_mib[kind] = max(run.peak_mib.get(kind, 0.0), mib)
    if "driver" in sums:
        run.driver_mib.append(sums["driver"])


def _kind(process: psutil.Process) -> str:
    """What a process of Ray is."""
    text = " ".join(process.cmdline()[:4])
    for word, kind in (("ray::", "workers"), ("raylet", "raylet"), ("gcs_server", "gcs_server")):
        if word in text:
            return kind
    return "others of Ray"


def rows(out: Path) -> list[dict[str, Any]]:
    """The rows of a table, in the order of sources."""
    table = pq.read_table(out / "faces")
    order = [(name, "ascending") for name in ("source", "frame", "face")]
    found: list[dict[str, Any]] = table.sort_by(order).to_pylist()
    return found


def largest_difference(one: Path, other: Path) -> float:
    """The largest difference of points of two tables, in px; infinite if anything else differs.

    Faces that are placed in another batch may differ in the last bit.
    """
    first, second = rows(one), rows(other)
    largest = 0.0
    if len(first) != len(second):
        return math.inf
    for a, b in zip(first, second, strict=True):
        if a["points"] is not None and b["points"] is not None:
            apart = np.abs(np.subtract(a.pop("points"), b.pop("points")))
            largest = max(largest, float(apart.max()))
        numbers = {name for name in a if isinstance(a[name], float)}
        if {k: a[k] for k in a.keys() - numbers} != {k: b[k] for k in b.keys() - numbers}:
            return math.inf
        if any(abs(a[name] - b[name]) > _LAST_BITS for name in numbers):
            return math.inf
    return largest


def pictures(out: Path) -> dict[str, bytes]:
    """The pictures of a run by name."""
    folder = out / "pictures"
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


def kill(arguments: Sequence[str], after_s: float) -> bool:
    """Runs a command and kills its driver with SIGKILL after some seconds; returns whether it had
    ended before."""
    with subprocess.Popen(  # as above  # nosec B603
        arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            _, stderr = process.communicate(timeout=after_s)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.communicate()
            return False
    if process.returncode:
        raise RunError(Path(arguments[-1]), f"fkd-infer failed: {stderr[-300:]}")
    return True
