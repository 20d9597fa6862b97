"""What fkd-infer says on a machine without a GPU where ONNX Runtime is built with CUDA."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest

from fkd_infer.runtime.install import import_onnxruntime
from fkd_train.data.synthetic import draw_face

pytestmark = [
    pytest.mark.skipif(
        "CUDAExecutionProvider" not in import_onnxruntime().get_available_providers(),
        reason="needs onnxruntime-gpu, as make gpu-wheel-test installs it",
    ),
    pytest.mark.skipif(
        shutil.which("nvidia-smi") is not None or find_spec("nvidia") is not None,
        reason="needs a machine without a GPU and without CUDA's libraries",
    ),
]

MISSING = re.compile(r"libcu\w+\.so\.\d+: cannot open shared object file")
"""What the loader says of a library of CUDA."""


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    face, _ = draw_face(200, np.random.default_rng(0))
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), np.pad(face, 60, constant_values=90))
    return path


def fkd_infer(*arguments: object) -> subprocess.CompletedProcess[str]:
    code = "import sys; from fkd_infer.cli.main import main; sys.argv[0] = 'fkd-infer'; main()"
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_cuda_ends_with_one_line_that_names_what_is_missing(photo: Path, tmp_path: Path) -> None:
    done = fkd_infer(photo, "--out", tmp_path / "out", "--provider", "cuda")
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("fkd-infer: provider 'cuda' cannot be used")
    assert MISSING.search(line)
    assert not (tmp_path / "out" / "photo.png").exists()


def test_auto_says_so_and_goes_on_with_the_cpu(photo: Path, tmp_path: Path) -> None:
    done = fkd_infer(photo, "--out", tmp_path / "out", "--provider", "auto")
    assert done.returncode == 0
    line, summary, *_ = done.stderr.splitlines()
    assert MISSING.search(line)
    assert "the CPU" in line
    assert summary.startswith("1 frame, 1 face")
    assert (tmp_path / "out" / "photo.png").exists()


def test_the_cpu_of_this_package_needs_no_cuda(photo: Path, tmp_path: Path) -> None:
    done = fkd_infer(photo, "--out", tmp_path / "out", "--provider", "cpu")
    assert done.returncode == 0
    assert "CUDA" not in done.stderr
    assert (tmp_path / "out" / "photo.png").exists()


def test_the_doctor_says_what_is_missing_and_how_to_fix_it() -> None:
    done = fkd_infer("doctor")
    assert done.returncode == 1
    assert re.search(
        r"onnx runtime +onnxruntime-gpu [\d.]+, with .*CUDAExecutionProvider", done.stdout
    )
    problem = done.stdout.partition("problem  cuda")[2].partition("cpu  ")[0]
    assert MISSING.search(problem)
    assert "fix it with: pip uninstall -y onnxruntime-gpu && pip install " in problem
    assert done.stdout.endswith("1 problem\n")
