"""Predictions of landmark networks: checkpoints and exported files behind one function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from fkd_infer.geometry.arrays import Floats, Pixels
from fkd_infer.models.cards.landmark import OutputSpec
from fkd_infer.runtime.session import LandmarkSession
from fkd_infer.types import Prediction
from fkd_train.checkpoints import find_checkpoint, load_landmark_network
from fkd_train.choices import CropProtocol
from fkd_train.config.landmarks import LandmarkRecipe
from fkd_train.data.crop_sampler import CropSampler
from fkd_train.errors import RunError
from fkd_train.models.landmarks import LandmarkNet
from fkd_train.models.spec import ModelSpec

SEED_RESIZE, SEED_SIZE = 250, 224
"""The original program resizes the shorter side, and crops the central window."""

Predict = Callable[[Pixels], Prediction]
"""Maps crops (N, S, S, C) uint8 to points (N, n, 2) in crop pixels and, if any, scores (N,)."""


def output_spec(spec: ModelSpec) -> OutputSpec:
    """The outputs of a network, as its card has them."""
    return OutputSpec(score=spec.score, spread=spec.spread)


def convention_offsets(network: LandmarkNet, recipe: LandmarkRecipe) -> dict[str, Floats]:
    """By data set, offsets (n, 2) from the network's points to where its annotators place them, as
    shares of the crop's side; empty if the network learned none."""
    if network.conventions is None:
        return {}
    with torch.inference_mode():
        offsets = network.conventions.offsets() - network.conventions()
    shares = (offsets * (network.spec.unit / network.spec.size)).cpu().numpy()
    return {row.name: share for row, share in zip(recipe.data, shares, strict=True)}


def torch_predict(network: LandmarkNet, device: torch.device | str = "cpu") -> Predict:
    """Predicts with a torch network in evaluation mode, and restores its mode afterwards."""

    def predict(crops: Pixels) -> Prediction:
        was_training = network.training
        network.eval()
        with torch.inference_mode():
            outputs = network(torch.from_numpy(crops).to(device))
        network.train(was_training)
        names = output_spec(network.spec).fields
        return Prediction(
            **{name: output.cpu().numpy() for name, output in zip(names, outputs, strict=True)}
        )

    return predict


def open_model(
    model: Path, crop: CropProtocol = "model", convention: str | None = None
) -> tuple[Predict, CropSampler]:
    """Opens an ONNX file, a checkpoint or a run folder; also returns the sampler of its crops.

    `crop` "image" cuts the seed protocol's central window instead of the model's own crop. With
    `convention`, points are placed as the annotators of this data set do; raises RunError if the
    model has not learned how.
    """
    if model.suffix == ".onnx":
        session = LandmarkSession(model, "cpu")
        card = session.card
        predict: Predict = session.run
        known = {name: np.array(some, np.float32) for name, some in card.conventions.items()}
        shipped = card.convention
        sampler = CropSampler.of_card(card)
    else:
        network, recipe, _ = load_landmark_network(find_checkpoint(model, "last"))
        predict = torch_predict(network)
        known, shipped = convention_offsets(network, recipe), recipe.convention
        sampler = CropSampler.of(recipe)
    if convention is not None and convention != shipped:
        predict = _in_convention(predict, model, convention, known, sampler.size)
    if crop == "image":
        # The window scales with the input, so that smaller networks see the same region.
        resize = round(SEED_RESIZE * sampler.size / SEED_SIZE)
        config = replace(sampler.config, reference="image", resize=resize)
        sampler = replace(sampler, config=config)
    return predict, sampler


def _in_convention(
    predict: Predict, model: Path, convention: str, known: Mapping[str, Floats], size: int
) -> Predict:
    if convention not in known:
        names = ", ".join(known) or "none"
        raise RunError(model, f"has no convention {convention!r}; those that it learned: {names}")
    offsets = known[convention] * np.float32(size)

    def moved(crops: Pixels) -> Prediction:
        prediction = predict(crops)
        return prediction._replace(points=prediction.points + offsets)

    return moved


def predict_all(predict: Predict, crops: Pixels, batch: int = 64) -> Prediction:
    """Predicts any number of crops, batch by batch."""
    starts = range(0, len(crops), batch)
    return Prediction.concatenate([predict(crops[start : start + batch]) for start in starts])
