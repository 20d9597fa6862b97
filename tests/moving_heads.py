"""A video of two heads that come and go, with a cut, B-frames and sound."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from synthetic_videos import Clip, constant_rate, make_video

RATE = Fraction(15)
COUNT = 240
_CUT = 130
_PLACES = {1: ((110, 110), 0.7), 2: ((250, 100), 0.55)}


def _is_shown(number: int, index: int) -> bool:
    """The first head is away once; the second comes three times."""
    return not 150 <= index < 172 if number == 1 else index % 100 < 60


def make_heads_video(path: Path) -> Path:
    """Writes the video: 16 s of 360 × 200 pixels, with a key frame every 2 s."""
    data = pytest.importorskip("skimage.data", reason="needs the demo extra's photo")
    head = np.ascontiguousarray(data.astronaut()[20:240, 130:330, ::-1])

    def picture(index: int) -> NDArray[np.uint8]:
        rng = np.random.default_rng(index < _CUT)
        cells = rng.integers(40, 200, (5, 9, 3), np.uint8)
        image = np.asarray(cv2.resize(cells, (360, 200), interpolation=cv2.INTER_CUBIC))
        for number, ((x, y), scale) in _PLACES.items():
            if not _is_shown(number, index):
                continue
            turn = index / 15 * (0.5 + 0.2 * number)
            matrix = cv2.getRotationMatrix2D((100, 110), 8 * math.sin(2 * turn), scale)
            moved = x - 100 + 20 * math.sin(turn), y - 110 + 8 * math.cos(turn)
            matrix[:, 2] += np.array(moved)
            transparent = cv2.BORDER_TRANSPARENT
            cv2.warpAffine(head, matrix, (360, 200), dst=image, borderMode=transparent)
        noise = np.random.default_rng(index).normal(0, 3, image.shape)
        return np.clip(image + noise, 0, 255).astype(np.uint8)

    times = constant_rate(COUNT, RATE)
    return make_video(path, Clip(times, picture, Fraction(1, 15_360), RATE, key_frames=30))
