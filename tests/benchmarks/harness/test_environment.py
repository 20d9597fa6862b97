"""Cores and environments of measured processes."""

from __future__ import annotations

import os

import pytest
from repo_paths import ROOT

from benchmarks.harness.environment import child_environment, choose_cores
from fkd_train.errors import RunError


def test_rejects_more_threads_than_cores() -> None:
    with pytest.raises(RunError, match="this process may use"):
        choose_cores(len(os.sched_getaffinity(0)) + 1)


def test_a_child_process_can_import_the_benchmarks_from_any_folder() -> None:
    assert child_environment(1)["PYTHONPATH"].split(os.pathsep)[0] == str(ROOT)
