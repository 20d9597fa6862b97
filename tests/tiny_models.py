"""The tiny networks of tests/data/models, their cards and known outputs, and a small scheme."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any, Literal

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from repo_paths import TESTS

from fkd_infer.geometry.arrays import Floats
from fkd_infer.geometry.rules import BoxRule, CropRule
from fkd_infer.landmarks.schemes import LandmarkScheme
from fkd_infer.models.cards.base import Training
from fkd_infer.models.cards.detector import DetectorCard
from fkd_infer.models.cards.end_to_end import EndToEndCard
from fkd_infer.models.cards.landmark import InputSpec, ModelCard, OutputSpec

FIVE = LandmarkScheme(
    name="five",
    count=5,
    groups={"eyes": (0, 1), "nose": (2,), "mouth": (3, 4)},
    mirror_pairs=((0, 1), (3, 4)),
    outer_eye_corners=(0, 1),
)
"""Eye centres, tip of the nose, corners of the mouth: the built-in scheme, or one of a card."""

needs_haar = pytest.mark.skipif(
    not hasattr(cv2, "CascadeClassifier"), reason="this OpenCV has no face cascades"
)
"""Skips tests of the detector "haar" if OpenCV has no face cascades."""

MODELS = TESTS / "data" / "models"
SIZE = 16


def card(score: bool = False) -> ModelCard:
    """The card of the tiny landmark networks."""
    return ModelCard(
        name="fixed",
        architecture="constant",
        scheme="ibug68",
        input=InputSpec(SIZE, 1),
        crop=CropRule(1.25),
        precision="fp32",
        opset=18,
        training=Training("none", "none", "none", 0, 0, ""),
        licence="Apache-2.0",
        output=OutputSpec(score=score),
    )


DETECTED_BOXES = np.array([[10, 20, 50, 70], [60, 20, 80, 40]], np.float32)
"""Detections of the tiny detector in any image. Scores: the image's brightness from 0 to 1, and
LOW_SCORE."""
LOW_SCORE = 0.25


def detector_card() -> DetectorCard:
    """The card of the tiny detector."""
    return DetectorCard(
        name="tiny detector",
        architecture="constant",
        threshold=0.5,
        floor=0.1,
        overlap=0.45,
        smallest=12.0,
        precision="fp32",
        opset=18,
        training=Training("none", "none", "none", 0, 0, ""),
        licence="Apache-2.0",
        box_rule=BoxRule(0.9, (0.0, 0.1)),
    )


def detected_points() -> Floats:
    """Its points (2, 5, 2): eyes, nose and mouth, at the same relative places in each box."""
    places = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]], np.float32)
    corners, sizes = DETECTED_BOXES[:, :2], DETECTED_BOXES[:, 2:] - DETECTED_BOXES[:, :2]
    return corners[:, None] + places * sizes[:, None]


END_TO_END_SIZE = 72, 96
"""Height and width of the images of the tiny end-to-end files for one size."""


def end_to_end_card(
    sized: bool = True, batch: int | Literal["dynamic"] | None = None
) -> EndToEndCard:
    """The card of a tiny end-to-end file."""
    return EndToEndCard(
        name="tiny end to end",
        landmarks=card(score=True),
        detector=detector_card(),
        min_score=0.0,
        min_presence=0.0,
        image_size=END_TO_END_SIZE if sized else None,
        max_faces=2 if sized else None,
        batch=batch,
    )


def end_to_end_points() -> Floats:
    """The points (2, 68, 2) of the faces of a black image, from the corner of each box."""
    return np.asarray(DETECTED_BOXES[:, None, :2] + fixed_points(), np.float32)


def fixed_points() -> NDArray[np.float32]:
    """Points (68, 2) on a circle inside the crop."""
    angles = np.linspace(0, 2 * np.pi, 68, endpoint=False)
    circle = np.column_stack([np.cos(angles), np.sin(angles)])
    return np.asarray(7.5 + 6 * circle, dtype=np.float32)


def five_points(points: Floats) -> Floats:
    """Converts the 68 points of a face to the points (5, 2) of FIVE."""
    eyes = points[36:42].mean(axis=0), points[42:48].mean(axis=0)
    return np.stack([*eyes, points[30], points[48], points[54]])


def five_table() -> dict[str, Any]:
    """FIVE as a table of JSON or TOML."""
    table: dict[str, Any] = json.loads(json.dumps(asdict(FIVE)))
    return table
