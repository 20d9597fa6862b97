"""How well detectors find faces: on images as they are, tilted, dark and gray, and on mosaics by
the faces' size."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from fkd_infer.detection.base import SizedDetector
from fkd_infer.errors import FkdError
from fkd_infer.geometry.arrays import Floats, Pixels, bgr_image, gray_plane
from fkd_infer.geometry.boxes import points_box
from fkd_infer.geometry.transforms import similarity, transform
from fkd_infer.models.cards.base import task_of
from fkd_infer.models.cards.detector import TASK
from fkd_infer.models.check import check_model
from fkd_train.choices import Split
from fkd_train.config.detector import detector_recipe_from_dict
from fkd_train.config.reading import read_recipe_table
from fkd_train.data.dataset import load_evaluation
from fkd_train.data.faces import Faces
from fkd_train.evaluation.detection_metrics import Matches, match
from fkd_train.evaluation.detector_evaluation import (
    FALSE_PER_IMAGE,
    SCORE_FLOOR,
    evaluation_mosaics,
    mosaic_evaluation_set,
)
from fkd_train.ground_truth import FACE, IGNORED, GroundTruth

SIZES = ((12.0, 24.0), (24.0, 48.0), (48.0, 96.0), (96.0, np.inf))
"""Longer sides of the points' box that mosaics are looked at by, in pixels."""
MOSAICS = 1000


@dataclass(frozen=True)
class Row:
    """Of one detector on one kind of pictures: recall, precision and false boxes an image at its
    own threshold, and recall where that leaves one false box in 100 images; in percent, None where
    there is none."""

    pictures: str
    detector: str
    faces: int
    images: int
    recall: float
    precision: float | None
    false_per_image: float
    recall_at_one_in_100: float
    average_precision: float


@dataclass(frozen=True)
class _Pool:
    """Pictures that are searched once, and the kinds of faces on them that rows are made of: what
    is to be found, and the sizes that count."""

    images: Sequence[Pixels]
    rows: Mapping[str, tuple[Sequence[GroundTruth], tuple[float, float]]]


def evaluate_detectors(
    detectors: Mapping[str, SizedDetector], data: Path, split: Split
) -> Iterator[Row]:
    """Rows of all detectors on the evaluation faces of a split; detectors in the given order."""
    for pool in _pools(data, split):
        for name, detector in detectors.items():
            own, lowest = _thresholds(detector)
            bar = tqdm(pool.images, desc=f"{name}: {next(iter(pool.rows))}", leave=False)
            found = [lowest(image) for image in bar]
            for kind, (truths, sizes) in pool.rows.items():
                matched = match(found, truths, detector.rule, sizes)
                yield _row(kind, name, matched, own)


def _thresholds(detector: SizedDetector) -> tuple[float, SizedDetector]:
    """A detector's own threshold, and the detector with the lowest."""
    lower = copy(detector)
    lower.search = replace(detector.search, min_score=min(SCORE_FLOOR, detector.min_score))
    return detector.min_score, lower


def _row(pictures: str, detector: str, found: Matches, threshold: float) -> Row:
    precision = found.precision(threshold)
    return Row(
        pictures=pictures,
        detector=detector,
        faces=len(found.face_scores),
        images=found.image_count,
        recall=100 * found.recall(threshold),
        precision=None if np.isnan(precision) else 100 * precision,
        false_per_image=found.false_per_image(threshold),
        recall_at_one_in_100=100 * found.recall(found.threshold(FALSE_PER_IMAGE)),
        average_precision=100 * found.average_precision(),
    )


def _pools(data: Path, split: Split) -> Iterator[_Pool]:
    recipe = detector_recipe_from_dict(read_recipe_table("detector"))
    faces = load_evaluation(data, split, colour=True)
    maker = evaluation_mosaics(replace(recipe, split=split), faces)
    for kind, change in CHANGES.items():
        changed = [_changed(change, faces, row, maker.others) for row in range(len(faces))]
        truths = [truth for _, truth in changed]
        yield _Pool([image for image, _ in changed], {kind: (truths, (0.0, np.inf))})
    mosaics = mosaic_evaluation_set(maker, MOSAICS)
    rows = {
        f"mosaics, faces of {low:.0f} px and more"
        if high == np.inf
        else f"mosaics, faces of {low:.0f} to {high:.0f} px": (
            [_of_size(truth, low, high) for truth in mosaics.truths],
            (low, high),
        )
        for low, high in SIZES
    }
    yield _Pool(mosaics.images, rows)


