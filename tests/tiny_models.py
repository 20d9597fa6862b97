"""The tiny networks of tests/data/models and what they answer; what a test may need."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

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
from fkd_infer.models.cards.landmark import InputSpec, ModelCard, OutputSpec

FIVE = LandmarkScheme(
    name="five",
    count=5,
    groups={"eyes": (0, 1), "nose": (2,), "mouth": (3, 4)},
    mirror_pairs=((0, 1), (3, 4)),
    outer_eye_corners=(0, 1),
)
"""A scheme that is not built in: eye centres, tip of the nose, corners of the mouth."""

needs_haar = pytest.mark.skipif(
    not hasattr(cv2, "CascadeClassifier"), reason="this OpenCV has no face cascades"
)
"""Marks tests of the detector "haar"."""

MODELS = TESTS / "data" / "models"
SIZE = 16


def card(score: bool = False) -> ModelCard:
    """Their card."""
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


DETECTED = np.array([[10, 20, 50, 70], [60, 20, 80, 40]], np.float32)
"""What the tiny detector finds anywhere: one box whose score is the image's brightness, from 0 to
1, and one whose score is UNLIKELY."""
UNLIKELY = 0.25


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
    """Its points (2, 5, 2): eyes, nose and mouth, at the same places of each box."""
    places = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]], np.float32)
    return DETECTED[:, None, :2] + places * (DETECTED[:, 2:] - DETECTED[:, :2])[:, None]


def fixed_points() -> NDArray[np.float32]:
    """Points (68, 2) on a known curve inside the crop."""
    turn = np.linspace(0, 2 * np.pi, 68, endpoint=False)
    circle = np.column_stack([np.cos(turn), np.sin(turn)])
    return np.asarray(7.5 + 6 * circle, dtype=np.float32)


def five_points(points: Floats) -> Floats:
    """The points (5, 2) of FIVE, of a face's 68."""
    eyes = points[36:42].mean(axis=0), points[42:48].mean(axis=0)
    return np.stack([*eyes, points[30], points[48], points[54]])


def five_table() -> dict[str, Any]:
    """FIVE as JSON and TOML have it."""
    table: dict[str, Any] = json.loads(json.dumps(asdict(FIVE)))
    return table
