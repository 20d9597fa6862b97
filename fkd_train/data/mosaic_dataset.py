"""Batches of mosaics for training a detector."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from fkd_infer.errors import InstallError
from fkd_infer.geometry.arrays import Floats, Pixels, bgr_image
from fkd_infer.geometry.boxes import as_boxes
from fkd_train.config.detector import DetectorRecipe
from fkd_train.data.dataset import Faces
from fkd_train.data.loader import Batch, SampleKey
from fkd_train.data.mosaic import MosaicGenerator
from fkd_train.errors import DatasetError, RecipeError

_MOST = 48
"""Faces that are learned of each 320 × 320 pixels of a mosaic, begun or whole: more than it has."""


@dataclass(frozen=True)
class MosaicDataset(Dataset[Batch]):
    """Training mosaics, keyed by (epoch, number): the picture (S, S, 3), boxes (M, 4), points
    (M, 5, 2) and kinds (M,), 0 where there are fewer than M."""

    maker: MosaicGenerator
    seed: int

    def __getitem__(self, key: SampleKey) -> Batch:
        image, truth = self.maker(np.random.default_rng([self.seed, *key]))
        most = _MOST * math.ceil(len(image) / 320) ** 2
        count = min(most, len(truth))
        boxes = np.tile(np.array([0, 0, 1, 1], np.float32), (most, 1))
        points, kinds = np.zeros((most, 5, 2), np.float32), np.zeros(most, np.int64)
        boxes[:count], points[:count] = truth.boxes[:count], truth.points[:count]
        kinds[:count] = truth.kinds[:count]
        parts = (image, boxes, points, kinds)
        return tuple(torch.from_numpy(np.ascontiguousarray(part)) for part in parts)


def mosaic_generator(recipe: DetectorRecipe, faces: Faces, part: str) -> MosaicGenerator:
    """What draws mosaics of faces, which are of a part of the data set.

    Raises InstallError without scikit-image, whose pictures a recipe may ask for.
    """
    return build_mosaic_generator(recipe, faces, part, recipe.mosaic.pictures)


def build_mosaic_generator(
    recipe: DetectorRecipe, faces: Faces, part: str, pictures: Sequence[str]
) -> MosaicGenerator:
    """Builds the maker of mosaics from a recipe, annotated faces and pictures without faces."""
    others = read_other_faces(recipe.others, part) if recipe.others else {}
    return MosaicGenerator(faces, others, pictures_without_faces(pictures), recipe.mosaic)


def read_other_faces(name: str, part: str) -> dict[str, Floats]:
    """Boxes (k, 4) of faces without points, by the image's name, of one part of a data set.

    Raises RecipeError where the file is not there, and DatasetError for a bad row.
    """
    path = Path(name)
    shipped = files("fkd_train") / "recipes" / name
    try:
        text = path.read_text("utf-8") if path.is_file() else shipped.read_text("utf-8")
    except OSError as error:
        raise RecipeError(name, "others: no such file, neither here nor beside recipes") from error
    except UnicodeDecodeError as error:
        raise DatasetError(name, ["not a CSV table in UTF-8"]) from error
    found: dict[str, list[list[float]]] = {}
    for line, row in enumerate(csv.DictReader(text.splitlines()), start=2):
        try:
            box = [float(row[key]) for key in ("x0", "y0", "x1", "y1")]
            as_boxes([box])
            if row["part"] == part:
                found.setdefault(row["name"], []).append(box)
        except (KeyError, TypeError, ValueError) as error:
            wanted = f"line {line}: not part,name,x0,y0,x1,y1 with numbers"
            raise DatasetError(name, [wanted]) from error
    return {image: np.array(boxes, np.float32) for image, boxes in found.items()}


def pictures_without_faces(names: Sequence[str]) -> list[Pixels]:
    """Pictures of scikit-image without a face, by the names of their functions, as BGR."""
    if not names:
        return []
    try:
        from skimage import data
    except ImportError as error:
        raise InstallError.of_extra("scikit-image", "demo") from error
    pictures = []
    for name in names:
        picture = getattr(data, name, None)
        if not callable(picture):
            raise RecipeError(name, "mosaic.pictures: skimage.data has no such picture")
        pictures.append(as_bgr(picture()))
    return pictures


def as_bgr(picture: NDArray[np.generic]) -> Pixels:
    """A picture of scikit-image's, of any kind, as BGR (H, W, 3)."""
    pixels = np.asarray(picture)
    if picture.dtype != np.uint8:
        pixels = (picture.astype(np.float32).clip(0, 1) * 255).astype(np.uint8)
    if pixels.ndim == 2:
        return bgr_image(pixels.astype(np.uint8))
    return np.ascontiguousarray(pixels[..., 2::-1], np.uint8)
