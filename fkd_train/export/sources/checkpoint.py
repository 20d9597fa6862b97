"""The landmark network of a checkpoint, as a source of exports."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from fkd_infer.models.cards.landmark import InputSpec, ModelCard
from fkd_train.checkpoints import Checkpoint, load_landmark_network
from fkd_train.config.landmarks import LandmarkRecipe
from fkd_train.data.crop_sampler import CropSampler
from fkd_train.data.dataset import DataFolders
from fkd_train.evaluation.predict import convention_offsets, output_spec, torch_predict
from fkd_train.export.cards import exporter_versions, licence, training_record, weights_sha256
from fkd_train.export.sources.source import ExportData, LandmarkSource
from fkd_train.export.torch_to_onnx import DEFAULT_GRAPH, GraphSettings, landmarks_to_onnx
from fkd_train.models.landmarks import LandmarkNet, WithoutBorder


@dataclass(frozen=True, kw_only=True)
class CheckpointSource(LandmarkSource):
    """A checkpoint's network, and the checkpoint itself."""

    network: LandmarkNet
    content: Checkpoint


def load_checkpoint_source(
    checkpoint: Path,
    data: DataFolders | None = None,
    half: bool = False,
    settings: GraphSettings = DEFAULT_GRAPH,
) -> CheckpointSource:
    """Loads a checkpoint's network, to be evaluated in the crops that the runtime cuts.

    With a data set, the card has the accuracy on its evaluation faces. With `half`, the weights are
    rounded to half precision.
    """
    network, recipe, content = load_landmark_network(checkpoint)
    if half:
        network = network.half().float()
    card = _card(network, recipe, content["progress"]["epoch"], settings)
    known = None
    if data is not None:
        colour = card.input.channels == 3
        known = ExportData(data, recipe.split, recipe.landmarks, colour, recipe.data)
    exported = network if settings.border else WithoutBorder(network)
    source = CheckpointSource(
        predict=torch_predict(network),
        build_graph=lambda: landmarks_to_onnx(
            exported, card.name, card.input, card.output, settings
        ),
        card=card,
        sampler=replace(CropSampler.of(recipe), config=replace(recipe.crop, reference="points")),
        data=known,
        conventions=convention_offsets(network, recipe),
        network=network,
        content=content,
    )
    return source.measured()


def _card(
    network: LandmarkNet, recipe: LandmarkRecipe, epochs: int, settings: GraphSettings
) -> ModelCard:
    return ModelCard(
        name=recipe.name,
        architecture=recipe.model.name,
        scheme=recipe.scheme,
        input=InputSpec.of(recipe.model.size, recipe.model.channels, settings.border),
        output=output_spec(network.spec),
        crop=recipe.crop.rule(),
        precision="fp32",
        opset=settings.opset,
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
