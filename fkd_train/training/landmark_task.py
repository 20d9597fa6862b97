"""Training of a landmark network: random crops, the points' and the score's loss, NME."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy

from fkd_infer.system.files.atomic import output_errors
from fkd_train.config.landmarks import LandmarkRecipe
from fkd_train.data.crop_dataset import CropDataset
from fkd_train.data.crop_sampler import CropSampler
from fkd_train.data.dataset import DataFolders, load_split
from fkd_train.data.loader import Batch
from fkd_train.evaluation.accuracy import Evaluation, evaluate
from fkd_train.evaluation.metrics import EpochMetrics, LogRow
from fkd_train.evaluation.predict import torch_predict
from fkd_train.losses.landmarks import build_loss
from fkd_train.models.landmarks import LandmarkNet, build_landmark_net
from fkd_train.training.task import TrainingTask, fingerprint_run


def landmark_task(
    recipe: LandmarkRecipe, data: DataFolders, out: Path, accelerator: Accelerator
) -> TrainingTask:
    """Reads the data of a recipe and builds its network; plots go into `<out>/plots`."""
    training, evaluation_faces = load_split(
        data, recipe.split, recipe.landmarks, held_out=recipe.data.held_out
    )
    set_seed(recipe.seed)
    network = build_landmark_net(recipe.model.spec(recipe.landmarks.count))
    sampler = CropSampler.of(recipe)

    def measure(network: nn.Module) -> Evaluation:
        assert isinstance(network, LandmarkNet)
        return evaluate(torch_predict(network, accelerator.device), evaluation_faces, sampler)

    def validate(network: nn.Module) -> EpochMetrics:
        measured = measure(network)
        accuracy = measured.accuracy
        row = {"nme": accuracy.nme, "failure_rate_10": accuracy.failure_rate_10}
        return EpochMetrics(row | {"seed_mse": measured.seed_mse}, accuracy.nme)

    def finish(network: nn.Module, rows: list[LogRow] | None) -> str:
        assert isinstance(network, LandmarkNet)
        measured = measure(network)
        if rows is not None:
            from fkd_train.reports.plots import plot_run

            with output_errors(out / "plots"):
                plot_run(out, rows, network, sampler, evaluation_faces, measured)
        nme, count = measured.accuracy.nme, measured.accuracy.count
        return f"NME {nme:.2f} %, seed MSE {measured.seed_mse:.4f} ({count} faces)"

    return TrainingTask(
        network=network,
        samples=CropDataset(training, sampler, recipe.augment, recipe.seed),
        count=len(training),
        loss=_loss(recipe, accelerator),
        validate=validate,
        finish=finish,
        points=recipe.landmarks.count,
        data=fingerprint_run(recipe, training, evaluation_faces),
    )


def _loss(recipe: LandmarkRecipe, accelerator: Accelerator) -> Callable[[nn.Module, Batch], Tensor]:
    """The points' loss, zero for crops without a face, plus the weighted score's loss."""
    config, unit = recipe.loss, recipe.model.spec(recipe.landmarks.count).unit
    point_loss = build_loss(config.name, config.width, config.curvature)

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        images, points, presence = batch
        with accelerator.autocast():
            predicted, *scores = model(images)
        total = point_loss((predicted - points) / unit * presence[:, None, None])
        for score in scores:
            total = total + config.score * binary_cross_entropy(score, presence)
        return total

    return loss