def _of_size(truth: GroundTruth, low: float, high: float) -> GroundTruth:
    """Faces of other sizes are ignored."""
    longer = (truth.boxes[:, 2:] - truth.boxes[:, :2]).max(axis=1)
    other = (longer < low) | (longer >= high)
    return replace(truth, kinds=np.where(other & (truth.kinds == FACE), IGNORED, truth.kinds))


Change = Callable[[Pixels, Floats, Floats, np.random.Generator], tuple[Pixels, GroundTruth]]
"""An image (H, W, 3), its points (68, 2), boxes (k, 4) of other faces, and a generator."""


def _changed(
    change: Change, faces: Faces, row: int, others: Mapping[str, Floats]
) -> tuple[Pixels, GroundTruth]:
    name = faces.names[row]
    # Seeded by the name, so that the same faces are always changed in the same way.
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    ignored = others.get(name, np.empty((0, 4), np.float32))
    return change(faces.images[row], faces.points[row], ignored, rng)


def _as_it_is(
    image: Pixels, points: Floats, others: Floats, rng: np.random.Generator
) -> tuple[Pixels, GroundTruth]:
    return image, GroundTruth.of(points[None], others)


def _tilted(
    image: Pixels, points: Floats, others: Floats, rng: np.random.Generator, degrees: float
) -> tuple[Pixels, GroundTruth]:
    """Turned about its middle to either side, its edges going on beyond them."""
    height, width = image.shape[:2]
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    turn = similarity((0, 0), 1, 1, float(np.radians(rng.choice([-degrees, degrees]))))[:, :2]
    matrix = np.column_stack([turn, middle - turn @ middle])
    turned = cv2.warpAffine(
        image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    corners = others[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2)
    moved = points_box(transform(corners, matrix)) if len(others) else others
    return np.asarray(turned, np.uint8), GroundTruth.of(transform(points, matrix)[None], moved)


def _darkened(
    image: Pixels, points: Floats, others: Floats, rng: np.random.Generator, factor: float
) -> tuple[Pixels, GroundTruth]:
    return np.rint(factor * image).astype(np.uint8), GroundTruth.of(points[None], others)


def _grayed(
    image: Pixels, points: Floats, others: Floats, rng: np.random.Generator
) -> tuple[Pixels, GroundTruth]:
    return bgr_image(gray_plane(image)), GroundTruth.of(points[None], others)


CHANGES: dict[str, Change] = {
    "images": _as_it_is,
    "images tilted by 15°": partial(_tilted, degrees=15),
    "images tilted by 30°": partial(_tilted, degrees=30),
    "images tilted by 45°": partial(_tilted, degrees=45),
    "images with half the light": partial(_darkened, factor=1 / 2),
    "images with a quarter of the light": partial(_darkened, factor=1 / 4),
    "images with an eighth of the light": partial(_darkened, factor=1 / 8),
    "images in gray": _grayed,
}


def is_detector_file(path: Path) -> bool:
    """Whether an ONNX file's card says that it finds faces."""
    if path.suffix != ".onnx" or not path.is_file():
        return False
    try:
        return task_of(check_model(path).metadata, path) == TASK
    except FkdError:  # told by whoever opens it
        return False


def table(rows: Sequence[Row]) -> list[str]:
    """Lines for people."""
    head = ("pictures", "detector", "recall", "precision", "false/image", "at 1 in 100", "AP")
    cells = [
        (
            row.pictures,
            row.detector,
            f"{row.recall:.2f} %",
            "–" if row.precision is None else f"{row.precision:.2f} %",
            f"{row.false_per_image:.4f}",
            f"{row.recall_at_one_in_100:.2f} %",
            f"{row.average_precision:.2f} %",
        )
        for row in rows
    ]
    widths = [max(len(line[column]) for line in (head, *cells)) for column in range(len(head))]
    return ["  ".join(_padded(line, widths)).rstrip() for line in (head, *cells)]


def _padded(line: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    for column, (text, width) in enumerate(zip(line, widths, strict=True)):
        yield text.ljust(width) if column < 2 else text.rjust(width)


def plain(rows: Sequence[Row]) -> list[dict[str, object]]:
    """Plain data for JSON."""
    return [asdict(row) for row in rows]
