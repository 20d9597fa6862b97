"""The example of a filter pack is drawn, and that of a detector is found once it is installed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from example_runs import EXAMPLES, RunExample

import fkd_infer


def test_the_filter_is_drawn_on_the_nose(
    samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_example: RunExample
) -> None:
    run_example("custom_filter/make_pack.py")
    monkeypatch.chdir(tmp_path)
    image = fkd_infer.read_image(samples / "photo.jpg")
    drawn = image.copy()
    (face,) = fkd_infer.load(tuned=False)(image)
    fkd_infer.load_filters(["./red-nose"]).draw(drawn, [face])
    rows, columns = np.nonzero((image != drawn).any(2))
    width = float(np.linalg.norm(face.points[45] - face.points[36]))
    middle = [(columns.min() + columns.max()) / 2, (rows.min() + rows.max()) / 2]
    np.testing.assert_allclose(middle, face.points[30], atol=0.1 * width)
    blue, green, red = drawn[tuple(np.rint(face.points[30, ::-1]).astype(int))].tolist()
    assert red > 2 * max(blue, green)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the installed package, and nothing else."""
    pytest.importorskip("hatchling", reason="needs the dev packages")
    folder = tmp_path_factory.mktemp("site")
    # The offline install of one pure package: its build backend is here, its needs are too.
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    install += ["--no-deps", "--no-index", "--no-build-isolation", "--target", str(folder)]
    done = subprocess.run(
        [*install, EXAMPLES / "custom_detector"], capture_output=True, text=True, check=False
    )
    assert not done.returncode, done.stderr
    return folder


def test_the_installed_detector_is_found_by_name(site: Path, samples: Path) -> None:
    if not hasattr(cv2, "CascadeClassifier"):
        pytest.skip("this OpenCV has no cascades")
    code = """
import fkd_infer
for name in ("alt2", "fkd"):
    faces = fkd_infer.load(detector=name, tuned=False)(fkd_infer.read_image("photo.jpg"))
    print(*(round(float(value), 2) for face in faces for value in face.points[30]))
"""
    path = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=samples,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.returncode, done.stderr
    alt2, fkd = ([float(value) for value in line.split()] for line in done.stdout.splitlines())
    np.testing.assert_allclose(alt2, fkd, atol=1)
