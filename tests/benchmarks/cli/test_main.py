"""The commands: documentation, help and errors."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from repo_paths import DOCS

from benchmarks.cli.main import main
from benchmarks.harness.subprocesses import run_pinned


def test_every_option_is_documented() -> None:
    text = (DOCS / "reference" / "benchmarks.md").read_text()
    for name, command in main.commands.items():
        section = text.partition(f"### `{name}`")[2].partition("\n### ")[0]
        assert section, name
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert f"`{parameter.opts[0]}" in section, f"{name} {parameter.opts[0]}"


def test_every_option_has_a_help_text() -> None:
    for name, command in main.commands.items():
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"{name} {parameter.opts[0]}"


def test_help_imports_no_heavy_packages() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from benchmarks.cli.main import main; "
        "done = CliRunner().invoke(main, ['latency', '--help']); assert done.exit_code == 0; "
        "assert not {'torch', 'numpy', 'pandas', 'onnxruntime'} & sys.modules.keys()"
    )
    run_pinned("help", [sys.executable, "-c", code], 1)


@pytest.mark.parametrize("name", ["absent.onnx", "recipe:absent"])
def test_reports_a_missing_network_in_one_line(name: str) -> None:
    done = CliRunner().invoke(main, ["latency", name])
    assert done.exit_code == 1
    assert "absent" in done.output
    assert len(done.output.splitlines()) == 1


def test_rejects_more_threads_than_cores_in_one_line(fixed_model: Path, tmp_path: Path) -> None:
    arguments = ["latency", str(fixed_model), "--threads", "4096", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 1
    assert done.output.splitlines()[-1].startswith(
        "main latency: 4096 threads: this process may use"
    )


def test_reports_a_missing_results_file(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["compare", str(tmp_path / "no"), str(tmp_path / "no")])
    assert done.exit_code == 1
    assert done.output.startswith(f"main compare: {tmp_path / 'no'}: cannot be read: ")
