"""Training of a detector: mosaics, the loss of its cells, precision and recall."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import Tensor, nn

from fkd_infer.geometry.arrays import Floats
from fkd_train.config.detector import DetectorRecipe
from fkd_train.data.dataset import DataFolders, load_split
from fkd_train.data.loader import Batch
from fkd_train.data.mosaic_dataset import MosaicDataset, mosaic_generator
from fkd_train.data.other_faces import read_other_faces
from fkd_train.distributed.peers import Peers
from fkd_train.evaluation.detector_evaluation import (
    evaluate_detector,
    evaluation_sets,
    torch_detect,
)
from fkd_train.evaluation.metrics import EpochMetrics, LogRow
from fkd_train.models.detector import CellPredictions, DetectorNet, cell_centres
from fkd_train.training.task import RunData, TrainingTask, fingerprint_run


def detector_task(
    recipe: DetectorRecipe, data: DataFolders, accelerator: Accelerator, peers: Peers
) -> TrainingTask:
    """Reads the data of a recipe and builds its network."""

    def read_others(part: str) -> Mapping[str, Floats]:
        return read_other_faces(recipe.others, part)

    def read() -> RunData:
        faces = load_split(data, recipe.split, colour=True, configs=recipe.data)
        return RunData(*faces, fingerprint_run(recipe, *faces, read_others))

    training, evaluation_faces, fingerprints = peers.once_per_machine(read)
    generator = mosaic_generator(recipe, training, "training")
    test_sets = evaluation_sets(recipe, evaluation_faces) if peers.is_main else {}
    set_seed(recipe.seed)
    network = DetectorNet(recipe.model.spec())

    def validate(network: nn.Module) -> EpochMetrics:
        assert isinstance(network, DetectorNet)
        return evaluate_detector(torch_detect(network, accelerator.device), test_sets)

    def finish(network: nn.Module, _rows: list[LogRow]) -> str:
        row, mosaics = validate(network).row, recipe.mosaic.validation
        return (
            f"average precision {100 * row['mosaic_ap']:.2f} % on {mosaics} mosaics; "
            f"{100 * row['photo_recall']:.2f} % of {len(evaluation_faces)} faces found on images"
        )

    return TrainingTask(
        network=network,
        samples=MosaicDataset(generator, recipe.seed),
        count=recipe.mosaic.per_epoch,
        loss=_loss(recipe, accelerator),
        validate=validate,
        finish=finish,
        points=5,
        data=fingerprints,
    )


def _loss(recipe: DetectorRecipe, accelerator: Accelerator) -> Callable[[nn.Module, Batch], Tensor]:
    factors = recipe.model.spec().factors
    centres = cell_centres(recipe.mosaic.size, factors, torch.zeros(0, device=accelerator.device))
    cell_loss = recipe.loss.loss()

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        images, boxes, points, kinds = batch
        with accelerator.autocast():
            predicted: CellPredictions = model(images)
        return cell_loss(predicted, centres, (boxes, points, kinds))

    return loss
