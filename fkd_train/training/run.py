"""One training run from a recipe: the parts put together."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import set_seed
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy
from torch.utils.data import Dataset

from fkd_infer.system.files.atomic import output_errors
from fkd_train.checkpoints import Checkpoint
from fkd_train.config.detector import DetectorRecipe
from fkd_train.config.landmarks import LandmarkRecipe
from fkd_train.config.recipe import Recipe, recipe_from_dict, recipe_to_dict
from fkd_train.data.augment import CropSampler
from fkd_train.data.dataset import Faces, evaluation_part, load_split
from fkd_train.data.fingerprint import Fingerprints, digest, fingerprint_faces
from fkd_train.data.loader import Batch, CropDataset, EpochBatchSampler, training_loader
from fkd_train.data.mosaic_dataset import MosaicDataset, mosaic_generator, read_other_faces
from fkd_train.errors import RunError
from fkd_train.evaluation.accuracy import Evaluation, evaluate, torch_predict
from fkd_train.evaluation.detector_evaluation import evaluate_detector, evaluation_sets, torch_find
from fkd_train.evaluation.metrics import EpochMetrics, LogRow
from fkd_train.losses.landmarks import build_loss
from fkd_train.models.detector import DetectorNet
from fkd_train.models.landmarks import LandmarkNet, build
from fkd_train.training.detector_task import mosaic_loss
from fkd_train.training.distributed import run_on_main_process
from fkd_train.training.log import RunLog
from fkd_train.training.run_folder import RunFolder
from fkd_train.training.trainer import Trainer, TrainingTask

SAVE_EVERY = 600.0
"""Seconds of an epoch after which it is saved as far as it got."""


@dataclass(frozen=True)
class RunResult:
    """How a run ended: what the last evaluation says, for people, or None where a signal stopped
    it, resumable.

    Of several processes, `is_main` is true in the one that tells people about it.
    """

    told: str | None
    is_main: bool


@dataclass(frozen=True)
class PreparedRun:
    """What a recipe comes down to: the network, its task, and `count` training images an epoch.
    `data` marks what it is trained and judged on. `finish` evaluates the trained network, draws
    plots, in the main process, of the log's rows, and says how it did."""

    network: nn.Module
    task: TrainingTask
    data: Fingerprints
    images: Dataset[Batch]
    count: int
    finish: Callable[[nn.Module, list[LogRow] | None], str]


def train(
    recipe: Recipe,
    data: Path,
    out: Path,
    *,
    resume: bool = False,
    force: bool = False,
    workers: int = 1,
    tensorboard: bool = False,
    save_every: float = SAVE_EVERY,
    tell: Callable[[str], None] = lambda _: None,
) -> RunResult:
    """Trains into a run folder: recipe.json, data.csv, log.csv, best.pt, last.pt, plots/.

    `last.pt` is saved after every epoch, and within one every `save_every` seconds. `force` resumes
    with another recipe or other data, too. `tell` is given lines for people, in the main process.
    Raises DatasetError for bad data; RunError where the folder holds a run already (without
    `resume`), or none (with it), or one of another recipe or data (without `force`), and while
    another process trains into it; and what Trainer.run raises.
    """
    accelerator = _accelerator(recipe)
    folder = RunFolder(out)
    with ExitStack() as held:
        run_on_main_process(accelerator, out, lambda: held.enter_context(folder.claimed(resume)))
        if isinstance(recipe, DetectorRecipe):
            job = _detector_job(recipe, data, accelerator)
        else:
            job = _landmark_job(recipe, data, out, accelerator)
        trainer = _trainer(recipe, job, accelerator, out, workers, tensorboard, save_every)
        settle = partial(_settle, folder, recipe, job.data, trainer, force, tell)
        run_on_main_process(accelerator, out, settle)
        if resume and not accelerator.is_main_process:
            trainer.resume()
        if not trainer.run():
            return RunResult(None, accelerator.is_main_process)
        rows = trainer.log.rows() if accelerator.is_main_process else None
        told = job.finish(trainer.result, rows)
        accelerator.end_training()
        return RunResult(told, accelerator.is_main_process)


def _trainer(
    recipe: Recipe,
    job: PreparedRun,
    accelerator: Accelerator,
    out: Path,
    workers: int,
    tensorboard: bool,
    save_every: float,
) -> Trainer:
    if accelerator.process_index:
        # The same weights in every process, but masks of dropout of its own.
        torch.manual_seed(recipe.seed + accelerator.process_index)
    batches = EpochBatchSampler(
        job.count,
        recipe.batch,
        recipe.seed,
        accelerator.process_index,
        accelerator.num_processes,
    )
    return Trainer(
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
        save_every=save_every,
    )


