"""One training run from a recipe: the parts put together."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import set_seed
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy
from torch.utils.data import Dataset

from fkd_infer.errors import RunError
from fkd_infer.wholefile import whole_file, writing
from fkd_train.augment import Sampler
from fkd_train.batches import Batch, EpochBatches, TrainingCrops, training_loader
from fkd_train.config import Recipe, recipe_to_dict
from fkd_train.data import load_split
from fkd_train.detector import DetectorNet
from fkd_train.detector_config import DetectorRecipe, detector_recipe_to_dict
from fkd_train.detector_run import (
    Mosaics,
    examined,
    exams,
    mosaic_loss,
    mosaic_maker,
    torch_find,
)
from fkd_train.evaluate import Evaluation, evaluate, torch_predict
from fkd_train.loop import Figures, Task, Trainer
from fkd_train.losses import build_loss
from fkd_train.models import LandmarkNet, build
from fkd_train.recipe_kinds import AnyRecipe, any_recipe, plain_recipe
from fkd_train.runlog import Row, RunLog

RECIPE_FILE = "recipe.json"


@dataclass(frozen=True)
class Finished:
    """How a run ended: what the last evaluation says, for people, or None where a signal stopped
    it, resumable.

    Of several processes, `is_main` is true in the one that tells people about it.
    """

    told: str | None
    is_main: bool


@dataclass(frozen=True)
class Job:
    """What a recipe comes down to: the network, its task, and `count` training images an epoch.
    `finish` evaluates the trained network, draws plots, in the main process, of the log's rows, and
    says how it did."""

    network: nn.Module
    task: Task
    images: Dataset[Batch]
    count: int
    finish: Callable[[nn.Module, list[Row] | None], str]


def train(
    recipe: AnyRecipe,
    data: Path,
    out: Path,
    *,
    resume: bool = False,
    workers: int = 1,
    tensorboard: bool = False,
) -> Finished:
    """Trains into a run folder: recipe.json, log.csv, best.pt, last.pt, plots/.

    Raises DatasetError for bad data, and RunError where the folder holds a run already (without
    `resume`), or none (with it).
    """
    accelerator = _accelerator(recipe)
    if accelerator.is_main_process:
        _check_folder(out, recipe, resume)
    accelerator.wait_for_everyone()
    if isinstance(recipe, DetectorRecipe):
        job = _detector_job(recipe, data, accelerator)
    else:
        job = _landmark_job(recipe, data, out, accelerator)
    if accelerator.process_index:
        # The same weights in every process, but masks of dropout of its own.
        torch.manual_seed(recipe.seed + accelerator.process_index)
    batches = EpochBatches(
        job.count,
        recipe.batch,
        recipe.seed,
        accelerator.process_index,
        accelerator.num_processes,
    )
    trainer = Trainer(
        task=job.task,
        network=job.network,
        config=recipe.optimizer,
        epochs=recipe.epochs,
        seed=recipe.seed,
        loader=training_loader(job.images, batches, workers),
        batches=batches,
        accelerator=accelerator,
        out=out,
        log=RunLog(out, accelerator.is_main_process, tensorboard),
    )
    if not resume and accelerator.is_main_process:
        _start_folder(out, recipe)
    if resume:
        trainer.resume()
    if not trainer.run():
        return Finished(None, accelerator.is_main_process)
    rows = trainer.log.rows() if accelerator.is_main_process else None
    told = job.finish(trainer.result, rows)
    accelerator.end_training()
    return Finished(told, accelerator.is_main_process)


def _landmark_job(recipe: Recipe, data: Path, out: Path, accelerator: Accelerator) -> Job:
    training, evaluation_faces = load_split(data, recipe.split, recipe.landmarks)
    set_seed(recipe.seed)
    network = build(recipe.model.spec(recipe.landmarks.count))
    sampler = Sampler.of(recipe)

    def measure(network: nn.Module) -> Evaluation:
        assert isinstance(network, LandmarkNet)
        return evaluate(torch_predict(network, accelerator.device), evaluation_faces, sampler)

    def validate(network: nn.Module) -> Figures:
        measured = measure(network)
        figures = measured.accuracy
        row = {"nme": figures.nme, "failure_rate_10": figures.failure_rate_10}
        return Figures(row | {"seed_mse": measured.seed_mse}, figures.nme)

    def finish(network: nn.Module, rows: list[Row] | None) -> str:
        assert isinstance(network, LandmarkNet)
        measured = measure(network)
        if rows is not None:
            from fkd_train.plots import plot_run

            plot_run(out, rows, network, sampler, evaluation_faces, measured)
        figures = measured.accuracy
        return f"NME {figures.nme:.2f} %, seed MSE {measured.seed_mse:.4f} ({figures.count} faces)"

    task = Task(
        loss=_landmark_loss(recipe, accelerator),
        validate=validate,
        # The official test rows choose nothing: there, the best weights are the latest.
        chooses=recipe.split != "official",
        header={"recipe": recipe_to_dict(recipe), "points": recipe.landmarks.count},
    )
    crops = TrainingCrops(training, sampler, recipe.augment, recipe.seed)
    return Job(network, task, crops, len(training), finish)


def _landmark_loss(
    recipe: Recipe, accelerator: Accelerator
) -> Callable[[nn.Module, Batch], Tensor]:
    """The points' loss, of faces alone but over all crops, and the score's."""
    of_points, unit = build_loss(recipe.loss), recipe.model.spec(recipe.landmarks.count).unit

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        images, points, presence = batch
        with accelerator.autocast():
            found, *scores = model(images)
        total = of_points((found - points) / unit * presence[:, None, None])
        for score in scores:
            total = total + recipe.loss.score * binary_cross_entropy(score, presence)
        return total

    return loss


def _detector_job(recipe: DetectorRecipe, data: Path, accelerator: Accelerator) -> Job:
    training, evaluation_faces = load_split(data, recipe.split, colour=True)
    maker = mosaic_maker(recipe, training, "training")
    judged = exams(recipe, evaluation_faces)
    set_seed(recipe.seed)
    network = DetectorNet(recipe.model.spec())

    def validate(network: nn.Module) -> Figures:
        assert isinstance(network, DetectorNet)
        return examined(torch_find(network, accelerator.device), judged)

    def finish(network: nn.Module, _rows: list[Row] | None) -> str:
        row, mosaics = validate(network).row, recipe.mosaic.validation
        return (
            f"average precision {100 * row['mosaic_ap']:.2f} % on {mosaics} mosaics; "
            f"{100 * row['photo_recall']:.2f} % of {len(evaluation_faces)} faces found on images"
        )

    task = Task(
        loss=mosaic_loss(recipe, accelerator),
        validate=validate,
        chooses=recipe.split != "official",
        header={"recipe": detector_recipe_to_dict(recipe), "points": 5},
    )
    return Job(network, task, Mosaics(maker, recipe.seed), recipe.mosaic.per_epoch, finish)


def _accelerator(recipe: AnyRecipe) -> Accelerator:
    # accelerate keeps the precision of a process's first run; each of ours has its own.
    AcceleratorState._reset_state()
    return Accelerator(
        mixed_precision="bf16" if recipe.precision == "bf16" else "no",
        # Without being told, it takes each of several CPU processes for the only one.
        cpu=not torch.accelerator.is_available(),
    )


def _check_folder(out: Path, recipe: AnyRecipe, resume: bool) -> None:
    file = out / RECIPE_FILE
    if file.exists() and not resume:
        way_out = "go on with it by --resume, or choose another --out"
        raise RunError(out, f"holds a training run already; {way_out}")
    if resume and not file.exists():
        raise RunError(out, "holds no training run to resume")
    if resume and not _is_of(file, recipe):
        raise RunError(out, "was started with another recipe; resume with that one")


def _is_of(file: Path, recipe: AnyRecipe) -> bool:
    """Whether a recipe.json says the same; one from before a field was added has its default."""
    try:
        return any_recipe(json.loads(file.read_text())) == recipe
    except ValueError:  # neither JSON nor a recipe, so not this one
        return False


def _start_folder(out: Path, recipe: AnyRecipe) -> None:
    file = out / RECIPE_FILE
    with whole_file(file) as partial, writing(file):
        partial.write_text(json.dumps(plain_recipe(recipe), indent=2) + "\n")
