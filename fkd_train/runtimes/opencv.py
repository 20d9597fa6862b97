"""OpenCV's module dnn, which comes with the package that fkd needs anyway."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fkd_infer.errors import one_line
from fkd_infer.geometry.arrays import Floats
from fkd_infer.models.check import check_model
from fkd_train.runtimes.base import THREADS, ModelInput, Outputs, PythonRuntime, Run

_PLACE = re.compile(r"OpenCV\([^)]*\) \S+:\d+: error: (\(-?\d+:[^)]*\) )?")
"""The file and line that OpenCV puts before its reasons."""


class OpenCv(PythonRuntime):
    """cv2.dnn on the CPU."""

    name = "opencv"

    def version(self) -> str:
        """OpenCV's own."""
        return cv2.__version__

    def open(self, model: Path) -> Run:
        """Parses the model."""
        cv2.setNumThreads(THREADS)
        net = cv2.dnn.readNetFromONNX(str(model))
        axes = {output.name: len(output.shape) for output in check_model(model).outputs}

        def run(image: ModelInput) -> Outputs:
            net.setInput(image, "image")
            outputs = zip(axes, net.forward(list(axes)), strict=True)
            return {name: _with_axes(output, axes[name]) for name, output in outputs}

        return run

    def reason(self, error: Exception) -> str:
        """The error's text without the places in OpenCV's source."""
        text = getattr(error, "err", None) or one_line(error)
        return " ".join(_PLACE.sub("", text).replace("> ", "").split())


def _with_axes(output: NDArray[Any] | None, axes: int) -> Floats:
    """An output as the file declares it: without elements, it is None, and OpenCV 4 has no arrays
    of one axis."""
    array = np.empty(0, np.float32) if output is None else output.astype(np.float32)
    return array[:, 0] if array.ndim == axes + 1 and array.shape[-1] == 1 else array
