"""Compares detectors on unchanged, tilted, dark and gray images, and by face size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from fkd_infer.detection.base import SizedDetector
from fkd_infer.errors import FkdError
from fkd_infer.geometry.arrays import Floats, Pixels
from fkd_infer.models.cards.base import task_of
from fkd_infer.models.cards.detector import TASK
from fkd_infer.models.check import check_model
from fkd_train.choices import Split
from fkd_train.config.detector import detector_recipe_from_dict
from fkd_train.config.reading import read_recipe_table
from fkd_train.data.dataset import DataFolders, load_evaluation
from fkd_train.data.faces import Faces
from fkd_train.data.mosaic import turned_sideways
from fkd_train.evaluation.detection_metrics import Matches, match
from fkd_train.evaluation.detector_evaluation import (
    FALSE_PER_IMAGE,
    SCORE_FLOOR,
    evaluation_mosaics,
    mosaic_evaluation_set,
)
from fkd_train.evaluation.image_changes import CHANGES, changed_image, placed
from fkd_train.ground_truth import FACE, IGNORED, GroundTruth

FACE_SIZES = ((12.0, 24.0), (24.0, 48.0), (48.0, 96.0), (96.0, np.inf))
"""Ranges of the longer side of the points' box on mosaics, in pixels."""
MOSAICS = 1000
PLACED_SIZES = (12, 16, 24, 48, 96, 192, 384, 768, 1200)
"""Sizes of faces in pictures of 1280 × 960 pixels, from 12 pixels to more than the picture."""
PLACED = 100
"""Pictures for each of these sizes."""
TURNED, TURNED_SIZE = 0.4, 480
"""Heads turned further than this, as `turned_sideways` measures it, are shown in this size too."""


@dataclass(frozen=True)
class DetectorMetrics:
    """Metrics of a detector on one kind of pictures, in percent.

    Recall, precision and false positives per image are at the detector's own threshold;
    `recall_at_one_in_100` is at the threshold with one false positive in 100 images. Precision is
    None without boxes.
    """

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
class _ImageSet:
    """Images on which detectors run once, with the true faces and face sizes of each row."""

    images: Sequence[Pixels]
    rows: Mapping[str, tuple[Sequence[GroundTruth], tuple[float, float]]]


def evaluate_detectors(
    detectors: Mapping[str, SizedDetector], data: DataFolders, split: Split
) -> Iterator[DetectorMetrics]:
    """Evaluates detectors by name on the evaluation faces of a split."""
    for image_set in _image_sets(data, split):
        for name, detector in detectors.items():
            detect = _with_lowest_threshold(detector)
            description = f"{name}: {next(iter(image_set.rows))}"
            images = tqdm(image_set.images, desc=description, leave=False, disable=None)
            detections = [detect(image) for image in images]
            for pictures, (truths, sizes) in image_set.rows.items():
                matches = match(detections, truths, detector.rule, sizes)
                yield _metrics(pictures, name, matches, detector.min_score)


def _with_lowest_threshold(detector: SizedDetector) -> SizedDetector:
    lowest = copy(detector)
    lowest.search = replace(detector.search, min_score=min(SCORE_FLOOR, detector.min_score))
    return lowest


def _metrics(pictures: str, detector: str, matches: Matches, threshold: float) -> DetectorMetrics:
    precision = matches.precision(threshold)
    return DetectorMetrics(
        pictures=pictures,
        detector=detector,
        faces=len(matches.face_scores),
        images=matches.image_count,
        recall=100 * matches.recall(threshold),
        precision=None if np.isnan(precision) else 100 * precision,
        false_per_image=matches.false_per_image(threshold),
        recall_at_one_in_100=100 * matches.recall(matches.threshold(FALSE_PER_IMAGE)),
        average_precision=100 * matches.average_precision(),
    )


def _image_sets(data: DataFolders, split: Split) -> Iterator[_ImageSet]:
    recipe = detector_recipe_from_dict(read_recipe_table("detector"))
    faces = load_evaluation(data, split, colour=True, configs=recipe.data)
    mosaics = evaluation_mosaics(replace(recipe, split=split), faces)
    for name, change in CHANGES.items():
        changed = [changed_image(change, faces, row, mosaics.others) for row in range(len(faces))]
        truths = [truth for _, truth in changed]
        yield _ImageSet([image for image, _ in changed], {name: (truths, (0.0, np.inf))})
    sample = np.linspace(0, len(faces) - 1, min(PLACED, len(faces))).astype(int).tolist()
    for size in PLACED_SIZES:
        name = f"faces of {size} px in 1280 × 960"
        yield _placed_faces(name, size, faces, sample, mosaics.others)
    turned = np.flatnonzero(turned_sideways(faces) > TURNED).tolist()
    if turned:
        name = f"heads turned sideways of {TURNED_SIZE} px in 1280 × 960"
        yield _placed_faces(name, TURNED_SIZE, faces, turned, mosaics.others)
    mosaic_set = mosaic_evaluation_set(mosaics, MOSAICS)
    rows = {
        _size_name(low, high): (
            [_only_size(truth, low, high) for truth in mosaic_set.truths],
            (low, high),
        )
        for low, high in FACE_SIZES
    }
    yield _ImageSet(mosaic_set.images, rows)


def _placed_faces(
    name: str, size: int, faces: Faces, rows: Sequence[int], others: Mapping[str, Floats]
) -> _ImageSet:
    """Large pictures that show one face each in this size."""
    change = partial(placed, size=size)
    shown = [changed_image(change, faces, row, others) for row in rows]
    truths = [truth for _, truth in shown]
    return _ImageSet([image for image, _ in shown], {name: (truths, (0.0, np.inf))})


def _size_name(low: float, high: float) -> str:
    if high == np.inf:
        return f"mosaics, faces of {low:.0f} px and more"
    return f"mosaics, faces of {low:.0f} to {high:.0f} px"


def _only_size(truth: GroundTruth, low: float, high: float) -> GroundTruth:
    """Ignores faces of other sizes."""
    longer = (truth.boxes[:, 2:] - truth.boxes[:, :2]).max(axis=1)
    other = (longer < low) | (longer >= high)
    return replace(truth, kinds=np.where(other & (truth.kinds == FACE), IGNORED, truth.kinds))


def is_detector_file(path: Path) -> bool:
    """Returns whether a path is an ONNX file with a detector's card."""
    if path.suffix != ".onnx" or not path.is_file():
        return False
    try:
        return task_of(check_model(path).metadata, path) == TASK
    except FkdError:  # raised again when the file is opened
        return False


def format_table(rows: Sequence[DetectorMetrics]) -> list[str]:
    """Formats a table for people, line by line."""
    header = ("pictures", "detector", "recall", "precision", "false/image", "at 1 in 100", "AP")
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
    lines = (header, *cells)
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return ["  ".join(_padded(line, widths)).rstrip() for line in lines]


def _padded(line: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    for column, (text, width) in enumerate(zip(line, widths, strict=True)):
        yield text.ljust(width) if column < 2 else text.rjust(width)


def rows_as_dicts(rows: Sequence[DetectorMetrics]) -> list[dict[str, object]]:
    """Converts rows to plain data for JSON."""
    return [asdict(row) for row in rows]
