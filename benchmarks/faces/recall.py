"""Counts the faces that detectors find on whole photos, and what they take for faces.

The whole pipeline runs, as a user runs it: a face counts as found if its points lie where they
belong, and everything that the pipeline returns on pictures without a face is false.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from benchmarks.faces.non_faces import NON_FACES
from benchmarks.harness.results import Figure, Measurement, Recorder, file_sha256
from fkd_infer.choices import Roll
from fkd_infer.detection.registry import find_detector
from fkd_infer.geometry.arrays import Floats, Pixels
from fkd_infer.landmarks.schemes import LandmarkScheme
from fkd_infer.loading import load
from fkd_infer.models.shipped import find_model
from fkd_infer.pipeline import Pipeline
from fkd_infer.types import Detections, Face
from fkd_train.config.detector import DetectorRecipe
from fkd_train.config.recipe import load_recipe
from fkd_train.data.dataset import load_evaluation, read_faces
from fkd_train.data.faces import Faces
from fkd_train.data.other_faces import read_other_faces
from fkd_train.evaluation.detection_metrics import match
from fkd_train.ground_truth import GroundTruth

COMMAND = "recall"
MAX_ERROR = 0.25
"""Mean error of a found face's points, in distances of the outer eye corners."""
SMALLER = 640
"""Second size at which photos are searched, in pixels."""
TURNS = (1, 2, 3)
"""Quarters of a circle, counterclockwise, by which photos are turned for the roll "any"."""


@dataclass(frozen=True)
class Contender:
    """A detector with its file, as `load` takes them."""

    name: str
    detector: str
    model: Path | None

    def load(self, max_size: int | None = None, roll: Roll = "upright") -> Pipeline:
        """The pipeline at its defaults otherwise, on the CPU."""
        return load(
            detector=self.detector,
            detector_model=self.model,
            provider="cpu",
            max_size=max_size,
            roll=roll,
            tuned=False,
        )

    @property
    def sha256(self) -> str | None:
        """The checksum of the model's file, if there is one."""
        if self.detector == "fkd":
            return file_sha256(find_model(self.model or "fkd-detector", detectors=True))
        return None if self.model is None else file_sha256(self.model)


@dataclass(frozen=True)
class PhotoResult:
    """A photo's faces, and which of them is the annotated one, if it is found; `error` is the mean
    error of its points, in distances of the outer eye corners."""

    faces: list[Face]
    match: int | None
    error: float


def measure_recall(
    contenders: Sequence[Contender],
    photos: Path | None,
    faces: Path | None,
    recorder: Recorder,
) -> None:
    """Runs all contenders on the photos of one folder, and on pictures without upright faces.

    `faces` is a data set whose held-out faces are shown upright, upside down and sideways.
    """
    annotated = None if photos is None else read_faces(photos, "training", colour=True)
    held_out = None if faces is None else load_evaluation(faces, "identity", colour=True)
    non_faces = dict(_non_faces(held_out))
    for contender in contenders:
        if annotated is not None:
            _measure_photos(contender, annotated, recorder)
        if held_out is not None:
            figures = _match_faces(contender.load(), held_out)
            _add(recorder, contender, {"pictures": "held-out faces"}, figures)
        _measure_non_faces(contender, non_faces, recorder)


def _measure_photos(contender: Contender, photos: Faces, recorder: Recorder) -> None:
    usual = find_detector(contender.detector).search_sizes.photos
    upright: list[PhotoResult] = []
    for size in (usual, SMALLER):
        results = find_annotated(contender.load(size), photos)
        upright = upright or results
        _add(recorder, contender, {"photos": "upright", "size": str(size)}, _figures(results))
    for turns in TURNS:
        turned = turned_photos(photos, turns)
        results = find_annotated(contender.load(usual, "any"), turned)
        conditions = {"photos": f"turned by {90 * turns}°", "size": str(usual), "roll": "any"}
        _add(recorder, contender, conditions, _figures(results, upright))


def find_annotated(pipeline: Pipeline, photos: Faces) -> list[PhotoResult]:
    """Runs a pipeline on photos with one annotated face each."""
    results = []
    for image, points in zip(photos.images, photos.points, strict=True):
        found = pipeline(image)
        errors = [mean_error(face.points, points, photos.scheme) for face in found]
        best = int(np.argmin(errors)) if errors else None
        is_found = best is not None and errors[best] < MAX_ERROR
        error = errors[best] if best is not None else np.inf
        results.append(PhotoResult(found, best if is_found else None, error))
    return results


