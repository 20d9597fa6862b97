"""Timing that can be trusted on a noisy machine: contenders in processes of their own, which take
turns in short blocks in random order.

Thread pools that spin in one process slow each other several times, and a machine's speed drifts
within seconds; so no two contenders share a process, and none has a minute of its own.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from tempfile import TemporaryFile
from typing import Self

import numpy as np

from fkd_infer.errors import ContenderError

WARM_UP_CALLS = 5
"""Calls at the beginning of a block that do not count."""


@dataclass(frozen=True)
class Contender:
    """A program that calls `serve`: its name, its command line, and its environment if not ours."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] | None = field(default=None)


def time_interleaved(
    contenders: Sequence[Contender],
    blocks: int,
    seconds: float = 0.5,
    until: float | None = None,
) -> dict[str, list[list[float]]]:
    """Seconds of single calls of each contender, a list for each of its blocks.

    Each takes `blocks` turns of `seconds`; after `until`, of time.monotonic, no round begins but
    the first. Raises ContenderError, with the last line that it wrote, where one ends early.
    """
    times: dict[str, list[list[float]]] = {contender.name: [] for contender in contenders}
    with ExitStack() as stack:
        runners = [stack.enter_context(_Runner(contender)) for contender in contenders]
        for runner in runners:
            runner.wait_until_ready()
        for number in range(blocks):
            if number and until is not None and time.monotonic() > until:
                break
            # An order, no secret.
            for runner in random.sample(runners, len(runners)):  # nosec B311
                times[runner.name].append(runner.block(seconds))
    return times


def paired_ratio(
    reference: Sequence[Sequence[float]], blocks: Sequence[Sequence[float]]
) -> tuple[float, tuple[float, float]]:
    """How many times as fast as a reference a contender is, with a 95 % bootstrap interval.

    Medians of blocks of the same round are compared, which lie seconds apart, so that the drift of
    the machine's speed drops out; the answer is the median over rounds.
    """
    ratios = np.array([np.median(r) / np.median(b) for r, b in zip(reference, blocks, strict=True)])
    rows = np.random.default_rng(0).integers(0, len(ratios), (1000, len(ratios)))
    low, high = np.percentile(np.median(ratios[rows], axis=1), [2.5, 97.5])
    return float(np.median(ratios)), (float(low), float(high))


def serve(call: Callable[[], object]) -> None:
    """The contender's side: says that it is ready, and then times a block for each line it gets."""
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(time_calls(call, float(line))), flush=True)


def time_calls(call: Callable[[], object], seconds: float) -> list[float]:
    """Seconds of single calls, after a warm-up, for about so long; at least one."""
    for _ in range(WARM_UP_CALLS):
        call()
    found: list[float] = []
    end = time.perf_counter() + seconds
    while not found or time.perf_counter() < end:
        started = time.perf_counter()
        call()
        found.append(time.perf_counter() - started)
    return found


class _Runner:
    """A contender's process."""

    def __init__(self, contender: Contender) -> None:
        self.name = contender.name
        # A file, since a pipe that nobody reads stops who writes a lot into it.
        self._said = TemporaryFile("w+")  # noqa: SIM115 (closed in __exit__)
        self._process = subprocess.Popen(  # this package, or what is measured  # nosec B603
            list(contender.command),
            env=None if contender.environment is None else dict(contender.environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Ends the process, which has nothing to lose."""
        self._process.kill()
        self._process.communicate()
        self._said.close()

    def wait_until_ready(self) -> None:
        """Until its imports, and what it compiles, are over."""
        while self._line() != "ready":
            pass  # libraries that greet on stdout

    def block(self, seconds: float) -> list[float]:
        """One turn."""
        assert self._process.stdin is not None
        try:
            print(seconds, file=self._process.stdin, flush=True)
        except BrokenPipeError:
            raise self._failure() from None
        found: list[float] = json.loads(self._line())
        return found

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise self._failure()
        return line.rstrip("\n")

    def _failure(self) -> ContenderError:
        self._process.wait()
        self._said.seek(0)
        lines = self._said.read().strip().splitlines()
        return ContenderError(self.name, lines[-1] if lines else "it said nothing")
