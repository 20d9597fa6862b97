"""From a checkpoint to an ONNX file that describes itself and is proven equal, or to no file."""

from __future__ import annotations

import hashlib
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
import torch

import fkd_infer
from fkd_infer.card import METADATA_KEY, InputSpec, Measured, ModelCard, Training
from fkd_infer.crop import transform
from fkd_infer.errors import VerificationError
from fkd_infer.schemes import IBUG68
from fkd_infer.session import LandmarkSession
from fkd_train.augment import Sampler
from fkd_train.checkpoint import load_network
from fkd_train.config import Recipe
from fkd_train.data import Faces, load_evaluation
from fkd_train.drawn import draw_face
from fkd_train.evaluate import evaluate, evaluation_crops, torch_predict
from fkd_train.models import LandmarkNet
from fkd_train.verify import Verification, VerificationFaces, verify

OPSET = 18
FP32_BUDGET_PX = 0.01
DATA_NAME = "youtube-faces-68"
LICENCE = (
    "weights trained on YouTube Faces (Wolf, Hassner, Maoz, 2011) with 68 keypoints, a research "
    "data set: for research use"
)


@dataclass(frozen=True)
class Exported:
    """A file that was written, its card, and the check that it passed."""

    path: Path
    card: ModelCard
    verification: Verification


def export(checkpoint: Path, out: Path, data: Path | None = None) -> Exported:
    """Writes the network of a checkpoint as ONNX, verified against torch on real or drawn faces.

    With a data set, the card also gets the accuracy on the recipe's evaluation faces. Raises
    VerificationError, and writes nothing, where a point differs by more than 0.01 px.
    """
    network, recipe, content = load_network(checkpoint)
    sampler = Sampler(recipe.model.size, recipe.model.channels, recipe.crop, IBUG68)
    faces = load_evaluation(data, recipe.split) if data else None
    card = _card(network, recipe, content["progress"]["epoch"])
    if faces is not None:
        card = replace(card, accuracy={f"{recipe.split} split": _measure(network, faces, sampler)})
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".fkd-export-") as folder:
        partial = Path(folder) / out.name
        onnx.save(_to_onnx(network, card), partial)
        verification = _verify(network, partial, _verification_faces(faces, sampler))
        if not verification.passes(FP32_BUDGET_PX):
            budget = f"{verification.report()}; the budget is {FP32_BUDGET_PX} px"
            raise VerificationError(out, budget)
        card = replace(card, parity=verification.parity)
        onnx.save(_with_card(onnx.load(partial), card), partial)
        partial.replace(out)
    return Exported(out, card, verification)


def weights_sha256(network: LandmarkNet) -> str:
    """A digest of all weights, in the order of their names."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


def _card(network: LandmarkNet, recipe: Recipe, epochs: int) -> ModelCard:
    return ModelCard(
        name=recipe.name,
        architecture=recipe.model.name,
        scheme=IBUG68.name,
        input=InputSpec(recipe.model.size, recipe.model.channels),
        crop=recipe.crop.rule(),
        precision="fp32",
        opset=OPSET,
        training=Training(
            recipe.name, DATA_NAME, recipe.split, epochs, recipe.seed, weights_sha256(network)
        ),
        licence=LICENCE,
        exporter={name: version(name) for name in ("torch", "onnx", "onnxscript")}
        | {"fkd": fkd_infer.__version__},
    )


def _measure(network: LandmarkNet, faces: Faces, sampler: Sampler) -> Measured:
    result = evaluate(torch_predict(network), faces, sampler)
    figures = result.accuracy
    return Measured(figures.nme, figures.failure_rate_10, figures.count, result.seed_mse)


def _to_onnx(network: LandmarkNet, card: ModelCard) -> onnx.ModelProto:
    size, channels = card.input.size, card.input.channels
    # A batch of one would be taken for a constant.
    example = torch.zeros(2, size, size, channels, dtype=torch.uint8)
    with warnings.catch_warnings():
        # The exporter's own use of what its libraries deprecate; nothing a user can act on.
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network,
            (example,),
            input_names=["image"],
            output_names=["points"],
            dynamic_shapes={"image": {0: torch.export.Dim("batch", min=1)}},
            opset_version=card.opset,
            external_data=False,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    onnx.checker.check_model(model, full_check=True)
    return _with_card(model, card)


def _with_card(model: onnx.ModelProto, card: ModelCard) -> onnx.ModelProto:
    metadata: Mapping[str, str] = {p.key: p.value for p in model.metadata_props}
    onnx.helper.set_model_props(model, {**metadata, METADATA_KEY: card.to_json()})
    return model


def _verification_faces(
    faces: Faces | None, sampler: Sampler, count: int = 64
) -> VerificationFaces:
    """The first faces of the data set, or drawn ones, as the network's crops."""
    source = "real faces"
    if faces is None:
        source = "drawn faces"
        rng = np.random.default_rng(0)
        drawn = [draw_face(200, rng) for _ in range(count)]
        images, points = zip(*drawn, strict=True)
        faces = Faces(("drawn",) * count, images, np.stack(points))
    chosen = faces.rows(range(min(count, len(faces))))
    crops, matrices = evaluation_crops(chosen, sampler)
    return VerificationFaces(crops, transform(chosen.points, matrices), chosen.scheme, source)


def _verify(network: LandmarkNet, path: Path, faces: VerificationFaces) -> Verification:
    return verify(torch_predict(network), LandmarkSession(path, "cpu").run, faces)
