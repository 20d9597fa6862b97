"""The training loop. It knows neither the network nor the source of its batches."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from fkd_train.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from fkd_train.data.loader import Batch, EpochBatchSampler, end_workers
from fkd_train.distributed.peers import Peers
from fkd_train.errors import DivergedError, RunError
from fkd_train.training.faults import fetch_batches, translate_faults
from fkd_train.training.log import RunLog
from fkd_train.training.signals import on_stop_signal
from fkd_train.training.state import TrainingState
from fkd_train.training.task import RunIdentity, TrainingTask


@dataclass
class Progress:
    """The position of a run, and the sums over its unfinished epoch."""

    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    wait_seconds: float = 0.0
    step_seconds: float = 0.0
    best: float = float("inf")

    def __str__(self) -> str:
        if not self.step:
            return f"the end of epoch {self.epoch}"
        return f"step {self.step} of epoch {self.epoch + 1}"


@dataclass
class Trainer:
    """One run: trains, evaluates, logs and saves; can be stopped and resumed at any step.

    `last.pt` is saved after every epoch, and within an epoch every `save_every` seconds. Weights
    that are not finite are never saved.
    """

    task: TrainingTask
    identity: RunIdentity
    state: TrainingState
    loader: DataLoader[Batch]
    batches: EpochBatchSampler
    accelerator: Accelerator
    peers: Peers
    log: RunLog
    save_every: float
    progress: Progress = field(default_factory=Progress)
    saved: Progress | None = None
    signalled: bool = False
    stopping: bool = False
    save_due: bool = False

    def __post_init__(self) -> None:
        self.out = self.peers.run
        self.epochs = self.identity.recipe.epochs
        self.saved_at = time.monotonic()

    @property
    def result(self) -> nn.Module:
        """The network that is evaluated and exported."""
        return self.state.result

    def run(self) -> bool:
        """Trains to the last epoch; False if a signal stopped it before, saved and resumable.

        Raises DivergedError, BatchError, TrainingMemoryError, OutputError, and PeerError if the
        main process failed; earlier checkpoints stay intact.
        """
        device = self.accelerator.device.type
        with (
            on_stop_signal(self._request_stop),
            translate_faults(self.out, device, self.batches.batch),
        ):
            try:
                while self.progress.epoch < self.epochs and not self.stopping:
                    self._epoch()
            finally:
                end_workers(self.loader)
        return self.progress.epoch >= self.epochs

    def resume(self) -> Checkpoint | None:
        """Continues from `last.pt`, which is returned, or from the start if there is none yet."""
        path = self.out / "last.pt"
        saved = load_checkpoint(path) if path.exists() else None
        if saved is not None:
            self.restore(saved)
        self.log.rewind(self.progress.epoch)
        return saved

    def restore(self, saved: Checkpoint) -> None:
        """Continues from a checkpoint.

        From one with another recipe or other data, weights, average and the optimiser's
        moments are restored; the learning rates are the recipe's, and an unfinished epoch starts
        again. Raises RunError for a checkpoint of another network.
        """
        is_unchanged = self.identity.matches(saved)
        try:
            self._restore(saved, is_unchanged)
        except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
            why = "holds another network than the recipe's, or nothing to resume from"
            raise RunError(self.out / "last.pt", why) from error

    def _request_stop(self) -> None:
        # The step finishes, and all processes agree on stopping after it; see _synchronise.
        self.signalled = True

    def _restore(self, saved: Checkpoint, is_unchanged: bool) -> None:
        self.progress = Progress(**saved["progress"])
        self.saved = replace(self.progress)
        self.state.load_weights(saved)
        if is_unchanged:
            self.state.load_optimizer(saved)
        else:
            self._restore_changed(saved)
        self.state.load_rng(saved)

    def _restore_changed(self, saved: Checkpoint) -> None:
        """Continues at the start of an epoch, with another recipe or other data."""
        epoch, best = self.progress.epoch, self.progress.best
        best = best if self.identity.has_same_data(saved) else float("inf")
        self.progress = Progress(epoch, best=best)
        self.state.load_moments(saved, min(epoch, self.epochs) * len(self.batches))

    def _epoch(self) -> None:
        now = self.progress
        self.batches.epoch, self.batches.first = now.epoch, now.step
        self.state.model.train()
        with self._progress_bar() as bar:
            started = time.perf_counter()
            for batch in fetch_batches(self.loader, self.out):
                waited = time.perf_counter() - started
                loss = self._step(batch)
                now.step += 1
                if not math.isfinite(loss):
                    raise self._diverged(f"the loss is {loss}")
                now.loss_sum += loss
                now.wait_seconds += waited
                now.step_seconds += time.perf_counter() - started
                bar.update(self.batches.size(now.step - 1))
                bar.set_postfix(loss=f"{now.loss_sum / now.step:.4f}")
                if now.step < len(self.batches) and (self.stopping or self.save_due):
                    self.peers.on_main(self._save_within_epoch)
                    self._note_saved()
                    if self.stopping:
                        return
                started = time.perf_counter()
        self.progress = self.peers.on_main(self._finish_epoch)
        self._note_saved()
        self.stopping = any(self.peers.gather(self.signalled))

    def _step(self, batch: Batch) -> float:
        step = self.progress.step
        if not self.peers.is_main:
            # Dropout masks of its own, which are the same after resuming at any step.
            key = [self.identity.recipe.seed, self.peers.rank, self.progress.epoch, step]
            torch.manual_seed(int(np.random.default_rng(key).integers(1 << 63)))
        # Each process holds a share of the batch. This weight makes the averaged gradient that of
        # the complete batch, even if the last batch does not divide evenly.
        share = self.batches.share(step) * self.peers.count / self.batches.size(step)
        on_device = tuple(part.to(self.accelerator.device) for part in batch)
        loss = self.task.loss(self.state.model, on_device) * share
        self.state.update(loss)
        return self._synchronise(loss.detach())

    def _synchronise(self, loss: Tensor) -> float:
        """The mean loss; makes all processes stop, or wait for a save, after the same step."""
        save_due = time.monotonic() - self.saved_at >= self.save_every
        flags = torch.tensor([self.signalled, save_due], dtype=loss.dtype, device=loss.device)
        values = torch.cat([loss.reshape(1), flags])
        mean_loss, stopping, due = self.accelerator.reduce(values, reduction="mean").tolist()
        self.stopping, self.save_due = stopping > 0, due > 0
        return float(mean_loss)

    def _finish_epoch(self) -> Progress:
        """Evaluates, logs and saves, in the main process; returns what the next epoch starts
        with."""
        now = self.progress
        self._check_finite()
        metrics = self.task.validate(self.result)
        row = {
            "epoch": now.epoch + 1,
            "train_loss": now.loss_sum / len(self.batches),
            "lr": self.state.lr,
            "images_per_second": self.batches.count / now.step_seconds,
            "waiting_percent": 100 * now.wait_seconds / now.step_seconds,
        }
        self.log.append(row | metrics.row)
        self.progress = Progress(epoch=now.epoch + 1, best=now.best)
        is_best = metrics.error < now.best or not self.identity.selects_best
        if is_best and math.isfinite(metrics.error):
            self.progress.best = metrics.error
            self._save("best", resumable=False)
        self._save("last")
        return self.progress

    def _save_within_epoch(self) -> None:
        self._check_finite()
        self._save("last")

    def _note_saved(self) -> None:
        self.saved, self.saved_at = replace(self.progress), time.monotonic()

    def _check_finite(self) -> None:
        """Raises DivergedError if a saved value is not finite."""
        if not self.state.is_finite():
            raise self._diverged("a weight is not finite")

    def _diverged(self, what: str) -> DivergedError:
        now, saved = self.progress, "nothing was saved yet"
        if self.saved is not None:
            saved = f"last.pt was saved at {self.saved}"
        return DivergedError(self.out, f"epoch {now.epoch + 1}, step {now.step}", what, saved)

    def _save(self, name: str, resumable: bool = True) -> None:
        content: Checkpoint = {
            **self.identity.header(),
            "weights": self.result.state_dict(),
            "progress": vars(self.progress),
        }
        if resumable:
            content |= self.state.resumable()
        save_checkpoint(self.out / f"{name}.pt", content)

    def _progress_bar(self) -> tqdm[Any]:
        now = self.progress
        return tqdm(
            total=self.batches.count,
            initial=now.step * self.batches.batch,
            desc=f"epoch {now.epoch + 1}/{self.epochs}",
            unit="images",
            disable=None if self.peers.is_main else True,  # None: without a terminal
            leave=False,
        )
