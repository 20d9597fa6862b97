"""A training that is killed again and again ends as one that never was.

FKD_KILLS says how many times (3), FKD_KILLS_SEED when.
"""

from __future__ import annotations

import csv
import os
import random
import signal
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from training_child import Run, start

from fkd_train.checkpoint import load_checkpoint
from fkd_train.config import Recipe

KILLS = int(os.environ.get("FKD_KILLS", "3"))
SEED = int(os.environ.get("FKD_KILLS_SEED", "0"))
TIMES = {"images_per_second", "waiting_percent", "wait_seconds", "step_seconds"}
"""What no two runs share."""


@dataclass
class Totals:
    """What was done; a `late` kill found its run at the end already."""

    kills: int = 0
    late: int = 0
    resumed: int = 0
    completed: int = 0


@pytest.fixture(scope="module")
def recipe(tiny: Recipe) -> Recipe:
    """Four epochs whose best is chosen, with dropout and an average of the weights."""
    return replace(tiny, split="identity", epochs=4)


def finish(run: Run, after: float | None = None) -> int | None:
    """Runs it to its end, or kills it after so many seconds; its exit code."""
    process = start(run)
    try:
        process.join(240 if after is None else after)
        if after is not None and process.is_alive():
            process.kill()
        process.join(60)
        return process.exitcode
    finally:
        process.kill()


def content(out: Path) -> dict[str, object]:
    """All that a run left, but for times and for pictures' bytes."""
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


def unlike(first: object, second: object, where: str = "") -> Iterable[str]:
    """Where two of them differ, to the bit."""
    if isinstance(first, dict) and isinstance(second, dict):
        if first.keys() != second.keys():
            yield f"{where}: {first.keys()} and {second.keys()}"
            return
        for key in first.keys() - TIMES:
            yield from unlike(first[key], second[key], f"{where}.{key}")
    elif isinstance(first, torch.Tensor) and isinstance(second, torch.Tensor):
        if first.dtype != second.dtype or not torch.equal(first, second):
            yield f"{where}: tensors"
    elif first != second:
        yield f"{where}: {first} and {second}"


@pytest.mark.slow
def test_a_run_that_is_killed_again_and_again_loses_nothing(
    recipe: Recipe, drawn_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It cleans up what killed processes leave, and says so.
    monkeypatch.setenv("PYTHONWARNINGS", "ignore::UserWarning:multiprocessing.resource_tracker")
    rng, totals = random.Random(SEED), Totals()
    whole = Run(recipe, drawn_data, tmp_path / "undisturbed", save_every=0.0)
    assert finish(whole) == 0, whole.said.read_text()[-2000:]
    events, seconds = map(float, whole.done.read_text().split())
    expected = content(whole.out)
    while totals.kills < KILLS:
        out = tmp_path / f"run{totals.completed}"
        run = Run(
            recipe,
            drawn_data,
            out,
            resume=(out / ".lock").exists(),
            workers=rng.choice([0, 1]),
            save_every=rng.choice([0.0, 600.0]),
        )
        if rng.random() < 0.5:
            moment = f"before access {(at := rng.randint(1, int(events)))} of {events:.0f}"
            code = finish(replace(run, dies_at=at))
        else:
            moment = f"after {(after := rng.uniform(0, seconds)):.3f} of {seconds:.1f} s"
            code = finish(run, after)
        how = f"seed {SEED}, kill {totals.kills} {moment}, resume {run.resume}"
        assert code in (0, -signal.SIGKILL), f"{how}: {run.said.read_text()[-2000:]}"
        totals.resumed += run.resume
        if code == 0:
            assert not list(unlike(expected, content(out))), how
            totals.completed, totals.late = totals.completed + 1, totals.late + 1
        else:
            totals.kills += 1
    out = tmp_path / f"run{totals.completed}"
    if out.exists():
        last = Run(recipe, drawn_data, out, resume=(out / ".lock").exists())
        assert finish(last) == 0, last.said.read_text()[-2000:]
        assert not list(unlike(expected, content(out)))
        totals.resumed, totals.completed = totals.resumed + 1, totals.completed + 1
    print(f"\nseed {SEED}: {totals}, a run takes {seconds:.1f} s, all are alike")
