"""Checks in which runtimes the kept files of an optimisation run."""

from __future__ import annotations

from dataclasses import replace

from fkd_train.data.dataset import DataFolders
from fkd_train.optimize.landmarks import OptimizationResult
from fkd_train.runtimes.check import check_runtimes
from fkd_train.runtimes.report import write_runs_in


def with_runtimes(result: OptimizationResult, data: DataFolders) -> OptimizationResult:
    """Adds what each runtime makes of the kept files, also to their cards."""
    runtimes = {path.name: tuple(check_runtimes(path, data)) for path in result.files}
    for path in result.files:
        write_runs_in(path, runtimes[path.name])
    candidates = tuple(
        replace(each, bytes=(result.folder / each.file).stat().st_size) if each.kept else each
        for each in result.candidates
    )
    return replace(result, candidates=candidates, runtimes=runtimes)
