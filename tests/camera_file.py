"""A video that Chromium plays as its camera."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from fkd_infer.geometry.arrays import Pixels

WIDTH, HEIGHT = 640, 480


def write_camera_file(path: Path, photo: Pixels, frames: int = 40) -> None:
    """Writes a .y4m file in which a photo (H, W, 3), BGR, moves to the right and back."""
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F30:1 Ip A1:1 C420jpeg\n".encode())
        for number in range(frames):
            shift = frames / 2 - abs(frames / 2 - number)
            matrix = np.array([[1.1, 0, 20 + 2 * shift], [0, 1.1, shift / 2]])
            frame = cv2.warpAffine(photo, matrix, (WIDTH, HEIGHT))
            file.write(b"FRAME\n" + cv2.cvtColor(frame, cv2.COLOR_BGR2YUV_I420).tobytes())
