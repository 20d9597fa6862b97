"""Trains a recipe into a run folder."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState

from fkd_train.config.detector import DetectorRecipe
from fkd_train.config.recipe import Recipe
from fkd_train.data.dataset import DataFolders, find_sets
from fkd_train.data.loader import EpochBatchSampler, training_loader
from fkd_train.errors import RunError
from fkd_train.training.detector_task import detector_task
from fkd_train.training.distributed import run_on_main_process
from fkd_train.training.landmark_task import landmark_task
from fkd_train.training.log import RunLog
from fkd_train.training.run_folder import SAVE_EVERY, RunFolder, RunOptions
from fkd_train.training.state import TrainingState
from fkd_train.training.task import RunIdentity, TrainingTask
from fkd_train.training.trainer import Trainer
from fkd_train.weights import fit_weights, read_weights


@dataclass(frozen=True)
class RunResult:
    """The end of a run: a summary of the last evaluation, or None if a signal stopped the run,
    resumable. `is_main` is true in the one process that reports to the user."""

    summary: str | None
    is_main: bool


def train(
    recipe: Recipe,
    data: DataFolders,
    out: Path,
    *,
    init: Path | None = None,
    resume: bool = False,
    force: bool = False,
    workers: int = 1,
    tensorboard: bool = False,
    save_every: float = SAVE_EVERY,
    notify: Callable[[str], None] = lambda _: None,
) -> RunResult:
    """Trains into a run folder: recipe.json, options.json, data.csv, log.csv, checkpoints, plots/.

    `last.pt` is saved after every epoch, and within an epoch every `save_every` seconds. `force`
    resumes even with another recipe or other data. `init` is a file of weights; a new run starts
    with those that fit its network, and tells which. `notify` receives messages for the user, in
    the main process.

    Raises DatasetError for bad data; RunError if the folder already holds a run (without `resume`),
    or none (with it), or one with another recipe or other data (without `force`), or while another
    process trains into it, or for initial weights of which none fits; NetworkError for a network
    that cannot be built; and the errors of Trainer.run.
    """
    accelerator = _accelerator(recipe)
    folder = RunFolder(out)
    with ExitStack() as claims:
        run_on_main_process(accelerator, out, lambda: claims.enter_context(folder.claimed(resume)))
        tell = notify if accelerator.is_main_process else _ignore
        recipe = _for_folders(recipe, data, tell)
        weights = {} if init is None else read_weights(init)
        task = _build_task(recipe, data, out, accelerator)
        if init is not None:
            for line in fit_weights(task.network, weights, init).report():
                tell(line)
        log = RunLog(out, accelerator.is_main_process, tensorboard)
        trainer = _build_trainer(recipe, task, accelerator, log, workers, save_every)
        options = RunOptions.of(data, workers, save_every, tensorboard)
        run_on_main_process(
            accelerator, out, lambda: _start_or_resume(folder, trainer, options, force, notify)
        )
        if resume and not accelerator.is_main_process:
            trainer.resume()
        if not trainer.run():
            return RunResult(None, accelerator.is_main_process)
        rows = log.rows() if accelerator.is_main_process else None
        summary = task.finish(trainer.result, rows)
        accelerator.end_training()
        return RunResult(summary, accelerator.is_main_process)


def _ignore(_message: str) -> None:
    pass


def _for_folders(recipe: Recipe, data: DataFolders, notify: Callable[[str], None]) -> Recipe:
    """The recipe with those of its data sets that have a folder; tells which have none."""
    used = [known.config for known in find_sets(data, recipe.data)]
    rows = tuple(row for row in recipe.data if row in used)
    missing = [f"{row.name} ({row.format})" for row in recipe.data if row not in used]
    if not missing:
        return recipe
    notify(f"recipe {recipe.name}: trains without {', '.join(missing)}, which no --data names")
    if isinstance(recipe, DetectorRecipe):
        return replace(recipe, data=rows)
    is_kept = recipe.convention in (None, *(row.name for row in rows))
    return replace(recipe, data=rows, convention=recipe.convention if is_kept else rows[0].name)


def _build_task(
    recipe: Recipe, data: DataFolders, out: Path, accelerator: Accelerator
) -> TrainingTask:
    if isinstance(recipe, DetectorRecipe):
        return detector_task(recipe, data, accelerator)
    return landmark_task(recipe, data, out, accelerator)


def _build_trainer(
    recipe: Recipe,
    task: TrainingTask,
    accelerator: Accelerator,
    log: RunLog,
    workers: int,
    save_every: float,
) -> Trainer:
    if accelerator.process_index:
        # All processes start with the same weights, but each has its own dropout masks.
        torch.manual_seed(recipe.seed + accelerator.process_index)
    batches = EpochBatchSampler(
        task.count,
        recipe.batch,
        recipe.seed,
        accelerator.process_index,
        accelerator.num_processes,
    )
    steps = recipe.epochs * len(batches)
    return Trainer(
        task=task,
        identity=RunIdentity(recipe, task.points, task.data),
        state=TrainingState(task.network, recipe.optimizer, steps, accelerator),
        loader=training_loader(task.samples, batches, workers),
        batches=batches,
        accelerator=accelerator,
        out=log.folder,
        log=log,
        save_every=save_every,
    )


def _start_or_resume(
    folder: RunFolder,
    trainer: Trainer,
    options: RunOptions,
    force: bool,
    notify: Callable[[str], None],
) -> None:
    """Starts a run in its folder, or resumes the one that is there."""
    recipe, data = trainer.identity.recipe, trainer.identity.data
    if not folder.is_started:
        folder.record_options(options)
        folder.start(recipe, data)
        return
    if not folder.records_data:
        notify(
            f"{folder.path}: this run was started by a version that did not record its data, so "
            "changes of the data are not checked; the data is recorded from now on"
        )
    changes = folder.changes(recipe, data)
    if changes and not force:
        raise RunError(
            folder.path,
            f"was started with another recipe or other data: {'; '.join(changes)}",
            "resume with the original ones, or continue with the changes by --force",
        )
    trainer.resume()
    if changes:
        notify(f"{folder.path}: continues by --force, with changes: {'; '.join(changes)}")
        folder.change(changes, trainer.progress.epoch, recipe, data)
    elif not folder.records_data:
        folder.start(recipe, data)
    folder.record_options(options)


def _accelerator(recipe: Recipe) -> Accelerator:
    # accelerate keeps the precision of a process's first run; each run has its own.
    AcceleratorState._reset_state()
    return Accelerator(
        mixed_precision="bf16" if recipe.precision == "bf16" else "no",
        # Otherwise each of several CPU processes would consider itself the only one.
        cpu=not torch.accelerator.is_available(),
    )
