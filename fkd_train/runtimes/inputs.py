"""What files are run on to compare runtimes: faces for landmark networks, pictures for others."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np

from fkd_infer.geometry.arrays import Pixels, bgr_image
from fkd_infer.landmarks.schemes import IBUG68
from fkd_infer.models.cards.end_to_end import EndToEndCard
from fkd_infer.models.cards.landmark import ModelCard
from fkd_infer.models.check import check_model
from fkd_infer.models.description import AnyCard
from fkd_infer.models.signature import fixed_batch
from fkd_train.data.crop_sampler import CropSampler
from fkd_train.data.dataset import DataFolders, read_faces
from fkd_train.data.synthetic import draw_face
from fkd_train.export.end_to_end import BUDGET_PX as END_TO_END_BUDGET_PX
from fkd_train.export.end_to_end import MOST
from fkd_train.export.end_to_end_pictures import (
    drawn_pictures,
    fitted,
    in_batches,
    pictures_of,
)
from fkd_train.export.landmarks import FP32_BUDGET_PX as BUDGET_PX
from fkd_train.export.landmarks import FP32_BUDGET_SCORE
from fkd_train.export.verify import BATCHES, as_planes, verification_faces
from fkd_train.runtimes.base import ModelInput, Outputs

_TIMED_SIZE = (480, 640)
"""Height and width of the first picture, which is also timed, if the file takes any size."""
_END_TO_END_BUDGET_SCORE = 1e-3
_SHEETS = 4
_GRAY = 127


@dataclass(frozen=True)
class CheckInputs:
    """Inputs of a file, the first of which is also timed, and what they show, for people.

    `batches` is whether they are batches of faces (N, S, S, C) or of pictures, and not pictures
    (H, W, 3). Outputs
    count as equal if this `share` of the points, and all else in pixels, differs by at most
    `budget_px`, and no score by more than `budget_score`. With `padded`, rows
    of the outputs with a score of 0 are no faces.
    """

    arrays: tuple[ModelInput, ...]
    content: str
    batches: bool = False
    budget_px: float = BUDGET_PX
    budget_score: float = FP32_BUDGET_SCORE
    share: float = 1.0
    padded: bool = False

    def label(self, number: int) -> str:
        """Names an input."""
        array = self.arrays[number]
        if self.batches:
            return f"a batch of {len(array)}"
        return f"picture {number} ({array.shape[1]} × {array.shape[0]})"

    def faces_of(self, outputs: Outputs) -> Outputs:
        """The outputs without rows that are no faces."""
        if not self.padded or "scores" not in outputs:
            return outputs
        rows = outputs["scores"] > 0
        return {name: output[rows] for name, output in outputs.items()}


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
    arrays = (fitted(pictures[-1], *_TIMED_SIZE), *pictures, _single_face(), _without_faces())
    content = f"{len(arrays)} {origin}"
    if not isinstance(card, EndToEndCard):
        return CheckInputs(arrays, content)
    if fixed := card.image_size:
        arrays = tuple(fitted(picture, *fixed) for picture in arrays)
    if card.batch is not None:
        arrays = tuple(in_batches(arrays, card.batch))
    # Crops are sampled at multiples of 1/32 px, so that a last digit of a box can move pixels.
    budgets = END_TO_END_BUDGET_PX, _END_TO_END_BUDGET_SCORE, MOST
    batches = card.batch is not None
    return CheckInputs(arrays, content, batches, *budgets, padded=fixed is not None)


def _batches(model: Path, card: ModelCard, data: DataFolders | None) -> CheckInputs:
    """Batches of 1, 2, 3 and 7 faces, or of the only size that a file takes."""
    fixed = fixed_batch(check_model(model))
    sizes = BATCHES if fixed is None else (fixed,)
    sampler = CropSampler.of_card(card)
    real = None
    if data is not None:
        real = read_faces(data, "training", card.landmarks, sampler.in_colour)
    faces = verification_faces(real, sampler, sum(sizes))
    crops = faces.crops if card.input.has_border else as_planes(faces.crops)
    ends = accumulate(sizes)
    arrays = tuple(crops[end - size : end] for size, end in zip(sizes, ends, strict=True))
    return CheckInputs(arrays, f"{len(crops)} {faces.source}", batches=True)


def _single_face() -> Pixels:
    return bgr_image(draw_face(131, np.random.default_rng(2))[0])


def _without_faces() -> Pixels:
    return np.full((97, 120, 3), _GRAY, np.uint8)
