"""One training run from a recipe: the parts put together."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import set_seed

from fkd_infer.errors import RunError
from fkd_infer.wholefile import whole_file, writing
from fkd_train.augment import Sampler
from fkd_train.batches import EpochBatches, TrainingCrops, training_loader
from fkd_train.config import Recipe, recipe_from_dict, recipe_to_dict
from fkd_train.data import load_split
from fkd_train.evaluate import Evaluation, evaluate, torch_predict
from fkd_train.loop import Trainer
from fkd_train.losses import build_loss
from fkd_train.models import LandmarkNet, build
from fkd_train.runlog import RunLog

RECIPE_FILE = "recipe.json"


@dataclass(frozen=True)
class Finished:
    """How a run ended: the last evaluation, or None where a signal stopped it, resumable.

    Of several processes, `is_main` is true in the one that tells people about it.
    """

    evaluation: Evaluation | None
    is_main: bool


def train(
    recipe: Recipe,
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
    training, evaluation_faces = load_split(data, recipe.split, recipe.landmarks)
    set_seed(recipe.seed)
    network = build(recipe.model.spec(recipe.landmarks.count))
    if accelerator.process_index:
        # The same weights in every process, but masks of dropout of its own.
        torch.manual_seed(recipe.seed + accelerator.process_index)
    sampler = Sampler.of(recipe)
    batches = EpochBatches(
        len(training),
        recipe.batch,
        recipe.seed,
        accelerator.process_index,
        accelerator.num_processes,
    )
    crops = TrainingCrops(training, sampler, recipe.augment, recipe.seed)

    def validate(network: LandmarkNet) -> Evaluation:
        return evaluate(torch_predict(network, accelerator.device), evaluation_faces, sampler)

    trainer = Trainer(
        recipe=recipe,
        network=network,
        loss=build_loss(recipe.loss),
        loader=training_loader(crops, batches, workers),
        batches=batches,
        validate=validate,
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
    evaluation = validate(trainer.result)
    if accelerator.is_main_process:
        from fkd_train.plots import plot_run

        plot_run(out, trainer.log.rows(), trainer.result, sampler, evaluation_faces, evaluation)
    accelerator.end_training()
    return Finished(evaluation, accelerator.is_main_process)


def _accelerator(recipe: Recipe) -> Accelerator:
    # accelerate keeps the precision of a process's first run; each of ours has its own.
    AcceleratorState._reset_state()
    return Accelerator(
        mixed_precision="bf16" if recipe.precision == "bf16" else "no",
        # Without being told, it takes each of several CPU processes for the only one.
        cpu=not torch.accelerator.is_available(),
    )


def _check_folder(out: Path, recipe: Recipe, resume: bool) -> None:
    file = out / RECIPE_FILE
    if file.exists() and not resume:
        way_out = "go on with it by --resume, or choose another --out"
        raise RunError(out, f"holds a training run already; {way_out}")
    if resume and not file.exists():
        raise RunError(out, "holds no training run to resume")
    if resume and not _is_of(file, recipe):
        raise RunError(out, "was started with another recipe; resume with that one")


def _is_of(file: Path, recipe: Recipe) -> bool:
    """Whether a recipe.json says the same; one from before a field was added has its default."""
    try:
        return recipe_from_dict(json.loads(file.read_text())) == recipe
    except ValueError:  # neither JSON nor a recipe, so not this one
        return False


def _start_folder(out: Path, recipe: Recipe) -> None:
    file = out / RECIPE_FILE
    with whole_file(file) as partial, writing(file):
        partial.write_text(json.dumps(recipe_to_dict(recipe), indent=2) + "\n")
