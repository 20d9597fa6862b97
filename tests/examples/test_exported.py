"""The examples in OpenVINO, JavaScript and C++ find the pipeline's face with exported files."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest
from example_runs import EXAMPLES, RunExample
from exported_files import end_to_end_file
from repo_paths import NODE_MODULES

import fkd_infer
from fkd_train.graphs.fixed_end_to_end import FixedSize

pytestmark = pytest.mark.slow

CPP_FOLDER = os.environ.get("FKD_ONNXRUNTIME_CPP")
"""A release of ONNX Runtime for C++, with include/ and lib/; the example's test skips without."""


@pytest.fixture(scope="module")
def any_size(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return end_to_end_file(tmp_path_factory.mktemp("any"), "fkdnet")


@pytest.fixture(scope="module")
def nose(samples: Path) -> list[float]:
    """The tip of the portrait's nose."""
    (face,) = fkd_infer.load(tuned=False)(fkd_infer.read_image(samples / "photo.jpg"))
    return [float(value) for value in face.points[30]]


@pytest.fixture
def ppm(samples: Path, tmp_path: Path) -> Path:
    path = tmp_path / "photo.ppm"
    cv2.imwrite(str(path), fkd_infer.read_image(samples / "photo.jpg"))
    return path


def noses(output: str) -> list[list[float]]:
    """The tips that a program printed after each score."""
    return [[float(value) for value in line.split()[1:]] for line in output.splitlines()]


def test_openvino(
    samples: Path, tmp_path: Path, nose: list[float], run_example: RunExample
) -> None:
    pytest.importorskip("openvino", reason="needs the extra bench")
    model = end_to_end_file(tmp_path, "fkdnet", FixedSize(480, 640, 4))
    done = run_example("openvino/faces.py", model, samples / "photo.jpg")
    np.testing.assert_allclose(noses(done.stdout), [nose], atol=0.5)  # its photo is downscaled


def test_javascript(tmp_path: Path, any_size: Path, ppm: Path, nose: list[float]) -> None:
    node = shutil.which("node")
    if node is None or not (NODE_MODULES / "onnxruntime-web").is_dir():
        pytest.skip("needs node, and onnxruntime-web from `npm ci --prefix tests/node`")
    folder = tmp_path / "javascript"
    shutil.copytree(EXAMPLES / "javascript", folder)
    (folder / "node_modules").symlink_to(NODE_MODULES)
    command = [node, "faces.mjs", str(any_size), str(ppm)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    np.testing.assert_allclose(noses(done.stdout), [nose], atol=0.3)


def test_cpp(tmp_path: Path, any_size: Path, ppm: Path, nose: list[float]) -> None:
    if CPP_FOLDER is None or shutil.which("cmake") is None:
        pytest.skip("needs cmake, and FKD_ONNXRUNTIME_CPP: ONNX Runtime's release for C++")
    configure = ["cmake", "-S", str(EXAMPLES / "cpp"), "-B", "build", f"-DONNXRUNTIME={CPP_FOLDER}"]
    for command in (configure, ["cmake", "--build", "build"]):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert not done.returncode, done.stderr
    program = [tmp_path / "build" / "faces", any_size, ppm]
    library = {**os.environ, "LD_LIBRARY_PATH": str(Path(CPP_FOLDER) / "lib")}
    done = subprocess.run(program, env=library, capture_output=True, text=True, check=True)
    np.testing.assert_allclose(noses(done.stdout), [nose], atol=0.3)
    refused = subprocess.run([program[0], any_size, any_size], env=library, capture_output=True)
    assert refused.returncode == 1
    assert b"no binary PPM" in refused.stderr
