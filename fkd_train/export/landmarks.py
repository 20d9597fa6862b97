"""Exports the landmark network of a checkpoint to ONNX, verified against PyTorch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import onnx
import torch

from fkd_infer.geometry.rules import BoxRule
from fkd_infer.landmarks.schemes import IBUG68
from fkd_infer.models.cards.landmark import InputSpec, LandmarkAccuracy, ModelCard
from fkd_infer.system.files.atomic import atomic_write, output_errors
from fkd_train.checkpoints import Checkpoint, load_landmark_network
from fkd_train.config.landmarks import LandmarkRecipe
from fkd_train.data.crop_sampler import CropSampler
from fkd_train.data.dataset import DataFolders, load_evaluation, load_split
from fkd_train.data.faces import Faces
from fkd_train.errors import VerificationError
from fkd_train.evaluation.accuracy import Evaluation, evaluate
from fkd_train.evaluation.calibration import scheme_rules
from fkd_train.evaluation.predict import convention_offsets, output_spec, torch_predict
from fkd_train.export.cards import (
    exporter_versions,
    licence,
    splits,
    training_record,
    weights_sha256,
    with_card,
)
from fkd_train.export.half import save_half
from fkd_train.export.torch_to_onnx import OPSET, torch_to_onnx
from fkd_train.export.verify import Verification, verification_faces, verify_model
from fkd_train.graphs.passes import EXACT_PASSES, apply_passes
from fkd_train.models.landmarks import LandmarkNet

FP32_BUDGET_PX = 0.01
FP32_BUDGET_SCORE = 1e-4


@dataclass(frozen=True)
class LandmarkSource:
    """A network to export, its recipe, and the evaluation faces of its data set, if there is one.

    `card` is the fp32 file's, without parity.
    """

    network: LandmarkNet
    recipe: LandmarkRecipe
    content: Checkpoint
    sampler: CropSampler
    faces: Faces | None
    card: ModelCard


@dataclass(frozen=True)
class ExportedLandmarks:
    """A written file, its card, and its verification."""

    path: Path
    card: ModelCard
    verification: Verification


def load_landmark_source(
    checkpoint: Path, data: DataFolders | None = None, half: bool = False
) -> LandmarkSource:
    """Loads a checkpoint's network, to be evaluated in the crops that the runtime cuts.

    With a data set, the card has the accuracy on its evaluation faces. With `half`, the weights are
    rounded to half precision.
    """
    network, recipe, content = load_landmark_network(checkpoint)
    if half:
        network = network.half().float()
    sampler = replace(CropSampler.of(recipe), config=replace(recipe.crop, reference="points"))
    card = _card(network, recipe, content["progress"]["epoch"])
    if data is None:
        return LandmarkSource(network, recipe, content, sampler, None, card)
    faces = load_evaluation(data, recipe.split, recipe.landmarks, configs=recipe.data)
    offsets = convention_offsets(network, recipe)
    evaluation = evaluate(torch_predict(network), faces, sampler, conventions=offsets)
    card = replace(
        card,
        accuracy=card_accuracies(evaluation, recipe),
        box_rules=_box_rules(data, recipe),
    )
    return LandmarkSource(network, recipe, content, sampler, faces, card)


def export_landmarks(
    checkpoint: Path, out: Path, data: DataFolders | None = None, half: Path | None = None
) -> ExportedLandmarks:
    """Writes the network of a checkpoint as ONNX, verified on the data set's or drawn faces.

    With a data set, the card also has the accuracy on the recipe's evaluation faces, in the crops
    that the runtime cuts. With `half`, the weights are first rounded to half precision, and also
    written to that checkpoint. Raises VerificationError, and writes nothing, if a point differs by
    more than 0.01 px or a score by more than 0.0001.
    """
    source = load_landmark_source(checkpoint, data, half is not None)
    model, verification = fp32_model(source, out)
    card = replace(source.card, parity=verification.parity)
    with atomic_write(out) as partial, output_errors(out):
        onnx.save(with_card(model, card), partial)
        if half is not None:
            save_half(half, source.network, source.content)
    return ExportedLandmarks(out, card, verification)


def fp32_model(source: LandmarkSource, out: Path) -> tuple[onnx.ModelProto, Verification]:
    """Exports and simplifies the graph, with its card, and compares it with the network.

    The graph is compared after the export and after each pass. Raises VerificationError.
    """
    faces = verification_faces(source.faces, source.sampler)
    model = with_card(_to_onnx(source.network, source.card), source.card)

    def check(candidate: onnx.ModelProto) -> str | None:
        verification = verify_model(source.network, candidate, faces)
        passes = verification.passes(FP32_BUDGET_PX, FP32_BUDGET_SCORE)
        return None if passes else _over_budget(verification)

    if problem := check(model):
        raise VerificationError.of_difference(out, problem)
    model = apply_passes(model, EXACT_PASSES, check)
    return model, verify_model(source.network, model, faces)


def _over_budget(verification: Verification) -> str:
    budget = f"{FP32_BUDGET_PX} px and a score's {FP32_BUDGET_SCORE}"
    return f"{verification.report()}; the budget is {budget}"


def split_name(recipe: LandmarkRecipe) -> str:
    """Returns the name of the evaluation faces of a recipe."""
    return f"{splits(recipe)} split"


def card_accuracies(evaluation: Evaluation, recipe: LandmarkRecipe) -> dict[str, LandmarkAccuracy]:
    """The evaluation of each data set in the form of the card, by data set and split."""
    parts = evaluation.by_set()
    own_splits = {row.name: row.split for row in recipe.data}
    named = {}
    for name, part in parts.items():
        split = f"{own_splits.get(name) or recipe.split} split"
        accuracy = part.accuracy
        named[split if len(parts) == 1 else f"{name}, {split}"] = LandmarkAccuracy(
            accuracy.nme, accuracy.failure_rate_10, accuracy.count, part.seed_mse
        )
    return named


def _box_rules(data: DataFolders, recipe: LandmarkRecipe) -> dict[str, BoxRule]:
    """Rules from detectors' boxes to a custom scheme's points; the built-in scheme has its own."""
    if recipe.landmarks == IBUG68:
        return {}
    return scheme_rules(load_split(data, recipe.split, recipe.landmarks, True, recipe.data)[0])


def _card(network: LandmarkNet, recipe: LandmarkRecipe, epochs: int) -> ModelCard:
    return ModelCard(
        name=recipe.name,
        architecture=recipe.model.name,
        scheme=recipe.scheme,
        input=InputSpec(recipe.model.size, recipe.model.channels),
        output=output_spec(network.spec),
        crop=recipe.crop.rule(),
        precision="fp32",
        opset=OPSET,
        training=training_record(recipe, epochs, weights_sha256(network)),
        licence=licence(recipe),
        exporter=exporter_versions(),
        convention=recipe.convention,
        conventions={
            name: tuple((round(float(x), 6), round(float(y), 6)) for x, y in offsets)
            for name, offsets in convention_offsets(network, recipe).items()
            if name != recipe.convention
        },
    )


def _to_onnx(network: LandmarkNet, card: ModelCard) -> onnx.ModelProto:
    size, channels = card.input.size, card.input.channels
    # The exporter would make a batch of one a constant.
    example = torch.zeros(2, size, size, channels, dtype=torch.uint8)
    batch = torch.export.Dim("batch", min=1)
    return torch_to_onnx(network, example, card.output.names, {0: batch}, card.opset)
