"""What files are run on to compare runtimes: faces for landmark networks, pictures for others."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fkd_infer.geometry.arrays import Pixels, bgr_image
from fkd_infer.landmarks.schemes import IBUG68
from fkd_infer.models.cards.end_to_end import EndToEndCard
from fkd_infer.models.cards.landmark import ModelCard
from fkd_infer.models.description import AnyCard
from fkd_train.data.dataset import DataFolders, read_faces
from fkd_train.data.synthetic import draw_face
from fkd_train.evaluation.predict import open_model
from fkd_train.export.end_to_end import BUDGET_PX as END_TO_END_BUDGET_PX
from fkd_train.export.end_to_end_pictures import drawn_pictures, pictures_of
from fkd_train.export.landmarks import FP32_BUDGET_PX as BUDGET_PX
from fkd_train.export.verify import BATCHES, verification_faces

_TIMED_SIZE = (480, 640)
"""Height and width of the first picture, which is also timed."""
_SHEETS = 4
_GRAY = 127


@dataclass(frozen=True)
class CheckInputs:
    """Inputs of a file, the first of which is also timed, and what they show, for people.

    `batches` is whether they are batches of faces (N, S, S, C), and not pictures (H, W, 3).
    `budget_px` is the largest difference with which outputs count as equal.
    """

    arrays: tuple[Pixels, ...]
    content: str
    batches: bool = False
    budget_px: float = BUDGET_PX

    def label(self, number: int) -> str:
        """Names an input."""
        array = self.arrays[number]
        if self.batches:
            return f"a batch of {len(array)}"
        return f"picture {number} ({array.shape[1]} × {array.shape[0]})"


def check_inputs(model: Path, card: AnyCard, data: DataFolders | None = None) -> CheckInputs:
    """Returns real inputs of a file, from the training part of a data set, or drawn ones."""
    if isinstance(card, ModelCard):
        return _batches(model, card, data)
    if data is None:
        pictures, origin = drawn_pictures()[:_SHEETS], "drawn pictures"
    else:
        scheme = card.landmarks.landmarks if isinstance(card, EndToEndCard) else IBUG68
        faces = read_faces(data, "training", scheme, colour=True)
        pictures, origin = pictures_of(faces.images), "real pictures"
    arrays = (_timed(pictures[-1]), *pictures, _single_face(), _without_faces())
    # Crops are sampled at multiples of 1/32 px, so that a last digit of a box can move pixels.
    budget_px = END_TO_END_BUDGET_PX if isinstance(card, EndToEndCard) else BUDGET_PX
    return CheckInputs(arrays, f"{len(arrays)} {origin}", budget_px=budget_px)


def _batches(model: Path, card: ModelCard, data: DataFolders | None) -> CheckInputs:
    """Batches of 1, 2, 3 and 7 faces; a graph with a constant batch fails for some of them."""
    _, sampler = open_model(model)
    real = None if data is None else read_faces(data, "training", card.landmarks)
    faces = verification_faces(real, sampler, sum(BATCHES))
    ends = np.cumsum(BATCHES)
    arrays = tuple(np.split(faces.crops, ends[:-1]))
    return CheckInputs(arrays, f"{len(faces.crops)} {faces.source}", batches=True)


def _timed(picture: Pixels) -> Pixels:
    """Cuts or pads a picture to the size that is timed."""
    height, width = _TIMED_SIZE
    part = picture[:height, :width]
    missing = ((0, height - len(part)), (0, width - part.shape[1]), (0, 0))
    return np.pad(part, missing, constant_values=_GRAY)


def _single_face() -> Pixels:
    return bgr_image(draw_face(131, np.random.default_rng(2))[0])


def _without_faces() -> Pixels:
    return np.full((97, 120, 3), _GRAY, np.uint8)
