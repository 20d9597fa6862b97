"""ONNX Runtime's own lines stay off the terminal, unless they are asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest
from tiny_models import MODELS

MODEL = str(MODELS / "fixed.onnx")
CODE = f"""
import logging, sys, tempfile
if "debug" in sys.argv:
    logging.basicConfig(format="%(name)s: %(message)s")
    logging.getLogger("onnxruntime").setLevel(logging.DEBUG)
from fkd_infer.runtime.install import import_onnxruntime
from fkd_infer.runtime.settings import SessionSettings
ort = import_onnxruntime()
with tempfile.TemporaryDirectory() as folder:
    options = SessionSettings(1).options(ort)
    options.optimized_model_filepath = folder + "/m.onnx"  # which ONNX Runtime warns of
    ort.InferenceSession({MODEL!r}, options, providers=["CPUExecutionProvider"])
"""


@pytest.mark.parametrize("debug", [False, True])
def test_a_warning_of_onnx_runtime_is_shown_on_request(debug: bool) -> None:
    command = [sys.executable, "-c", CODE, *(["debug"] if debug else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == ""
    if debug:
        assert "Serializing optimized model" in done.stderr
    else:
        assert done.stderr == ""
