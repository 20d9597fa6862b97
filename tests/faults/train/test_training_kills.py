"""A training run that is killed repeatedly ends like an uninterrupted one.

FKD_KILLS is the number of kills (3), FKD_KILLS_SEED the seed of their times.
"""

from __future__ import annotations

import csv
import os
import random
import shutil
import signal
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from training_process import Fault, Run, run_training

from fkd_train.checkpoints import load_checkpoint
from fkd_train.config.landmarks import LandmarkRecipe

KILLS = int(os.environ.get("FKD_KILLS", "3"))
SEED = int(os.environ.get("FKD_KILLS_SEED", "0"))
TIMES = {"images_per_second", "waiting_percent", "wait_seconds", "step_seconds"}
"""Values that differ between runs."""


@dataclass
class Totals:
    """Counts of kills, and of runs; a `late` kill came after the end of its run."""

    kills: int = 0
    late: int = 0
    resumed: int = 0
    completed: int = 0


@pytest.fixture(scope="module")
def recipe(tiny: LandmarkRecipe) -> LandmarkRecipe:
    """Four epochs that select the best, with dropout and averaged weights."""
    return replace(tiny, split="identity", epochs=4)


def content(out: Path) -> dict[str, object]:
    """The files of a run, except times and the pixels of plots."""
    with (out / "log.csv").open() as file:
        log = [sorted(row.items()) for row in csv.DictReader(file)]
    return {
        "files": sorted(str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()),
        "recipe": (out / "recipe.json").read_text(),
        "data": (out / "data.csv").read_text(),
        "log": [[(key, value) for key, value in row if key not in TIMES] for row in log],
        "last": load_checkpoint(out / "last.pt"),
        "best": load_checkpoint(out / "best.pt"),
    }


def differences(first: object, second: object, where: str = "") -> Iterable[str]:
    """Yields where two values differ, bit by bit."""
    if isinstance(first, dict) and isinstance(second, dict):
        if first.keys() != second.keys():
            yield f"{where}: {first.keys()} and {second.keys()}"
            return
        for key in first.keys() - TIMES:
            yield from differences(first[key], second[key], f"{where}.{key}")
    elif isinstance(first, torch.Tensor) and isinstance(second, torch.Tensor):
        if first.dtype != second.dtype or not torch.equal(first, second):
            yield f"{where}: tensors"
    elif first != second:
        yield f"{where}: {first} and {second}"


def options(rng: random.Random, out: Path) -> tuple[str, ...]:
    """Options that continue the run; workers and saves within epochs must not matter."""
    resume = ("--resume",) if (out / ".lock").exists() else ()
    workers, minutes = rng.choice(["0", "1"]), rng.choice(["0", "10"])
    return (*resume, "--workers", workers, "--save-every", minutes)


@pytest.mark.slow
def test_a_repeatedly_killed_run_loses_nothing(
    recipe: LandmarkRecipe,
    drawn_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    # It warns about semaphores of killed processes, which it removes.
    monkeypatch.setenv("PYTHONWARNINGS", "ignore::UserWarning:multiprocessing.resource_tracker")
    rng, totals = random.Random(SEED), Totals()
    complete = Run(recipe, drawn_data, tmp_path / "uninterrupted", ("--save-every", "0"))
    code, lines = run_training(complete)
    assert code == 0, lines
    accesses, seconds = map(float, complete.statistics.read_text().split())
    expected = content(complete.out)
    while totals.kills < KILLS:
        out = tmp_path / f"run{totals.completed}"
        run = Run(recipe, drawn_data, out, options(rng, out))
        timeout = 120.0
        if rng.random() < 0.5:
            run = replace(run, fault=Fault(rng.randint(1, int(accesses)), "killed"))
        else:
            timeout = rng.uniform(0, seconds)
        how = f"seed {SEED}, {totals}: {run.options}, {run.fault}, {timeout:.3f} s"
        code, lines = run_training(run, timeout)
        assert code in (0, -signal.SIGKILL), f"{how}: {lines}"
        totals.resumed += "--resume" in run.options
        if code == 0:
            assert not list(differences(expected, content(out))), how
            shutil.rmtree(out)
            totals.completed, totals.late = totals.completed + 1, totals.late + 1
        else:
            totals.kills += 1
    out = tmp_path / f"run{totals.completed}"
    code, lines = run_training(Run(recipe, drawn_data, out, options(rng, out)))
    assert code == 0, lines
    assert not list(differences(expected, content(out)))
    totals.completed += 1
    record_property(
        "kills", f"training: {totals}, seed {SEED}, {seconds:.1f} s per run, all results are equal"
    )
