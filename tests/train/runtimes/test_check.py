"""Files are compared in every runtime, and a failure of one is a line of the table."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from exported_files import end_to_end_file
from repo_paths import SHIPPED_MODELS
from tiny_models import MODELS

from fkd_infer.errors import InstallError, ModelCardError
from fkd_infer.models.cards.landmark import ModelCard
from fkd_infer.models.description import read_any_card
from fkd_train.choices import RuntimeName
from fkd_train.cli import export
from fkd_train.errors import RunError
from fkd_train.graphs.fixed_end_to_end import FixedSize
from fkd_train.runtimes import check
from fkd_train.runtimes.base import Runtime
from fkd_train.runtimes.check import RuntimeResult, check_runtimes, compare_runtimes
from fkd_train.runtimes.inputs import CheckInputs, check_inputs
from fkd_train.runtimes.opencv import OpenCv
from fkd_train.runtimes.registry import REFERENCE
from fkd_train.runtimes.report import markdown_lines, table_lines, write_runs_in

NAIMISHNET = SHIPPED_MODELS / "naimishnet.onnx"
LIKE_THE_REFERENCE = """
import sys
from pathlib import Path
from fkd_train.runtimes.exchange import Failure, read_inputs, write_results
from fkd_train.runtimes.registry import REFERENCE
from fkd_train.runtimes.worker import run_all
model, folder = map(Path, sys.argv[1:])
inputs = read_inputs(folder)
_, results = run_all(REFERENCE, model, inputs)
{change}
write_results(folder, results)
"""


@dataclass(frozen=True)
class ScriptedRuntime(Runtime):
    """A runtime whose process is a script in Python."""

    script: str
    name: ClassVar[RuntimeName] = "openvino"

    def version(self) -> str:
        return "1.0"

    def command(self, model: Path, folder: Path) -> list[str]:
        return [sys.executable, "-c", self.script, str(model), str(folder)]


class MissingRuntime(Runtime):
    name = "openvino"

    def version(self) -> str:
        raise InstallError.of_extra("openvino", "bench")

    def command(self, model: Path, folder: Path) -> list[str]:
        raise AssertionError("it is not installed")


def changed(change: str) -> ScriptedRuntime:
    """A runtime that changes the reference's results."""
    return ScriptedRuntime(LIKE_THE_REFERENCE.format(change=change))


def test_batches_of_pictures_are_compared_face_by_face(tmp_path: Path) -> None:
    model = end_to_end_file(tmp_path, "naimishnet", FixedSize(240, 448, 2, "dynamic"))
    inputs = check_inputs(model, read_any_card(model))
    assert [len(each) for each in inputs.arrays[:3]] == [1, 2, 3]
    (result,) = compare_runtimes(model, inputs, [REFERENCE])
    assert (result.largest_px, result.problem) == (0.0, None)
    assert "batches of 1, 2, 3" in result.inputs


def result_of(runtime: Runtime, model: Path = MODELS / "scored.onnx") -> RuntimeResult:
    inputs = check_inputs(model, read_any_card(model))
    (result,) = compare_runtimes(model, inputs, [runtime])
    return result


def test_the_largest_differences_are_measured() -> None:
    change = "results[1]['points'][1, 2] += (0.003, 0.004); results[3]['score'] += 5e-5"
    result = result_of(changed(change))
    assert result.problem is None
    assert result.largest_px == pytest.approx(0.005, abs=1e-4)
    assert result.largest_score == pytest.approx(5e-5, abs=1e-6)
    assert result.parity is not None
    assert result.parity.inputs == "13 drawn faces, batches of 1, 2, 3 and 7"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("results[2]['points'] += 1", "differs by more than 0.01 px"),
        ("results[0]['score'] += 0.01", "scores differ by more than 0.0001"),
        ("results[0]['points'][0, 0] = float('nan')", "outputs are not finite"),
        ("results[3]['points'] = results[3]['points'][:5]", "it answers 5 faces, the reference 7"),
        ("results[0]['points'] = results[0]['points'][..., :1]", "'points' has the shape (1,"),
        ("results[0].pop('score')", "on a batch of 1: there is no output 'score'"),
        ("results = [Failure('no such operator')] * 4", "no such operator"),
        ("print('out of luck', file=sys.stderr); sys.exit(3)", "ended with code 3: out of luck"),
    ],
)
def test_other_results_are_a_problem_and_not_in_the_card(change: str, problem: str) -> None:
    result = result_of(changed(change))
    assert result.problem is not None
    assert problem in result.problem
    assert result.parity is None


