"""The training of a detector: mosaics in batches, its loss, and how well it finds faces."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import Dataset

from fkd_infer.crop import POINTS_BOX, Floats, Pixels, as_boxes, bgr_image
from fkd_infer.errors import InstallError
from fkd_infer.suppress import suppress
from fkd_infer.types import Detections
from fkd_train.batches import Batch, Key
from fkd_train.data import Faces
from fkd_train.detection import Find, Matched, match
from fkd_train.detector import Candidates, DetectorNet, all_places
from fkd_train.detector_config import DetectorRecipe
from fkd_train.detector_loss import detector_loss
from fkd_train.errors import DatasetError, RecipeError
from fkd_train.loop import Figures
from fkd_train.mosaic import MosaicMaker, Truth

FLOOR = 0.02
"""Lowest score of a box that is looked at when the network is judged."""
LIMIT = 0.45
"""IoU of two boxes above which they are of one face."""
FALSE_PER_IMAGE = 0.01
"""False boxes an image that recall is measured at."""
JUDGING_PICTURES = ("chelsea", "coffee", "hubble_deep_field", "retina", "rocket")
"""Pictures of scikit-image that mosaics for judging are made with, and no others."""
_JUDGING = 1 << 31
"""Begins the seeds of mosaics for judging: no training begins with it."""
_TOGETHER = 8
"""Images that a torch network searches at once."""
FindAll = Callable[[Sequence[Pixels]], list[Detections]]
_MOST = 48
"""Faces that are learned of each 320 × 320 pixels of a mosaic, begun or whole: more than it has."""


@dataclass(frozen=True)
class Mosaics(Dataset[Batch]):
    """Training mosaics, keyed by (epoch, number): the picture (S, S, 3), boxes (M, 4), points
    (M, 5, 2) and kinds (M,), 0 where there are fewer than M."""

    maker: MosaicMaker
    seed: int

    def __getitem__(self, key: Key) -> Batch:
        image, truth = self.maker(np.random.default_rng([self.seed, *key]))
        most = _MOST * math.ceil(len(image) / 320) ** 2
        count = min(most, len(truth))
        boxes = np.tile(np.array([0, 0, 1, 1], np.float32), (most, 1))
        points, kinds = np.zeros((most, 5, 2), np.float32), np.zeros(most, np.int64)
        boxes[:count], points[:count] = truth.boxes[:count], truth.points[:count]
        kinds[:count] = truth.kinds[:count]
        parts = (image, boxes, points, kinds)
        return tuple(torch.from_numpy(np.ascontiguousarray(part)) for part in parts)


def mosaic_maker(recipe: DetectorRecipe, faces: Faces, part: str) -> MosaicMaker:
    """What draws mosaics of faces, which are of a part of the data set.

    Raises InstallError without scikit-image, whose pictures a recipe may ask for.
    """
    return _maker(recipe, faces, part, recipe.mosaic.pictures)


def judging_maker(recipe: DetectorRecipe, faces: Faces) -> MosaicMaker:
    """The same for a recipe's evaluation faces, with pictures that no recipe trains on."""
    part = "test" if recipe.split == "official" else "training"
    return _maker(recipe, faces, part, JUDGING_PICTURES if recipe.mosaic.pictures else ())


def _maker(recipe: DetectorRecipe, faces: Faces, part: str, pictures: Sequence[str]) -> MosaicMaker:
    others = read_others(recipe.others, part) if recipe.others else {}
    return MosaicMaker(faces, others, faceless_pictures(pictures), recipe.mosaic)


def exams(recipe: DetectorRecipe, faces: Faces) -> dict[str, Exam]:
    """What a recipe's detector is judged on: mosaics of its evaluation faces, and their images."""
    maker = judging_maker(recipe, faces)
    photos = photo_exam(faces, dict(maker.others))
    return {"mosaics": mosaic_exam(maker, recipe.mosaic.validation), "images": photos}


def read_others(name: str, part: str) -> dict[str, Floats]:
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


def faceless_pictures(names: Sequence[str]) -> list[Pixels]:
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


