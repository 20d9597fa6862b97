"""Trains a recipe into a run folder."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import nn

from fkd_train.checkpoints import Checkpoint
from fkd_train.config.detector import DetectorRecipe
from fkd_train.config.recipe import Recipe, recipe_values
from fkd_train.data.dataset import DataFolders, find_sets
from fkd_train.data.loader import EpochBatchSampler, training_loader
from fkd_train.distributed.agreement import require_same, require_same_data
from fkd_train.distributed.batch_norm import synchronise_batch_norm
from fkd_train.distributed.peers import Peers, joined_peers
from fkd_train.errors import RecipeError, RunError
from fkd_train.training.detector_task import detector_task
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
    peers: Peers | None = None,
) -> RunResult:
    """Trains into a run folder: recipe.json, options.json, data.csv, log.csv, checkpoints, plots/.

    `last.pt` is saved after every epoch, and within an epoch every `save_every` seconds. `force`
    resumes even with another recipe or other data. `init` is a file of weights; a new run starts
    with those that fit its network, and tells which. `notify` receives messages for the user, in
    the main process. `peers` are the processes that train together; by default those that a
    launcher started.

    The run folder, its checkpoints and `init` are the main process's; the others need no access to
    them. The recipe and the data must be the same everywhere.

    Raises DatasetError for bad data; RunError if the folder already holds a run (without `resume`),
    or none (with it), or one with another recipe or other data (without `force`), or while another
    process trains into it, or for initial weights of which none fits, or if recipe or data differ
    between the processes; RecipeError for a batch that is smaller than their number; NetworkError
    for a network that cannot be built; PeerError if another process fails or is lost; and the
    errors of Trainer.run.
    """
    with nullcontext(peers) if peers else joined_peers(out) as peers, ExitStack() as claims:
        folder, tell = RunFolder(out), notify if peers.is_main else _ignore
        peers.on_main(lambda: claims.enter_context(folder.claimed(resume)))
        recipe = _for_folders(recipe, data, tell)
        require_same(peers, recipe_values(recipe), "start all with the same --recipe and options")
        _check_batch(recipe, peers)
        accelerator = _accelerator(recipe)
        task = _build_task(recipe, data, accelerator, peers)
        require_same_data(peers, task.data)
        if init is not None:
            # The other processes get the main one's weights before the first step.
            peers.on_main(lambda: _start_with(init, task.network, notify))
        log = RunLog(out, peers.is_main, tensorboard)
        trainer = _build_trainer(recipe, task, accelerator, peers, log, workers, save_every)
        options = RunOptions.of(data, workers, save_every, tensorboard)
        saved = peers.on_main(lambda: _start_or_resume(folder, trainer, options, force, notify))
        if saved is not None and not peers.is_main:
            trainer.restore(saved)
        if not trainer.run():
            return RunResult(None, peers.is_main)
        summary = peers.on_main(lambda: task.finish(trainer.result, log.rows()))
        return RunResult(summary, peers.is_main)


def _ignore(_message: str) -> None:
    pass


def _check_batch(recipe: Recipe, peers: Peers) -> None:
    if recipe.batch < peers.count:
        problem = f"batch is {recipe.batch}, which cannot be divided among {peers.count} processes"
        raise RecipeError(recipe.name, problem, "start fewer, or use a larger --set batch=…")


def _start_with(file: Path, network: nn.Module, notify: Callable[[str], None]) -> None:
    """Loads those weights of a file that fit the network, and tells which."""
    for line in fit_weights(network, read_weights(file), file).report():
        notify(line)


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
    recipe: Recipe, data: DataFolders, accelerator: Accelerator, peers: Peers
) -> TrainingTask:
    if isinstance(recipe, DetectorRecipe):
        return detector_task(recipe, data, accelerator, peers)
    return landmark_task(recipe, data, accelerator, peers)


def _build_trainer(
    recipe: Recipe,
    task: TrainingTask,
    accelerator: Accelerator,
    peers: Peers,
    log: RunLog,
    workers: int,
    save_every: float,
) -> Trainer:
    batches = EpochBatchSampler(task.count, recipe.batch, recipe.seed, peers.rank, peers.count)
    network, steps = task.network, recipe.epochs * len(batches)
    if recipe.sync_batch_norm and peers.count > 1:
        network = synchronise_batch_norm(network, accelerator.device)
    return Trainer(
        task=task,
        identity=RunIdentity(recipe, task.points, task.data),
        state=TrainingState(network, recipe.optimizer, steps, accelerator),
        loader=training_loader(task.samples, batches, workers),
        batches=batches,
        accelerator=accelerator,
        peers=peers,
        log=log,
        save_every=save_every,
    )


def _start_or_resume(
    folder: RunFolder,
    trainer: Trainer,
    options: RunOptions,
    force: bool,
    notify: Callable[[str], None],
) -> Checkpoint | None:
    """Starts a run in its folder, or resumes the one that is there, from the checkpoint that is
    returned."""
    recipe, data = trainer.identity.recipe, trainer.identity.data
    if not folder.is_started:
        folder.record_options(options)
        folder.start(recipe, data)
        return None
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
    saved = trainer.resume()
    if changes:
        notify(f"{folder.path}: continues by --force, with changes: {'; '.join(changes)}")
        folder.change(changes, trainer.progress.epoch, recipe, data)
    elif not folder.records_data:
        folder.start(recipe, data)
    folder.record_options(options)
    return saved


def _accelerator(recipe: Recipe) -> Accelerator:
    # accelerate keeps the precision of a process's first run; each run has its own.
    AcceleratorState._reset_state()
    return Accelerator(
        mixed_precision="bf16" if recipe.precision == "bf16" else "no",
        # Otherwise each of several CPU processes would consider itself the only one.
        cpu=not torch.accelerator.is_available(),
    )
