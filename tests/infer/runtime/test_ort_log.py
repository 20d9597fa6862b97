"""ONNX Runtime's own lines stay off the terminal, unless they are asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest
from tiny_models import MODELS

CODE = f"""
import logging, sys
import numpy as np
from fkd_infer.errors import InferenceError
if "debug" in sys.argv:
    logging.basicConfig(format="%(name)s: %(message)s")
    logging.getLogger("onnxruntime").setLevel(logging.DEBUG)
from fkd_infer.runtime.session import LandmarkSession
session = LandmarkSession({str(MODELS / "fixed.onnx")!r}, "cpu")
try:
    session.run(np.zeros((1, 3, 5, 1), np.uint8))
except InferenceError as error:
    print(error)
"""


@pytest.mark.parametrize("debug", [False, True])
def test_a_failing_run_is_one_line_of_fkd(debug: bool) -> None:
    command = [sys.executable, "-c", CODE, *(["debug"] if debug else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.count("\n") == 1
    assert "could not be run for a batch of 1" in done.stdout
    assert ("onnxruntime" in done.stderr) == debug
    if not debug:
        assert done.stderr == ""
