"""The example of docs/how-to/own-network.md: from a network of one's own to points on pictures."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from repo_paths import DOCS

from fkd_infer.runtime.session import LandmarkSession

PAGE = DOCS / "how-to" / "own-network.md"


def block(language: str) -> str:
    """The example's block in a language."""
    section = PAGE.read_text().partition("## Train it here")[2].partition("\n## ")[0]
    (text,) = re.findall(rf"```{language}\n(.*?)```", section, flags=re.DOTALL)
    return str(text)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which all commands of the example have run, with its two files."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "mynet.py").write_text(block("python"))
    (folder / "mine.toml").write_text(block("toml"))
    programs = str(Path(sys.executable).parent)
    environment = os.environ | {"PATH": programs + os.pathsep + os.environ["PATH"]}
    ran = subprocess.run(
        ["sh", "-e", "-c", block("sh")],
        cwd=folder,
        env=environment | {"OMP_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    (folder / "output.txt").write_text(ran.stdout)
    return folder


def test_the_example_has_few_lines() -> None:
    assert sum(bool(line) for line in block("python").splitlines()) <= 40


@pytest.mark.slow
def test_the_network_learns_and_is_exported(done: Path) -> None:
    card = LandmarkSession(done / "mine.onnx", "cpu").card
    assert (card.architecture, card.scheme, card.input.channels) == ("mynet:network", "five", 3)
    assert card.accuracy["identity split"].nme < 8
    assert "identity split, " in (done / "output.txt").read_text()


@pytest.mark.slow
def test_the_runtime_places_points_near_the_drawn_ones(done: Path) -> None:
    (face,) = json.loads((done / "faces.jsonl").read_text())["faces"]
    rows = (done / "drawn" / "training_frames_keypoints.csv").read_text().splitlines()
    row = next(line for line in rows if line.startswith("person0_0.png"))
    true = np.array(row.split(",")[1:], float).reshape(5, 2)
    eyes = np.linalg.norm(true[0] - true[1])
    assert np.linalg.norm(np.array(face["points"]) - true, axis=1).mean() < 0.3 * eyes
    assert (done / "annotated" / "person0_0.png").is_file()


def test_every_option_of_the_page_exists() -> None:
    from fkd_train.cli.export import main

    known = {option for parameter in main.params for option in parameter.opts}
    text = PAGE.read_text().replace("\\\n", " ")
    commands = re.findall(r"^fkd-export (.*)", text, flags=re.MULTILINE)
    used = {
        word
        for command in commands
        for word in shlex.split(command, comments=True)
        if word.startswith("--") and ":" not in word
    }
    assert used
    assert used <= known
