"""The steps and calls that `overhead` times."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import fkd_infer
from benchmarks.cli.main import main
from benchmarks.harness.results import read_runs
from benchmarks.programs.overhead import BESIDE, HERE, NETWORK_CALLS, SESSION
from benchmarks.programs.overhead_worker import Step, steps, time_steps
from fkd_infer.types import Prediction

BOXES = np.array([[10, 20, 42, 52], [50, 5, 114, 69]], np.float32)


def test_calls_run_the_network_as_often_as_is_deducted(
    fixed_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = fkd_infer.load(fixed_model, detector="none", min_presence=0, refine=True)
    contenders = steps(pipeline, np.zeros((90, 120, 3), np.uint8), BOXES)
    sizes, own_run = [], pipeline.session.run

    def run(batch: np.ndarray) -> Prediction:
        sizes.append(len(batch))
        return own_run(batch)

    monkeypatch.setattr(pipeline.session, "run", run)
    for name, call in contenders.items():
        sizes.clear()
        call()
        assert sizes == [len(BOXES)] * NETWORK_CALLS.get(name, 0), name


def test_each_step_is_timed_as_often_as_the_others() -> None:
    calls: list[str] = []
    contenders: dict[str, Step] = {
        SESSION: lambda: calls.append(SESSION),
        "crop": lambda: calls.append("crop"),
    }
    times = time_steps([contenders, contenders], 0.01)
    assert len(times[SESSION]) == len(times["crop"]) > 0
    assert calls[::2] == [SESSION] * (len(calls) // 2), "before each step"


def test_another_checkout_is_timed_beside_this_one(tmp_path: Path) -> None:
    pytest.importorskip("skimage.data", reason="needs the demo extra's photo")
    out, here = tmp_path / "out.jsonl", Path(fkd_infer.__file__).parents[1]
    arguments = ["--beside", str(here), "--threads", "1", "--blocks", "1", "--seconds", "0.001"]
    done = CliRunner().invoke(main, ["overhead", *arguments, "--out", str(out)])
    assert done.exit_code == 0, done.output
    (run,) = read_runs([out])
    found = {(m.conditions["code"], m.conditions["faces"]) for m in run.measurements}
    assert found == {(code, faces) for code in (HERE, BESIDE) for faces in "14"}
    for measurement in run.measurements:
        assert ("speed-up" in measurement.figures) == (measurement.conditions["code"] == HERE)
        above = "above the session, a face and placement" in measurement.figures
        assert above == (measurement.contender in NETWORK_CALLS)


def test_a_checkout_without_the_package_is_an_error(tmp_path: Path) -> None:
    pytest.importorskip("skimage.data", reason="needs the demo extra's photo")
    (tmp_path / "fkd_infer.py").write_text("raise ImportError('broken')")
    arguments = ["--beside", str(tmp_path), "--threads", "1", "--blocks", "1", "--seconds", "0.001"]
    done = CliRunner().invoke(main, ["overhead", *arguments, "--out", str(tmp_path / "out.jsonl")])
    assert done.exit_code == 1
    assert "beside could not be timed: ImportError: broken" in done.output
