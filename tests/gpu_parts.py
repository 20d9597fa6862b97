"""Parts of a check that end in every way; processes of tests import them."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator

from benchmarks.gpu.plan import MACHINE, CheckPlan, Result, failed, left_out, measured
from benchmarks.harness.results import Figure


def answer(plan: CheckPlan) -> Iterator[Result]:
    """Results of every kind, between lines of a library."""
    print("a library prints this")
    yield measured("drawn", MACHINE, plan.provider, {"time": Figure(1.5, "ms")}, {"runs on": "cpu"})
    yield left_out(MACHINE, "absent", "it is not installed")
    yield failed(MACHINE, "wrong", "it answers something else")


def fail(plan: CheckPlan) -> Iterator[Result]:
    """One result, then an error."""
    yield from list(answer(plan))[:1]
    raise RuntimeError("the device\nis lost")


def crash(plan: CheckPlan) -> Iterator[Result]:
    """One result, then the end of a process that a driver killed."""
    yield from list(answer(plan))[:1]
    sys.stderr.write("a driver says this\n")
    sys.stderr.flush()
    os.kill(os.getpid(), signal.SIGKILL)


def hang(plan: CheckPlan) -> Iterator[Result]:
    """One result, then nothing."""
    yield from list(answer(plan))[:1]
    time.sleep(600)
