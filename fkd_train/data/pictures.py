"""Pictures without faces, from scikit-image, as backgrounds of mosaics."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fkd_infer.errors import InstallError
from fkd_infer.geometry.arrays import Pixels, bgr_image
from fkd_train.errors import RecipeError


def pictures_without_faces(names: Sequence[str]) -> list[Pixels]:
    """Loads pictures by their function names in `skimage.data`, as BGR.

    Raises InstallError without scikit-image and RecipeError for an unknown name.
    """
    if not names:
        return []
    try:
        from skimage import data
    except ImportError as error:
        raise InstallError.of_extra("scikit-image", "demo") from error
    pictures = []
    for name in names:
        load = getattr(data, name, None)
        if not callable(load):
            raise RecipeError(name, "mosaic.pictures: skimage.data has no such picture")
        pictures.append(as_bgr(load()))
    return pictures


def as_bgr(picture: NDArray[np.generic]) -> Pixels:
    """Converts a gray, RGB or RGBA picture of any type to BGR (H, W, 3) uint8."""
    pixels = np.asarray(picture)
    if picture.dtype != np.uint8:
        pixels = (picture.astype(np.float32).clip(0, 1) * 255).astype(np.uint8)
    if pixels.ndim == 2:
        return bgr_image(pixels.astype(np.uint8))
    return np.ascontiguousarray(pixels[..., 2::-1], np.uint8)
