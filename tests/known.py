"""The tiny networks of tests/infer/models and what they answer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fkd_infer.card import InputSpec, ModelCard, OutputSpec, Training
from fkd_infer.crop import CropRule

MODELS = Path(__file__).parent / "infer" / "models"
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


def fixed_points() -> NDArray[np.float32]:
    """Points (68, 2) on a known curve inside the crop."""
    turn = np.linspace(0, 2 * np.pi, 68, endpoint=False)
    circle = np.column_stack([np.cos(turn), np.sin(turn)])
    return np.asarray(7.5 + 6 * circle, dtype=np.float32)
