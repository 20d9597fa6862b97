"""OpenCV's module dnn, which comes with the package that fkd needs anyway."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np

from fkd_infer.errors import one_line
from fkd_infer.geometry.arrays import Pixels
from fkd_train.runtimes.base import THREADS, Outputs, PythonRuntime, Run

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
        names = net.getUnconnectedOutLayersNames()

        def run(image: Pixels) -> Outputs:
            net.setInput(image, "image")
            outputs = net.forward(names)
            # An output without elements is None.
            arrays = [np.empty(0) if output is None else output for output in outputs]
            return dict(zip(names, (each.astype(np.float32) for each in arrays), strict=True))

        return run

    def reason(self, error: Exception) -> str:
        """The error's text without the places in OpenCV's source."""
        text = getattr(error, "err", None) or one_line(error)
        return " ".join(_PLACE.sub("", text).replace("> ", "").split())
