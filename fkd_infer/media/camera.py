"""Reads the frames of a camera."""

from __future__ import annotations

import time
from collections.abc import Iterator
from fractions import Fraction

import cv2
import numpy as np

from fkd_infer.errors import CameraError, StoppedError
from fkd_infer.types import Frame


def read_camera(index: int, name: str) -> Iterator[Frame]:
    """Yields the frames of a camera, with times since the first one.

    Raises CameraError if it does not open, and StoppedError once it sends no more frames.
    """
    camera = cv2.VideoCapture(index)
    try:
        if not camera.isOpened():
            raise CameraError(index)
        count = start = 0
        while True:
            success, image = camera.read()
            now = time.monotonic_ns()
            if not success or image is None:
                raise StoppedError(
                    f"camera {index}", "sends no more frames", "is it plugged in and free?"
                )
            start = start if count else now
            yield Frame(
                np.asarray(image, dtype=np.uint8), name, count, Fraction(now - start, 10**9)
            )
            count += 1
    finally:
        camera.release()
