"""Programs that run on fixed cores, and their time and memory."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from benchmarks.harness.subprocesses import run_pinned
from fkd_infer.errors import ContenderError


def test_limits_the_cores_of_a_program_and_the_threads_of_its_libraries() -> None:
    code = (
        "import os; assert len(os.sched_getaffinity(0)) == 1; "
        "assert os.environ['OMP_NUM_THREADS'] == os.environ['MKL_NUM_THREADS'] == '1'"
    )
    usage = run_pinned("it", [sys.executable, "-c", code], 1)
    assert 0 < usage.cpu_seconds < 60
    assert usage.seconds > 0


def test_a_programs_peak_memory_excludes_that_of_its_parent() -> None:
    parents_memory = np.ones(100 * 2**20, np.uint8)
    small, large = (
        run_pinned("it", [sys.executable, "-c", f"x = b'1' * {size} * 2**20"], 1)
        for size in (1, 64)
    )
    assert small.peak_mib < parents_memory.nbytes / 2**20
    assert large.peak_mib > 64


def test_reports_the_last_line_of_a_program_that_fails() -> None:
    with pytest.raises(ContenderError, match="it could not be timed: no"):
        run_pinned("it", [sys.executable, "-c", "raise SystemExit('no')"], 1)
