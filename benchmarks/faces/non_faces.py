"""Pictures without a face, on which whatever is found is false; none of them is trained on."""

from __future__ import annotations

import string
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from fkd_infer.geometry.arrays import Pixels
from fkd_train.data.augmentation.non_faces import texture
from fkd_train.data.pictures import pictures_without_faces

_SIZE = (480, 640, 3)
_SEED = 1 << 32
"""Larger than the seeds of training."""
_HERSHEY = tuple(range(8))
"""OpenCV's fonts; training draws with others."""
_TYPEWRITTEN = ("cmr10", "cmss10", "cmtt10", "cmb10")
"""Computer Modern, as matplotlib has it; training draws with its other fonts."""
_SKIMAGE = ("chelsea", "coffee", "hubble_deep_field", "retina", "rocket")


def _pictures() -> Iterator[Pixels]:
    yield from pictures_without_faces(_SKIMAGE)


def _writings() -> Iterator[Pixels]:
    """Digits and text in fonts that training does not use, in all sizes, some of them blurred."""
    for number in range(200):
        rng = np.random.default_rng([_SEED, number])
        canvas = np.empty(_SIZE, np.uint8)
        canvas[:] = rng.integers(0, 256, 3)
        for _ in range(int(rng.integers(2, 9))):
            digits = rng.random() < 0.5
            letters = list(string.digits if digits else string.ascii_letters)
            text = "".join(rng.choice(letters, int(rng.integers(1, 9))))
            height = float(np.exp(rng.uniform(np.log(12), np.log(260))))
            ink = rng.integers(0, 256, 3).tolist()
            place = rng.integers((-20, 20), (_SIZE[1] - 60, _SIZE[0])).tolist()
            if rng.random() < 0.5:
                font, thickness = int(rng.choice(_HERSHEY)), max(1, round(height / 10))
                cv2.putText(canvas, text, place, font, height / 22, ink, thickness, cv2.LINE_AA)
            else:
                _type(canvas, text, (place[0], place[1] - round(height)), height, ink, rng)
        if rng.random() < 0.3:
            canvas = np.asarray(cv2.GaussianBlur(canvas, (0, 0), rng.uniform(0.5, 4)), np.uint8)
        yield canvas


def _type(
    canvas: Pixels,
    text: str,
    place: tuple[int, int],
    height: float,
    ink: list[int],
    rng: np.random.Generator,
) -> None:
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    font = ImageFont.truetype(folder / f"{rng.choice(_TYPEWRITTEN)}.ttf", max(8, round(height)))
    picture = Image.fromarray(canvas)
    ImageDraw.Draw(picture).text(place, text, tuple(ink), font)
    canvas[:] = np.asarray(picture)


def _textures() -> Iterator[Pixels]:
    for number in range(200):
        rng = np.random.default_rng([_SEED, 1, number])
        drawn = texture((640, 640, 3), rng)
        yield np.asarray(cv2.GaussianBlur(drawn, (0, 0), rng.uniform(0.5, 12)), np.uint8)


NON_FACES: dict[str, Callable[[], Iterator[Pixels]]] = {
    "photos of scikit-image": _pictures,
    "digits and text": _writings,
    "blurred textures": _textures,
}
"""Pictures by kind."""
