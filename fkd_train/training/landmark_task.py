"""Training of a landmark network: random crops, the points' and the score's loss, NME."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy

from fkd_infer.system.files.atomic import output_errors
from fkd_train.config.landmarks import LandmarkRecipe
from fkd_train.data.check import check_training_faces
from fkd_train.data.crop_dataset import CropDataset
from fkd_train.data.crop_sampler import CropSampler
from fkd_train.data.dataset import DataFolders, load_split
from fkd_train.data.draws import FaceDraws
from fkd_train.data.loader import Batch
from fkd_train.distributed.peers import Peers
from fkd_train.evaluation.accuracy import Evaluation, evaluate
from fkd_train.evaluation.metrics import EpochMetrics, LogRow
from fkd_train.evaluation.predict import convention_offsets, torch_predict
from fkd_train.losses.landmarks import build_loss, quality, spread_loss
from fkd_train.models.landmarks import LandmarkNet, build_landmark_net
from fkd_train.training.task import RunData, TrainingTask, fingerprint_run
from fkd_train.training.teacher import Teacher


def landmark_task(
    recipe: LandmarkRecipe, data: DataFolders, accelerator: Accelerator, peers: Peers
) -> TrainingTask:
    """Builds the network of a recipe and reads its data; plots go into `<run>/plots`."""
    # First, since a network that cannot be built is found out in less time than data is read.
    set_seed(recipe.seed)
    network = build_landmark_net(recipe.spec())
    sampler = CropSampler.of(recipe)

    def read() -> RunData:
        training, evaluation = load_split(
            data, recipe.split, recipe.landmarks, sampler.in_colour, recipe.data
        )
        check_training_faces(training, recipe.name, recipe.augment.flip)
        return RunData(training, evaluation, fingerprint_run(recipe, training, evaluation))

    training, evaluation_faces, fingerprints = peers.once_per_machine(read)
    draws = FaceDraws.of(training, recipe.data)
    names = tuple(row.name for row in recipe.data)

    def measure(network: nn.Module) -> Evaluation:
        assert isinstance(network, LandmarkNet)
        predict = torch_predict(network, accelerator.device)
        offsets = convention_offsets(network, recipe)
        return evaluate(predict, evaluation_faces, sampler, conventions=offsets)

    def validate(network: nn.Module) -> EpochMetrics:
        measured = measure(network)
        accuracy = measured.accuracy
        row = {"nme": accuracy.nme, "failure_rate_10": accuracy.failure_rate_10}
        by_set = {name: part.accuracy.nme for name, part in measured.by_set().items()}
        if len(by_set) > 1:
            row |= {f"nme_{name}": value for name, value in by_set.items()}
        # Each data set counts alike in the choice of the best epoch, whatever its size.
        error = float(np.mean(list(by_set.values())))
        return EpochMetrics(row | measured.seed_metric(), error)

    def finish(network: nn.Module, rows: list[LogRow]) -> str:
        from fkd_train.reports.plots import plot_run

        assert isinstance(network, LandmarkNet)
        measured = measure(network)
        with output_errors(peers.run / "plots"):
            plot_run(peers.run, rows, recipe, network, evaluation_faces, measured)
        parts = [f"{one.accuracy.nme:.2f} % ({name})" for name, one in measured.by_set().items()]
        mse = "" if measured.seed_mse is None else f", seed MSE {measured.seed_mse:.4f}"
        return f"NME {', '.join(parts)}{mse} ({measured.accuracy.count} faces)"

    return TrainingTask(
        network=network,
        samples=CropDataset(training, draws, names, sampler, recipe.augment, recipe.seed),
        count=len(draws),
        loss=_loss(recipe, accelerator),
        validate=validate,
        finish=finish,
        points=recipe.landmarks.count,
        data=fingerprints,
    )


def _loss(recipe: LandmarkRecipe, accelerator: Accelerator) -> Callable[[nn.Module, Batch], Tensor]:
    """The loss of labelled points, zero for crops without a face, plus the weighted losses of score
    and spread."""
    config, unit = recipe.loss, recipe.spec().unit
    eye_corners = recipe.landmarks.outer_eye_corners
    teacher = None
    if config.teacher is not None:
        teacher = Teacher(Path(config.teacher), recipe, accelerator.device)
    point_loss = build_loss(config.name, config.width, config.curvature)

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        images, points, weights, presence, data_sets, mirrored = batch
        with accelerator.autocast():
            predicted, *others = model(images, data_sets, mirrored)
            taught = points if teacher is None else teacher(images, data_sets, mirrored)
        target = torch.lerp(points, taught, config.teaching)
        total = point_loss((predicted - target) / unit * weights[..., None])
        outputs = iter(others)
        if recipe.model.score:
            true_score = presence * quality(predicted.detach(), points, eye_corners, weights)
            total = total + config.score * binary_cross_entropy(next(outputs), true_score)
        if recipe.model.spread:
            distance = (predicted.detach() - points).norm(dim=-1)
            expected = spread_loss(next(outputs) / unit, distance / unit)
            total = total + config.spread * (expected * weights).mean()
        return total

    return loss
