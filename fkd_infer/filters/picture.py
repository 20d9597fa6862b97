"""Reads the pictures of a filter's folder."""

from __future__ import annotations

import errno
from pathlib import Path

import cv2
import numpy as np

from fkd_infer.errors import FilterError
from fkd_infer.geometry.arrays import Pixels
from fkd_infer.media.images.header import PNG_SIGNATURE, png_problem, png_size
from fkd_infer.system.files.reading import read_regular

MAX_BYTES = 8_000_000
MAX_SIDE = 4096
"""Longest side, in pixels."""
_CIRCLES = "links lead in circles"
_SAVE_AS = "save it as an 8 bit RGBA PNG"


def read_picture(pack_file: Path, field: str, name: str) -> Pixels:
    """Reads the PNG that a field of a filter.json names, BGRA (H, W, 4).

    Raises FilterError for anything else, and for a file outside the pack's folder.
    """
    field = f"{field} {name!r}"
    folder = pack_file.parent.resolve()
    try:
        file = (folder / name).resolve()
        if not file.is_relative_to(folder):
            problem = f"{field} leaves the filter's folder"
            raise FilterError.of_pack(pack_file, problem, "put the picture into it")
        data = read_regular(file, MAX_BYTES)
    except RuntimeError as error:  # Python 3.12 and before
        raise FilterError.of_pack(pack_file, f"{field}: {_CIRCLES}") from error
    except OSError as error:
        is_circle = error.errno == errno.ELOOP
        problem = _CIRCLES if is_circle else error.strerror or str(error)
        raise FilterError.of_pack(pack_file, f"{field}: {problem}") from error
    _check_png(pack_file, field, data)
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise FilterError.of_pack(pack_file, f"{field} is a damaged PNG: {error.err}") from error
    if image is None:
        raise FilterError.of_pack(pack_file, f"{field} is a damaged PNG")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 4:
        raise FilterError.of_pack(pack_file, f"{field} has no alpha", _SAVE_AS)
    return np.asarray(image, np.uint8)


def _check_png(pack_file: Path, field: str, data: bytes) -> None:
    """Refuses data that is not a PNG, is cut short, or is too large to be decoded."""
    if not data.startswith(PNG_SIGNATURE):
        raise FilterError.of_pack(pack_file, f"{field} is no PNG", _SAVE_AS)
    if png_problem(data) is not None:
        raise FilterError.of_pack(pack_file, f"{field} is cut short", "copy it again")
    size = png_size(data)
    if size is None:
        raise FilterError.of_pack(pack_file, f"{field} is a damaged PNG")
    if max(size) > MAX_SIDE:
        problem = f"{field} measures {size.width} × {size.height}"
        raise FilterError.of_pack(pack_file, problem, f"make it {MAX_SIDE} a side at most")
