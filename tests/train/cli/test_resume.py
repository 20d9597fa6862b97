"""`fkd-train --resume --out RUN` alone continues a run as it was started."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fkd_train.cli.train import main
from fkd_train.data.loader import Batch
from fkd_train.training import trainer as loop

RECIPE = ["--recipe", "naimishnet", "--size", "64", "--epochs", "2", "--set", "batch=4"]


def train(*arguments: str | Path, **environment: str) -> Result:
    texts = [str(argument) for argument in arguments]
    return CliRunner().invoke(
        main, texts, prog_name="fkd-train", catch_exceptions=False, env=environment
    )


@pytest.fixture(scope="module")
def first(drawn_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A run that a signal stopped at its third step, started with relative paths with spaces; and
    its output."""
    folder, original_step, steps = tmp_path_factory.mktemp("cli"), loop.Trainer._step, [0]
    shutil.copytree(drawn_data, folder / "my data")

    def step(trainer: loop.Trainer, batch: Batch) -> float:
        steps[0] += 1
        if steps[0] == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return original_step(trainer, batch)

    options = ["--workers", "0", "--save-every", "3", "--tensorboard"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(loop.Trainer, "_step", step)
        result = train(*RECIPE, "--data", "csv:my data", "--out", "my run", *options)
    assert result.exit_code == 130
    return folder / "my run", result.output


@pytest.fixture
def stopped(first: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the stopped run, `my run` in the current folder."""
    monkeypatch.setattr("fkd_train.reports.plots.plot_run", lambda *_: None)
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(first[0], tmp_path / "my run"))


def test_the_printed_command_continues_the_run(first: tuple[Path, str], stopped: Path) -> None:
    hint = next(line for line in first[1].splitlines() if "continue with: " in line)
    program, *arguments = shlex.split(hint.partition("continue with: ")[2])
    assert (program, arguments) == ("fkd-train", ["--resume", "--out", "my run"])
    resumed = train(*arguments)
    assert resumed.exit_code == 0, resumed.output
    assert len((stopped / "log.csv").read_text().splitlines()) == 3


def test_data_and_options_are_recorded_and_those_of_the_command_line_win(
    first: tuple[Path, str], stopped: Path, drawn_data: Path
) -> None:
    recorded = json.loads((stopped / "options.json").read_text())
    assert recorded == {
        "data": [f"csv:{first[0].with_name('my data')}"],
        "workers": 0,
        "save_every": 180.0,
        "tensorboard": True,
    }
    moved = recorded | {"data": ["csv:/nowhere/data"]}
    (stopped / "options.json").write_text(json.dumps(moved))
    lost = train("--resume", "--out", stopped)
    assert lost.exit_code == 1
    problem = "/nowhere/data: the run's data is no longer there; add --data DIR"
    assert lost.output == f"fkd-train: {problem}\n"
    found = train("--resume", "--out", stopped, "--data", drawn_data, "--save-every", "5")
    assert found.exit_code == 0, found.output
    again = json.loads((stopped / "options.json").read_text())
    assert again == recorded | {"data": [str(drawn_data)], "save_every": 300.0}


def test_the_environments_data_is_not_that_of_the_run(stopped: Path, tmp_path: Path) -> None:
    resumed = train("--resume", "--out", stopped, FKD_DATA=str(tmp_path / "elsewhere"))
    assert resumed.exit_code == 0, resumed.output


def test_another_recipe_is_still_refused_or_forced(stopped: Path) -> None:
    changed = ["--resume", "--out", str(stopped), "--epochs", "1"]
    refused = train(*changed)
    assert refused.exit_code == 1
    assert "was started with another recipe or other data: epochs 2 -> 1" in refused.output
    assert train(*changed, "--force").exit_code == 0


def test_an_older_run_says_what_to_add(stopped: Path, drawn_data: Path) -> None:
    (stopped / "options.json").unlink()
    lost = train("--resume", "--out", stopped)
    assert lost.exit_code == 1
    expected = f"fkd-train: {stopped}: does not record where its data is; add --data DIR\n"
    assert lost.output == expected
    resumed = train("--resume", "--out", stopped, "--workers", "0", FKD_DATA=str(drawn_data))
    assert resumed.exit_code == 0, resumed.output
    assert (stopped / "options.json").exists()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[", "not JSON; remove it, and add --data DIR"),
        ("[]", "options is [], which is not a table"),
        ('{"data": []}', "options: data names a folder"),
        ('{"data": ["d"], "workers": -1}', "are not below 0"),
        ('{"data": ["d"], "workers": true}', "options.workers is True, which does not fit int"),
        ('{"data": ["d"], "colour": 1}', "options.colour is not a field"),
        ('{"data": ["d"], "save_every": NaN}', "options.save_every is nan"),
        ('{"data": ["a\\u0000"]}', "options.data[0] has the control character"),
    ],
)
def test_reads_its_options_strictly(stopped: Path, text: str, problem: str) -> None:
    (stopped / "options.json").write_text(text)
    result = train("--resume", "--out", stopped)
    assert result.exit_code == 1
    assert result.output.startswith(f"fkd-train: {stopped / 'options.json'}: ")
    assert problem in result.output
    assert result.output.count("\n") == 1


def test_a_run_without_a_recipe_says_what_to_add(tmp_path: Path) -> None:
    (tmp_path / ".lock").touch()
    result = train("--resume", "--out", tmp_path)
    assert result.exit_code == 1
    assert "its run was stopped before it began; add --recipe and --data" in result.output
