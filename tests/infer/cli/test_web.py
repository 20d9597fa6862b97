"""fkd-infer web: a page that is not there, a network that is none, and the server itself."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest
from built_page import FILES, write_built_page
from click.testing import CliRunner

from fkd_infer.cli.main import main


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_built_page(tmp_path / "page")


def test_a_page_that_is_not_built_is_one_line(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["web", "--page", str(tmp_path / "none")])
    assert done.exit_code == 1
    (line,) = done.output.splitlines()
    assert "the page for browsers is not there; run `make web`" in line


def test_a_network_that_is_none_is_one_line(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"no network")
    arguments = ["web", "--page", str(folder), "--model", str(tmp_path / "broken.onnx")]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 1
    assert len(done.output.splitlines()) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
def test_it_serves_the_page_with_the_network_until_it_is_interrupted(
    folder: Path, fixed_model: Path
) -> None:
    command = [sys.executable, "-m", "fkd_infer.cli.web", "--no-browser", "--port", "0"]
    command += ["--page", str(folder), "--model", str(fixed_model)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        with urlopen(url) as answer:
            assert answer.read() == FILES["index.html"]
        with urlopen(f"{url}models/landmarks.onnx") as answer:
            assert answer.read() == fixed_model.read_bytes()
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
