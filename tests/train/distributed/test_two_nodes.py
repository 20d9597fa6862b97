"""Two processes on the loopback interface train as one: the same metrics, and the same end."""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from shutil import copytree

import pytest
from training_logs import assert_same_weights, read_log
from training_process import Run, run_training
from two_nodes import Ended, run_nodes, start_nodes

from fkd_train.checkpoints import load_checkpoint
from fkd_train.config.landmarks import (
    LandmarkRecipe,
    landmark_recipe_from_dict,
    load_landmark_recipe,
)
from fkd_train.config.sections import DataConfig

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="starts processes by a fork server"),
]
REAL_DATA = "FKD_TWO_NODES_DATA"
LOST = "--resume on every machine continues from the last checkpoint"


@pytest.fixture(scope="module")
def recipe() -> LandmarkRecipe:
    """Eight epochs of four steps, the last one with two images, with batch normalisation."""
    return landmark_recipe_from_dict(
        {
            "name": "two-nodes",
            "summary": "for tests",
            "split": "official",
            "epochs": 8,
            "batch": 6,
            "sync_batch_norm": True,
            "model": {
                "name": "fkdnet",
                "size": 64,
                "head": "grid",
                "trunk": {"stem": 4, "widths": [8, 8], "depths": [1, 1]},
            },
            "crop": {"scale": 1.25},
            "loss": {"name": "wing"},
            "optimizer": {"name": "adamw", "lr": 4e-3, "schedule": "one_cycle", "ema": 0.5},
            "augment": {"flip": 0.5, "shift": 0.05, "light": 0.5},
        }
    )


