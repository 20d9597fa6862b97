"""Predictions of landmark networks: checkpoints and exported files behind one function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from fkd_infer.geometry.arrays import Pixels
from fkd_infer.runtime.session import LandmarkSession
from fkd_infer.types import Prediction
from fkd_train.checkpoints import find_checkpoint, load_landmark_network
from fkd_train.choices import CropProtocol
from fkd_train.config.landmarks import CropConfig
from fkd_train.data.crop_sampler import CropSampler
from fkd_train.models.landmarks import LandmarkNet

SEED_RESIZE, SEED_SIZE = 250, 224
"""The original program resizes the shorter side, and crops the central window."""

Predict = Callable[[Pixels], Prediction]
"""Maps crops (N, S, S, C) uint8 to points (N, n, 2) in crop pixels and, if any, scores (N,)."""


def torch_predict(network: LandmarkNet, device: torch.device | str = "cpu") -> Predict:
    """Predicts with a torch network in evaluation mode, and restores its mode afterwards."""

    def predict(crops: Pixels) -> Prediction:
        was_training = network.training
        network.eval()
        with torch.inference_mode():
            outputs = network(torch.from_numpy(crops).to(device))
        network.train(was_training)
        points, *scores = (output.cpu().numpy() for output in outputs)
        return Prediction(points, scores[0] if scores else None)

    return predict


def open_model(model: Path, crop: CropProtocol = "model") -> tuple[Predict, CropSampler]:
    """Opens an ONNX file, a checkpoint or a run folder; also returns the sampler of its crops.

    `crop` "image" cuts the seed protocol's central window instead of the model's own crop.
    """
    if model.suffix == ".onnx":
        session = LandmarkSession(model, "cpu")
        card = session.card
        config = CropConfig(card.crop.scale, "points", card.crop.shift, card.crop.border)
        predict: Predict = session.run
        sampler = CropSampler(card.input.size, card.input.channels, config, card.landmarks)
    else:
        network, recipe, _ = load_landmark_network(find_checkpoint(model, "last"))
        predict = torch_predict(network)
        sampler = CropSampler.of(recipe)
    if crop == "image":
        # The window scales with the input, so that smaller networks see the same region.
        resize = round(SEED_RESIZE * sampler.size / SEED_SIZE)
        config = replace(sampler.config, reference="image", resize=resize)
        sampler = replace(sampler, config=config)
    return predict, sampler


def predict_all(predict: Predict, crops: Pixels, batch: int = 64) -> Prediction:
    """Predicts any number of crops, batch by batch."""
    starts = range(0, len(crops), batch)
    return concatenate([predict(crops[start : start + batch]) for start in starts])


def concatenate(batches: Sequence[Prediction]) -> Prediction:
    """Joins the predictions of successive batches."""
    scores = [batch.scores for batch in batches if batch.scores is not None]
    points = np.concatenate([batch.points for batch in batches])
    return Prediction(points, np.concatenate(scores) if scores else None)
