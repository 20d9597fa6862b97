"""A folder of tables and arrays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fkd_infer.geometry.arrays import Pixels, bgr_image


class FixtureFolder:
    """A folder of tables and arrays."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder

    def table(self, name: str, value: object) -> None:
        """Writes a table in JSON."""
        (self._folder / f"{name}.json").write_text(json.dumps(value, default=_plain))

    def array(self, name: str, values: NDArray[Any]) -> str:
        """Writes the numbers of an array, and returns its file's name."""
        (self._folder / f"{name}.bin").write_bytes(np.ascontiguousarray(values).tobytes())
        return f"{name}.bin"

    def picture(self, name: str, image: Pixels) -> dict[str, object]:
        """Writes a gray, BGR or BGRA picture as RGBA, and returns how a table names it."""
        rgba = cv2.cvtColor(image, cv2.COLOR_BGRA2RGBA) if image.shape[2:] == (4,) else None
        if rgba is None:
            rgba = cv2.cvtColor(bgr_image(image), cv2.COLOR_BGR2RGBA)
        height, width = image.shape[:2]
        return {"width": width, "height": height, "file": self.array(name, rgba)}


def _plain(value: object) -> object:
    """NumPy's arrays and numbers as JSON has them."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is not written")
