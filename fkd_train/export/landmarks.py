"""From a checkpoint to an ONNX file that describes itself and is proven equal, or to no file."""

from __future__ import annotations

import hashlib
import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import torch
from torch import nn

import fkd_infer
from fkd_infer.geometry.rules import BoxRule
from fkd_infer.geometry.transforms import transform
from fkd_infer.landmarks.schemes import IBUG68
from fkd_infer.models.cards.base import METADATA_KEY, Training
from fkd_infer.models.cards.detector import DetectorCard
from fkd_infer.models.cards.landmark import InputSpec, LandmarkAccuracy, ModelCard, OutputSpec
from fkd_infer.runtime.session import LandmarkSession
from fkd_infer.system.files.atomic import atomic_write, output_errors
from fkd_train.checkpoints import Checkpoint, load_landmark_network, save_checkpoint
from fkd_train.config.landmarks import LandmarkRecipe
from fkd_train.config.recipe import Recipe
from fkd_train.data.crop_sampler import CropSampler
from fkd_train.data.dataset import load_evaluation, load_split
from fkd_train.data.faces import Faces
from fkd_train.data.synthetic import draw_face
from fkd_train.errors import VerificationError
from fkd_train.evaluation.accuracy import Evaluation, evaluate, evaluation_crops, torch_predict
from fkd_train.evaluation.calibration import scheme_rules
from fkd_train.export.verify import Verification, VerificationFaces, verify
from fkd_train.graphs.passes import EXACT, apply
from fkd_train.models.landmarks import LandmarkNet

OPSET = 18
FP32_BUDGET_PX = 0.01
FP32_BUDGET_SCORE = 1e-4


@dataclass(frozen=True)
class Source:
    """What is exported: a network, its recipe, and the faces that it is judged on, if any.

    `card` is the fp32 file's, without parity.
    """

    network: LandmarkNet
    recipe: LandmarkRecipe
    content: Checkpoint
    sampler: CropSampler
    faces: Faces | None
    card: ModelCard


@dataclass(frozen=True)
class Exported:
    """A file that was written, its card, and the check that it passed."""

    path: Path
    card: ModelCard
    verification: Verification


def load_source(checkpoint: Path, data: Path | None = None, half: bool = False) -> Source:
    """A checkpoint's network, with the crops that the runtime cuts.

    With a data set, its evaluation faces, and the accuracy on them in the card. With `half`, the
    weights are rounded to half precision.
    """
    network, recipe, content = load_landmark_network(checkpoint)
    if half:
        network = network.half().float()
    sampler = replace(CropSampler.of(recipe), config=replace(recipe.crop, reference="points"))
    card = _card(network, recipe, content["progress"]["epoch"])
    if data is None:
        return Source(network, recipe, content, sampler, None, card)
    faces = load_evaluation(data, recipe.split, recipe.landmarks)
    result = evaluate(torch_predict(network), faces, sampler)
    card = replace(
        card,
        accuracy={protocol(recipe): measured(result)},
        box_rules=_box_rules(data, recipe),
    )
    return Source(network, recipe, content, sampler, faces, card)


def export(
    checkpoint: Path, out: Path, data: Path | None = None, half: Path | None = None
) -> Exported:
    """Writes the network of a checkpoint as ONNX, verified against torch on real or drawn faces.

    With a data set, the card also gets the accuracy on the recipe's evaluation faces, in the crops
    that the runtime cuts. With `half`, the weights are rounded to half precision first, and written
    there as a checkpoint of half the size. Raises VerificationError, and writes nothing, where a
    point differs by more than 0.01 px, or a score by more than 0.0001.
    """
    source = load_source(checkpoint, data, half is not None)
    model, verification = fp32_model(source, out)
    card = replace(source.card, parity=verification.parity)
    with atomic_write(out) as partial, output_errors(out):
        onnx.save(with_card(model, card), partial)
        if half is not None:
            save_half(half, source.network, source.content)
    return Exported(out, card, verification)


def fp32_model(source: Source, out: Path) -> tuple[onnx.ModelProto, Verification]:
    """The exported and simplified graph with its card, and how it compares with the network.

    Compared as exported and after each pass. Raises VerificationError.
    """
    faces = verification_faces(source.faces, source.sampler)
    model = with_card(_to_onnx(source.network, source.card), source.card)
    first = _verification(source.network, model, faces)
    if not first.passes(FP32_BUDGET_PX, FP32_BUDGET_SCORE):
        raise VerificationError.of_difference(out, _over_budget(first))

    def check(after: onnx.ModelProto) -> str | None:
        found = _verification(source.network, after, faces)
        passes = found.passes(FP32_BUDGET_PX, FP32_BUDGET_SCORE)
        return None if passes else _over_budget(found)

    model = apply(model, EXACT, check)
    return model, _verification(source.network, model, faces)


def _over_budget(verification: Verification) -> str:
    allowed = f"{FP32_BUDGET_PX} px and a score's {FP32_BUDGET_SCORE}"
    return f"{verification.report()}; the budget is {allowed}"


def protocol(recipe: LandmarkRecipe) -> str:
    """What the card calls the evaluation faces of a recipe."""
    return f"{recipe.split} split"