@pytest.fixture(scope="module")
def one(recipe: LandmarkRecipe, drawn_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a complete run in one process."""
    out = tmp_path_factory.mktemp("one") / "run"
    code, lines = run_training(Run(recipe, drawn_data, out, ("--workers", "0")))
    assert code == 0, lines
    return out


@pytest.fixture(scope="module")
def two(
    recipe: LandmarkRecipe, drawn_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[Ended]]:
    """The first folder of a complete run of two nodes, and how both ended."""
    out = tmp_path_factory.mktemp("two") / "run"
    ends = run_nodes(Run(recipe, drawn_data, out, ("--workers", "0")))
    return out.with_name("run-0"), ends


def metrics(out: Path) -> list[list[float]]:
    return [[float(row[key]) for key in ("train_loss", "lr", "nme")] for row in read_log(out)]


def test_two_nodes_that_share_no_disk_train_as_one_process(
    one: Path, two: tuple[Path, list[Ended]]
) -> None:
    """Up to rounding, since sums have another order; it grows with the epochs, on some CPUs faster.

    Only the first node writes and prints.
    """
    out, ((code, lines), second) = two
    assert (code, lines[-1]) == (0, f"run folder: {out}")
    assert second == (0, [])
    assert not out.with_name("run-1").exists()
    expected = metrics(one)
    assert metrics(out)[:4] == [pytest.approx(row, rel=2e-4) for row in expected[:4]]
    assert metrics(out) == [pytest.approx(row, rel=5e-3) for row in expected]


def test_a_killed_node_ends_the_other_in_one_line_and_both_resume(
    recipe: LandmarkRecipe, drawn_data: Path, two: tuple[Path, list[Ended]], tmp_path: Path
) -> None:
    """And then end as if they had not been disturbed, bit for bit."""
    run = Run(recipe, drawn_data, tmp_path / "run", ("--workers", "0"))
    first, second = start_nodes(run)
    first.wait_for_file(tmp_path / "run-0/last.pt")
    os.kill(second.pid, signal.SIGKILL)
    code, lines = first.wait(60)
    assert code == 1
    ended = "stopped because another process of this run ended, or cannot be reached; see its own"
    assert lines == [f"fkd-train: {tmp_path / 'run-0'}: {ended} output; {LOST}"]
    assert second.wait(60)[0] == -signal.SIGKILL
    trained = load_checkpoint(tmp_path / "run-0/last.pt")["progress"]["epoch"]
    assert 1 <= trained < recipe.epochs
    ends = run_nodes(replace(run, options=("--workers", "0", "--resume")))
    assert [code for code, _ in ends] == [0, 0], ends
    assert_same_weights(tmp_path / "run-0", two[0])
    assert metrics(tmp_path / "run-0") == metrics(two[0])


def test_a_node_that_falls_silent_ends_the_other_after_the_timeout(
    recipe: LandmarkRecipe, drawn_data: Path, tmp_path: Path
) -> None:
    options = ("--workers", "0", "--peer-timeout", "0.05", "--epochs", "4000")
    first, second = start_nodes(Run(recipe, drawn_data, tmp_path / "run", options))
    first.wait_for_file(tmp_path / "run-0/last.pt")
    os.kill(second.pid, signal.SIGSTOP)
    stopped = time.monotonic()
    code, lines = first.wait(60)
    second.wait(0)
    assert code == 1
    silent = "stopped because another process of this run did not answer for 3 s"
    options_line = "and --peer-timeout sets how long they wait for each other"
    assert lines == [f"fkd-train: {tmp_path / 'run-0'}: {silent}; {LOST}, {options_line}"]
    assert time.monotonic() - stopped > 2


def test_a_signal_to_one_node_stops_both_after_saving(
    recipe: LandmarkRecipe, drawn_data: Path, tmp_path: Path
) -> None:
    options = ("--workers", "0", "--epochs", "4000")
    first, second = start_nodes(Run(recipe, drawn_data, tmp_path / "run", options))
    first.wait_for_file(tmp_path / "run-0/last.pt")
    os.kill(second.pid, signal.SIGTERM)
    assert first.wait(60) == (
        130,
        ["stopped and saved; continue with: --resume on every machine"],
    )
    assert second.wait(60) == (130, [])


def test_other_data_on_one_node_ends_both_in_the_same_line(
    recipe: LandmarkRecipe, drawn_data: Path, tmp_path: Path
) -> None:
    other = copytree(drawn_data, tmp_path / "other")
    (other / "training/Person_3_01.jpg").write_bytes(
        (other / "training/Person_3_00.jpg").read_bytes()
    )
    ends = run_nodes(
        Run(recipe, drawn_data, tmp_path / "run"),
        lambda rank, run: replace(run, data=other) if rank else run,
    )
    host = os.uname().nodename
    for rank, (code, lines) in enumerate(ends):
        assert code == 1
        assert lines == [
            f"fkd-train: {tmp_path / 'run'}-{rank}: process 1 on {host} reads other data than "
            f"process 0 on {host}: 1 row for training (training/Person_3_01.jpg) with another "
            "image; give every machine the same files as --data"
        ]
    assert not (tmp_path / "run-0").exists()


def test_processes_of_a_machine_read_the_data_once(
    recipe: LandmarkRecipe, drawn_data: Path, tmp_path: Path
) -> None:
    """The second one is given a folder that does not exist."""
    ends = run_nodes(
        Run(replace(recipe, epochs=1), drawn_data, tmp_path / "run", ("--workers", "1")),
        lambda rank, run: replace(run, data=tmp_path / "none") if rank else run,
        local=True,
    )
    assert [code for code, _ in ends] == [0, 0], ends


def test_a_failure_of_one_node_is_told_by_the_other(
    recipe: LandmarkRecipe, drawn_data: Path, tmp_path: Path
) -> None:
    (code, lines), (second_code, second_lines) = run_nodes(
        Run(recipe, drawn_data, tmp_path / "run"),
        lambda rank, run: replace(run, data=tmp_path / "none") if rank else run,
    )
    assert (code, second_code) == (1, 1)
    (line,), (cause,) = lines, second_lines
    host = os.uname().nodename
    assert cause.startswith(
        f"fkd-train: {tmp_path / 'none'}/training_frames_keypoints.csv: no such"
    )
    assert line == (
        f"fkd-train: {tmp_path / 'run-0'}: stopped because process 1 on {host} failed: "
        f"{cause.removeprefix('fkd-train: ')}"
    )


def test_a_batch_that_is_too_small_is_refused(
    recipe: LandmarkRecipe, drawn_data: Path, tmp_path: Path
) -> None:
    for code, lines in run_nodes(Run(replace(recipe, batch=1), drawn_data, tmp_path / "run")):
        assert code == 1
        assert lines[0].endswith(
            ": batch is 1, which cannot be divided among 2 processes; start fewer, or use a larger "
            "--set batch=…"
        )


@pytest.mark.slow
@pytest.mark.skipif(REAL_DATA not in os.environ, reason=f"{REAL_DATA} names no data set")
def test_real_faces(tmp_path: Path) -> None:
    """Prints the metrics of one process and of two nodes, which differ more where each normalises
    by its own share of a batch."""
    base, rows = load_landmark_recipe("fkdnet"), (DataConfig("faces", weight=0.25),)
    recipe = replace(base, precision="fp32", epochs=3, data=rows, convention=None)
    data, options = Path(os.environ[REAL_DATA]), ("--workers", "0", "--size", "64")
    code, lines = run_training(Run(recipe, data, tmp_path / "one", options), timeout=3000)
    assert code == 0, lines
    for synchronised, limit in ((True, 1e-2), (False, 0.3)):
        out = tmp_path / f"sync-{synchronised}"
        same = replace(recipe, sync_batch_norm=synchronised)
        (code, lines), _ = run_nodes(Run(same, data, out, options), timeout=3000)
        assert code == 0, lines
        pairs = zip(metrics(tmp_path / "one"), metrics(out.with_name(f"{out.name}-0")), strict=True)
        for (loss, _, nme), (own_loss, _, own_nme) in pairs:
            print(f"{out.name}: loss {own_loss} not {loss}, NME {own_nme} not {nme} %", flush=True)
        assert own_nme == pytest.approx(nme, rel=limit)
