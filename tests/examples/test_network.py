"""The example of a network in plain PyTorch: trained briefly, exported, and run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from drawn_dataset import write_part
from example_runs import EXAMPLES

import fkd_infer
from fkd_train.data.synthetic import draw_face

TRAIN = "import network; network.VIEWS, network.EPOCHS = 6, 10; network.main('data', 'network.pt')"
EXPORT = "from fkd_train.cli.export import main; main()"


@pytest.mark.slow
def test_the_network_is_trained_exported_and_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for part, people in (("training", 40), ("test", 4)):
        write_part(tmp_path / "data", part, people, 3, seed=people)
    path = os.pathsep.join([str(EXAMPLES / "custom_network"), *sys.path])
    options = ["--weights", "network.pt", "--scheme", "ibug68", "--input", "64x64x1"]
    for words in (
        [TRAIN],
        [EXPORT, "network:Points", *options, "--data", "data", "--out", "mine.onnx"],
    ):
        done = subprocess.run(
            [sys.executable, "-c", *words],
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert not done.returncode, done.stderr[-2000:]
    pipeline = fkd_infer.load("mine.onnx", detector="none", tuned=False)
    rng, errors = np.random.default_rng(7), []
    for _ in range(8):
        image, points = draw_face(120, rng)
        box = np.concatenate([points.min(0), points.max(0)])[None]
        found = pipeline.landmarks(np.repeat(image[..., None], 3, axis=2), box)[0]
        eyes = np.linalg.norm(points[45] - points[36])
        errors.append(np.linalg.norm(found - points, axis=1).mean() / eyes)
    assert np.median(errors) < 0.1