def measured(result: Evaluation) -> LandmarkAccuracy:
    """An evaluation as the card has it."""
    figures = result.accuracy
    return LandmarkAccuracy(figures.nme, figures.failure_rate_10, figures.count, result.seed_mse)


def _box_rules(data: Path, recipe: LandmarkRecipe) -> dict[str, BoxRule]:
    """Where detectors' boxes have points of one's own; the built-in scheme's are known."""
    if recipe.landmarks == IBUG68:
        return {}
    return scheme_rules(load_split(data, recipe.split, recipe.landmarks, colour=True)[0])


def save_half(path: Path, network: nn.Module, content: Checkpoint) -> None:
    """The weights alone, in half precision, of a network that was rounded to it."""
    kept = {key: content[key] for key in ("recipe", "points", "progress")}
    weights = {
        name: tensor.half() if tensor.is_floating_point() else tensor
        for name, tensor in network.state_dict().items()
    }
    save_checkpoint(path, {**kept, "weights": weights})


def weights_sha256(network: nn.Module) -> str:
    """A digest of all weights, in the order of their names; counters of steps are none."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        if not tensor.is_floating_point():
            continue
        digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


def _card(network: LandmarkNet, recipe: LandmarkRecipe, epochs: int) -> ModelCard:
    return ModelCard(
        name=recipe.name,
        architecture=recipe.model.name,
        scheme=recipe.scheme,
        input=InputSpec(recipe.model.size, recipe.model.channels),
        output=OutputSpec(score=recipe.model.score),
        crop=recipe.crop.rule(),
        precision="fp32",
        opset=OPSET,
        training=trained(recipe, epochs, weights_sha256(network)),
        licence=f"weights trained on: {recipe.data.licence}",
        exporter=versions(),
    )


def trained(recipe: Recipe, epochs: int, digest: str) -> Training:
    """Where the weights of a recipe come from, as a card has it."""
    data, split, seed = recipe.data.name, recipe.split, recipe.seed
    return Training(recipe.name, data, split, epochs, seed, digest)


def versions() -> dict[str, str]:
    """What a file is exported by."""
    found = {name: version(name) for name in ("torch", "onnx", "onnxscript")}
    return found | {"fkd": fkd_infer.__version__}


def _to_onnx(network: LandmarkNet, card: ModelCard) -> onnx.ModelProto:
    size, channels = card.input.size, card.input.channels
    # A batch of one would be taken for a constant.
    example = torch.zeros(2, size, size, channels, dtype=torch.uint8)
    outputs = ["points", "score"] if card.output.score else ["points"]
    batch = torch.export.Dim("batch", min=1)
    return exported_program(network, example, outputs, {0: batch}, card.opset)


def exported_program(
    network: nn.Module,
    example: torch.Tensor,
    outputs: Sequence[str],
    sizes: dict[int, Any],
    opset: int,
) -> onnx.ModelProto:
    """A network's graph as torch exports it, from `image` to outputs of these names; `sizes` are
    the axes of the image that may be of any length."""
    with warnings.catch_warnings():
        # The exporter's own use of what its libraries deprecate, and that torchvision's operators
        # are not there: nothing that a user could act on.
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx._internal.exporter._registration").setLevel(logging.ERROR)
        program = torch.onnx.export(
            network,
            (example,),
            input_names=["image"],
            output_names=list(outputs),
            dynamic_shapes={"image": sizes},
            opset_version=opset,
            external_data=False,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    _strip_traces(model)
    onnx.checker.check_model(model, full_check=True)
    return model


def _strip_traces(model: onnx.ModelProto) -> None:
    """Drops the exporter's notes on every node: they name files of the machine it ran on."""
    graphs = [model.graph, *model.functions]
    values = [*model.graph.value_info, *model.graph.input, *model.graph.output]
    nodes = [node for graph in graphs for node in graph.node]
    for part in [model, *graphs, *values, *nodes, *model.graph.initializer]:
        part.doc_string = ""
        del part.metadata_props[:]


def with_card(model: onnx.ModelProto, card: ModelCard | DetectorCard) -> onnx.ModelProto:
    """The model itself, its card replaced."""
    metadata: Mapping[str, str] = {p.key: p.value for p in model.metadata_props}
    onnx.helper.set_model_props(model, {**metadata, METADATA_KEY: card.to_json()})
    return model


def verification_faces(
    faces: Faces | None, sampler: CropSampler, count: int = 64
) -> VerificationFaces:
    """The first faces of the data set, or drawn ones, as the network's crops.

    Drawn faces have points of their own scheme; for a network of another, they have none.
    """
    source = "real faces"
    if faces is None:
        source = "drawn faces"
        rng = np.random.default_rng(0)
        drawn = [draw_face(200, rng) for _ in range(count)]
        images, points = zip(*drawn, strict=True)
        faces = Faces(("drawn",) * count, images, np.stack(points))
    chosen = faces.rows(range(min(count, len(faces))))
    crops, matrices = evaluation_crops(chosen, sampler)
    true = transform(chosen.points, matrices) if chosen.scheme == sampler.scheme else None
    return VerificationFaces(crops, true, chosen.scheme, source)


def _verification(
    network: LandmarkNet, model: onnx.ModelProto, faces: VerificationFaces
) -> Verification:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        onnx.save(model, path)
        return verify(torch_predict(network), LandmarkSession(path, "cpu").run, faces)