def _settle(
    folder: RunFolder,
    recipe: Recipe,
    data: Fingerprints,
    trainer: Trainer,
    force: bool,
    tell: Callable[[str], None],
) -> None:
    """Starts a run in its folder, or goes on with the one that is there."""
    if not folder.is_started:
        folder.start(recipe, data)
        return
    if not folder.knows_data:
        tell(
            f"{folder.path}: its run was started by a version that kept no record of the data; "
            "whether they are the same is not checked, and they are recorded now"
        )
    changes = folder.changes(recipe, data)
    if changes and not force:
        raise RunError(
            folder.path,
            f"was started with another recipe or other data: {'; '.join(changes)}",
            "resume with what it was, or go on all the same by --force",
        )
    trainer.resume()
    if changes:
        tell(f"{folder.path}: goes on by force, with changes: {'; '.join(changes)}")
        folder.change(changes, trainer.progress.epoch, recipe, data)
    elif not folder.knows_data:
        folder.start(recipe, data)


def _task(
    recipe: Recipe,
    loss: Callable[[nn.Module, Batch], Tensor],
    validate: Callable[[nn.Module], EpochMetrics],
    points: int,
    data: Fingerprints,
) -> TrainingTask:
    known = digest(data)

    def continues(saved: Checkpoint) -> bool:
        return recipe_from_dict(saved["recipe"]) == recipe and saved.get("data", known) == known

    return TrainingTask(
        loss=loss,
        validate=validate,
        # The official test rows choose nothing: there, the best weights are the latest.
        chooses=recipe.split != "official",
        header={"recipe": recipe_to_dict(recipe), "points": points, "data": known},
        continues=continues,
    )


def _known(recipe: Recipe, data: Path, training: Faces, evaluation_faces: Faces) -> Fingerprints:
    """Marks of all faces of a run, and of those that a detector's recipe knows beside them."""
    parts = {"training": "training", "evaluation": evaluation_part(recipe.split)}
    found: Fingerprints = ()
    for (use, part), faces in zip(parts.items(), (training, evaluation_faces), strict=True):
        named = recipe.others if isinstance(recipe, DetectorRecipe) else ""
        others = read_other_faces(named, part) if named else {}
        found += fingerprint_faces(use, data, part, faces, others)
    return found


def _landmark_job(
    recipe: LandmarkRecipe, data: Path, out: Path, accelerator: Accelerator
) -> PreparedRun:
    training, evaluation_faces = load_split(data, recipe.split, recipe.landmarks)
    set_seed(recipe.seed)
    network = build(recipe.model.spec(recipe.landmarks.count))
    sampler = CropSampler.of(recipe)

    def measure(network: nn.Module) -> Evaluation:
        assert isinstance(network, LandmarkNet)
        return evaluate(torch_predict(network, accelerator.device), evaluation_faces, sampler)

    def validate(network: nn.Module) -> EpochMetrics:
        measured = measure(network)
        figures = measured.accuracy
        row = {"nme": figures.nme, "failure_rate_10": figures.failure_rate_10}
        return EpochMetrics(row | {"seed_mse": measured.seed_mse}, figures.nme)

    def finish(network: nn.Module, rows: list[LogRow] | None) -> str:
        assert isinstance(network, LandmarkNet)
        measured = measure(network)
        if rows is not None:
            from fkd_train.reports.plots import plot_run

            with output_errors(out / "plots"):
                plot_run(out, rows, network, sampler, evaluation_faces, measured)
        figures = measured.accuracy
        return f"NME {figures.nme:.2f} %, seed MSE {measured.seed_mse:.4f} ({figures.count} faces)"

    known = _known(recipe, data, training, evaluation_faces)
    loss = _landmark_loss(recipe, accelerator)
    task = _task(recipe, loss, validate, recipe.landmarks.count, known)
    crops = CropDataset(training, sampler, recipe.augment, recipe.seed)
    return PreparedRun(network, task, known, crops, len(training), finish)


def _landmark_loss(
    recipe: LandmarkRecipe, accelerator: Accelerator
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


def _detector_job(recipe: DetectorRecipe, data: Path, accelerator: Accelerator) -> PreparedRun:
    training, evaluation_faces = load_split(data, recipe.split, colour=True)
    maker = mosaic_generator(recipe, training, "training")
    judged = evaluation_sets(recipe, evaluation_faces)
    set_seed(recipe.seed)
    network = DetectorNet(recipe.model.spec())

    def validate(network: nn.Module) -> EpochMetrics:
        assert isinstance(network, DetectorNet)
        return evaluate_detector(torch_find(network, accelerator.device), judged)

    def finish(network: nn.Module, _rows: list[LogRow] | None) -> str:
        row, mosaics = validate(network).row, recipe.mosaic.validation
        return (
            f"average precision {100 * row['mosaic_ap']:.2f} % on {mosaics} mosaics; "
            f"{100 * row['photo_recall']:.2f} % of {len(evaluation_faces)} faces found on images"
        )

    known = _known(recipe, data, training, evaluation_faces)
    task = _task(recipe, mosaic_loss(recipe, accelerator), validate, 5, known)
    mosaics = MosaicDataset(maker, recipe.seed)
    return PreparedRun(network, task, known, mosaics, recipe.mosaic.per_epoch, finish)


def _accelerator(recipe: Recipe) -> Accelerator:
    # accelerate keeps the precision of a process's first run; each of ours has its own.
    AcceleratorState._reset_state()
    return Accelerator(
        mixed_precision="bf16" if recipe.precision == "bf16" else "no",
        # Without being told, it takes each of several CPU processes for the only one.
        cpu=not torch.accelerator.is_available(),
    )