def test_a_runtime_that_takes_only_some_batches_says_so() -> None:
    result = result_of(changed("results[1:] = [Failure('fixed batch')] * 3"))
    assert result.problem is None
    assert result.inputs == "13 drawn faces, batches of 1 (not of 2, 3 and 7: fixed batch)"


def test_a_runtime_that_fails_on_a_picture_names_it() -> None:
    result = result_of(changed("results[5] = Failure('too small')"), MODELS / "detector.onnx")
    assert result.problem == "on picture 5 (131 × 131): too small"


def test_a_missing_runtime_says_how_to_install_it() -> None:
    result = result_of(MissingRuntime())
    assert result.problem == "openvino is not installed; fix it with: pip install openvino"
    assert (result.version, result.parity) == (None, None)


def test_a_runtime_that_never_ends_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "_MAX_SECONDS", 1)
    monkeypatch.setattr(check, "_expected", lambda *_: [])
    runtime = ScriptedRuntime("import time; time.sleep(60)")
    assert result_of(runtime).problem == "it is not ready after 1 s"


def test_a_file_without_a_face_to_compare_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    model = MODELS / "detector.onnx"
    black = CheckInputs((np.zeros((64, 64, 3), np.uint8),), "1 black picture")
    monkeypatch.setattr(check, "_run", lambda *_: [{"points": np.zeros((0, 5, 2), np.float32)}])
    with pytest.raises(RunError, match="no face was found on 1 black picture; give real ones"):
        compare_runtimes(model, black, [REFERENCE])


def test_a_file_without_a_card_is_refused() -> None:
    with pytest.raises(ModelCardError, match="no fkd model card"):
        check_runtimes(MODELS / "no_card.onnx")


def test_runtimes_are_compared_timed_and_written_into_the_card(tmp_path: Path) -> None:
    results = check_runtimes(NAIMISHNET, runtimes=[REFERENCE, OpenCv()])
    assert [result.problem for result in results] == [None, None]
    assert all(result.median_ms is not None and result.median_ms > 0 for result in results)
    out = tmp_path / "checked.onnx"
    write_runs_in(NAIMISHNET, results, out)
    card, before = read_any_card(out), read_any_card(NAIMISHNET)
    assert isinstance(card, ModelCard)
    assert sorted(card.runs_in) == ["onnxruntime", "opencv"]
    assert card.runs_in["opencv"].largest_px <= 0.01
    assert {**json.loads(card.to_json()), "runs_in": {}} == json.loads(before.to_json())
    graphs = [onnx.load(path).graph.SerializeToString() for path in (out, NAIMISHNET)]
    assert graphs[0] == graphs[1]


def test_tables_have_a_row_for_each_runtime() -> None:
    results = [
        RuntimeResult("onnxruntime", "1.32.0", 0.0, None, "13 faces", 1.234, None),
        RuntimeResult("openvino", None, None, None, "", None, "a | b"),
    ]
    assert table_lines(results) == [
        "runtime      version  largest px  score    ms",
        "onnxruntime   1.32.0           0      –  1.23  runs: 13 faces",
        "openvino           –           –      –     –  a | b",
    ]
    assert markdown_lines(results)[2:] == [
        "| onnxruntime | 1.32.0 | 0 | – | 1.23 | runs: 13 faces |",
        "| openvino | – | – | – | – | a \\| b |",
    ]


def test_the_command_checks_a_file_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        check, "check_runtimes", lambda path, data: check_runtimes(path, data, [REFERENCE])
    )
    before, out = NAIMISHNET.read_bytes(), tmp_path / "new.onnx"
    result = CliRunner().invoke(export.main, [str(NAIMISHNET), "--check-runtimes"])
    assert result.exit_code == 0, result.output
    assert "runs: 13 drawn faces, batches of 1, 2, 3 and 7" in result.output
    assert NAIMISHNET.read_bytes() == before
    arguments = [str(NAIMISHNET), "--check-runtimes", "--out", str(out)]
    assert CliRunner().invoke(export.main, arguments).exit_code == 0
    card = read_any_card(out)
    assert list(card.runs_in) == ["onnxruntime"]