def mosaic_loss(
    recipe: DetectorRecipe, accelerator: Accelerator
) -> Callable[[nn.Module, Batch], Tensor]:
    """The loss of a batch under a network."""
    places = all_places(recipe.mosaic.size, torch.zeros(0, device=accelerator.device))

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        images, boxes, points, kinds = batch
        with accelerator.autocast():
            found: Candidates = model(images)
        return detector_loss(found, places, (boxes, points, kinds), recipe.loss)

    return loss


@dataclass(frozen=True)
class Exam:
    """Faces that a detector is judged on: images (H, W, 3), and what is to be found."""

    images: list[Pixels]
    truths: list[Truth]

    def __call__(self, find: FindAll) -> Matched:
        """How a detector with boxes around the points does."""
        return match(find(self.images), self.truths, POINTS_BOX)


def mosaic_exam(maker: MosaicMaker, count: int) -> Exam:
    """Mosaics that are always the same."""
    drawn = [maker(np.random.default_rng([_JUDGING, number])) for number in range(count)]
    return Exam([image for image, _ in drawn], [truth for _, truth in drawn])


def photo_exam(faces: Faces, others: dict[str, Floats]) -> Exam:
    """Images as they are, but for a black margin that leaves few sizes: torch prepares anew for
    each, which takes longer than to search it."""
    rows = zip(faces.names, faces.points, strict=True)
    truths = [Truth.of(points[None], others.get(name)) for name, points in rows]
    return Exam([_with_margin(image, 256) for image in faces.images], truths)


def _with_margin(image: Pixels, step: int) -> Pixels:
    """An image at the top left of a black one, whose sides are multiples of `step`."""
    margins = [(0, -length % step) for length in image.shape[:2]]
    return np.pad(image, [*margins, (0, 0)])


def one_by_one(find: Find) -> FindAll:
    """A detector of single images, for many."""
    return lambda images: [find(image) for image in images]


def torch_find(network: DetectorNet, device: torch.device | str = "cpu") -> FindAll:
    """A detector of a torch network, in its evaluation mode; its mode stays as it was. Images of
    one size go together."""

    def find(images: Sequence[Pixels]) -> list[Detections]:
        was_training = network.training
        network.eval()
        found: dict[int, Detections] = {}
        for rows in _batches([image.shape for image in images]):
            together = torch.from_numpy(np.stack([images[row] for row in rows])).to(device)
            with torch.inference_mode():
                said = network.all_sizes(together)
            parts = (said.boxes, said.logits.sigmoid(), said.points)
            arrays = [part.cpu().numpy() for part in parts]
            for number, row in enumerate(rows):
                found[row] = suppressed(*(array[number] for array in arrays))
        network.train(was_training)
        return [found[row] for row in range(len(images))]

    return find


def _batches(shapes: Sequence[tuple[int, ...]]) -> Iterator[list[int]]:
    """Rows of images of one shape, a few at a time."""
    alike: dict[tuple[int, ...], list[int]] = {}
    for row, shape in enumerate(shapes):
        alike.setdefault(shape, []).append(row)
    for rows in alike.values():
        yield from (rows[start : start + _TOGETHER] for start in range(0, len(rows), _TOGETHER))


def suppressed(boxes: Floats, scores: Floats, points: Floats) -> Detections:
    """What all cells say of an image, (A, 4), (A,) and (A, 5, 2), as the detector answers it."""
    rows = np.flatnonzero(scores >= FLOOR)
    kept = rows[suppress(boxes[rows], scores[rows], LIMIT)]
    return Detections(boxes[kept], scores[kept], points[kept])


def examined(find: FindAll, judged: Mapping[str, Exam]) -> Figures:
    """What the log says of an epoch; the error is the share of precision and recall on mosaics that
    is missing."""
    drawn, plain = judged["mosaics"](find), judged["images"](find)
    threshold = drawn.threshold(FALSE_PER_IMAGE)
    row = {
        "mosaic_ap": drawn.average_precision(),
        "mosaic_recall": drawn.recall(threshold),
        "photo_recall": plain.recall(plain.threshold(FALSE_PER_IMAGE)),
        "photo_recall_at_half": plain.recall(0.5),
        "photo_false_at_half": plain.false_per_image(0.5),
    }
    return Figures(row, 1 - row["mosaic_ap"])