def turned_photos(photos: Faces, turns: int) -> Faces:
    """Photos turned counterclockwise by quarters of a circle, with their points."""
    images = tuple(np.ascontiguousarray(np.rot90(image, turns)) for image in photos.images)
    points = []
    for image, upright in zip(photos.images, photos.points, strict=True):
        placed, (width, height) = upright, image.shape[1::-1]
        for _ in range(turns):
            placed = np.stack([placed[:, 1], width - 1 - placed[:, 0]], axis=1)
            width, height = height, width
        points.append(placed)
    return Faces(photos.names, images, np.array(points, np.float32), photos.scheme)


def mean_error(points: Floats, truth: Floats, scheme: LandmarkScheme) -> float:
    """The mean error of a face's points, in distances of the outer eye corners."""
    left, right = scheme.outer_eye_corners
    distance = np.linalg.norm(truth[left] - truth[right])
    return float(np.linalg.norm(points - truth, axis=1).mean() / distance)


def _figures(
    results: Sequence[PhotoResult], upright: Sequence[PhotoResult] = ()
) -> dict[str, Figure]:
    found = [result for result in results if result.match is not None]
    figures = {
        "found": Figure(len(found), f"of {len(results)} faces", better="higher"),
        "others": Figure(sum(len(r.faces) for r in results) - len(found), "faces"),
        "NME": Figure(100 * float(np.mean([r.error for r in found])), "%", better="lower"),
    }
    both = [
        other.error
        for result, other in zip(results, upright, strict=False)
        if result.match is not None and other.match is not None
    ]
    if both:
        figures["NME of the same upright"] = Figure(100 * float(np.mean(both)), "%")
    return figures


def _match_faces(pipeline: Pipeline, held_out: Faces) -> dict[str, Figure]:
    """What the whole pipeline finds on images with one annotated face; faces that are known but not
    annotated count neither way."""
    recipe = load_recipe("detector")
    assert isinstance(recipe, DetectorRecipe)
    others = read_other_faces(recipe.others, "training")
    found, truths = [], []
    for name, image, points in zip(held_out.names, held_out.images, held_out.points, strict=True):
        faces = pipeline(image)
        boxes = np.array([face.box for face in faces], np.float32).reshape(-1, 4)
        found.append(Detections(boxes, np.array([face.score for face in faces], np.float32)))
        truths.append(GroundTruth.of(points[None], others.get(name)))
    matches = match(found, truths, pipeline.detector.rule)
    false = round(matches.false_per_image(0) * matches.image_count)
    return {
        "found": Figure(100 * matches.recall(0), "%", better="higher"),
        "false faces": Figure(false, f"on {matches.image_count} pictures", better="lower"),
    }


def _non_faces(held_out: Faces | None) -> Iterator[tuple[str, list[Pixels]]]:
    yield from ((name, list(draw())) for name, draw in NON_FACES.items())
    if held_out is None:
        return
    yield "faces upside down", [np.rot90(image, 2).copy() for image in held_out.images]
    yield "faces sideways", [np.rot90(image, 1).copy() for image in held_out.images]


def _measure_non_faces(
    contender: Contender, non_faces: Mapping[str, Sequence[Pixels]], recorder: Recorder
) -> None:
    pipeline = contender.load()
    for name, pictures in non_faces.items():
        shown = tqdm(pictures, desc=f"{contender.name}: {name}", leave=False)
        detected = [(len(pipeline.detector(picture)), len(pipeline(picture))) for picture in shown]
        boxes, faces = (sum(counts) for counts in zip(*detected, strict=True))
        count = f"on {len(pictures)} pictures"
        figures = {
            "false faces": Figure(faces, count, better="lower"),
            "false boxes": Figure(boxes, count, better="lower"),
        }
        _add(recorder, contender, {"pictures": name}, figures)


def _add(
    recorder: Recorder,
    contender: Contender,
    conditions: dict[str, str],
    figures: dict[str, Figure],
) -> None:
    recorder.add(
        Measurement(COMMAND, "fkdnet", contender.name, conditions, figures, contender.sha256)
    )
