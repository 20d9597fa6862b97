"""Reliable timing on a noisy machine: contenders run in their own processes and take turns, in
short blocks in random order.

Spinning thread pools in one process slow each other down several times, and the speed of a machine
drifts within seconds. So no two contenders share a process, and none is timed at a stretch.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from tempfile import TemporaryFile
from typing import IO

import numpy as np

from fkd_infer.errors import ContenderError

WARM_UP_CALLS = 5
"""Untimed calls at the start of each block."""


@dataclass(frozen=True)
class Contender:
    """A program that calls `serve`; `environment` replaces that of this process."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] | None = field(default=None)


def time_interleaved(
    contenders: Sequence[Contender],
    blocks: int,
    seconds: float = 0.5,
    until: float | None = None,
) -> dict[str, list[list[float]]]:
    """Returns the seconds of each call, by contender and block.

    Each contender runs `blocks` blocks of `seconds`, one per round; no round but the first starts
    after `until`, a time of time.monotonic. Raises ContenderError, with the last line of its
    standard error, if a contender ends early.
    """
    times: dict[str, list[list[float]]] = {contender.name: [] for contender in contenders}
    with ExitStack() as stack:
        processes = [stack.enter_context(_started(contender)) for contender in contenders]
        for process in processes:
            process.wait_until_ready()
        for number in range(blocks):
            if number and until is not None and time.monotonic() > until:
                break
            # Shuffling, not cryptography.
            for process in random.sample(processes, len(processes)):  # nosec B311
                times[process.name].append(process.time_block(seconds))
    return times


def paired_ratio(
    reference: Sequence[Sequence[float]], blocks: Sequence[Sequence[float]]
) -> tuple[float, tuple[float, float]]:
    """Returns how many times as fast as the reference the blocks are, with a 95 % bootstrap
    interval.

    Compares the medians of blocks in the same round, seconds apart, so that drift of the machine's
    speed cancels out; the ratio is the median over rounds.
    """
    ratios = np.array([np.median(r) / np.median(b) for r, b in zip(reference, blocks, strict=True)])
    rows = np.random.default_rng(0).integers(0, len(ratios), (1000, len(ratios)))
    low, high = np.percentile(np.median(ratios[rows], axis=1), [2.5, 97.5])
    return float(np.median(ratios)), (float(low), float(high))


def serve(call: Callable[[], object]) -> None:
    """Runs in a contender's process: times a block of calls for each line of standard input."""
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(time_calls(call, float(line))), flush=True)


def time_calls(call: Callable[[], object], seconds: float) -> list[float]:
    """Returns the seconds of each call, at least one, in a block of that length after a warm-up."""
    for _ in range(WARM_UP_CALLS):
        call()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while not times or time.perf_counter() < end:
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return times


@contextmanager
def _started(contender: Contender) -> Iterator[_Process]:
    """Starts a contender's process, and kills it at the end."""
    # Standard error goes to a file: a full pipe would block the contender.
    with TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
        process = subprocess.Popen(  # this package, or what is measured  # nosec B603
            list(contender.command),
            env=None if contender.environment is None else dict(contender.environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        try:
            yield _Process(contender.name, process, errors)
        finally:
            process.kill()
            process.communicate()


class _Process:
    """The running process of a contender."""

    def __init__(self, name: str, process: subprocess.Popen[str], errors: IO[str]) -> None:
        self.name = name
        self._process = process
        self._errors = errors

    def wait_until_ready(self) -> None:
        """Waits for the end of imports and compilation."""
        while self._read_line() != "ready":
            pass  # libraries may print first

    def time_block(self, seconds: float) -> list[float]:
        """Returns the seconds of each call in one block."""
        assert self._process.stdin is not None
        try:
            print(seconds, file=self._process.stdin, flush=True)
        except BrokenPipeError:
            raise self._failure() from None
        times: list[float] = json.loads(self._read_line())
        return times

    def _read_line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise self._failure()
        return line.rstrip("\n")

    def _failure(self) -> ContenderError:
        self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().strip().splitlines()
        return ContenderError(self.name, lines[-1] if lines else "it ended without a message")
