"""Predictions of landmark networks: checkpoints and exported files behind one function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from fkd_infer.geometry.arrays import Pixels
from fkd_infer.models.cards.landmark import OutputSpec
from fkd_infer.runtime.session import LandmarkSession
from fkd_infer.types import Prediction
from fkd_train.checkpoints import find_checkpoint, load_landmark_network
from fkd_train.choices import CropProtocol
from fkd_train.config.landmarks import CropConfig
from fkd_train.data.crop_sampler import CropSampler
from fkd_train.models.landmarks import LandmarkNet
from fkd_train.models.spec import ModelSpec

SEED_RESIZE, SEED_SIZE = 250, 224
"""The original program resizes the shorter side, and crops the central window."""

Predict = Callable[[Pixels], Prediction]
"""Maps crops (N, S, S, C) uint8 to points (N, n, 2) in crop pixels and, if any, scores (N,)."""


def output_spec(spec: ModelSpec) -> OutputSpec:
    """The outputs of a network, as its card has them."""
    return OutputSpec(score=spec.score, spread=spec.spread)


def torch_predict(
    network: LandmarkNet, device: torch.device | str = "cpu", data_set: int | None = None
) -> Predict:
    """Predicts with a torch network in evaluation mode, and restores its mode afterwards.

    The points are those of the annotators of a data set, by its number in the recipe; by default,
    of the one whose convention is exported.
    """

    def predict(crops: Pixels) -> Prediction:
        was_training = network.training
        network.eval()
        with torch.inference_mode():
            images = torch.from_numpy(crops).to(device)
            if data_set is None:
                outputs = network(images)
            else:
                sets = torch.full((len(crops),), data_set, device=device)
                outputs = network(images, sets, torch.zeros_like(sets))
        network.train(was_training)
        names = output_spec(network.spec).fields
        return Prediction(
            **{name: output.cpu().numpy() for name, output in zip(names, outputs, strict=True)}
        )

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
    return Prediction.concatenate([predict(crops[start : start + batch]) for start in starts])
