"""The training loop. It knows neither the network nor where its batches come from."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader
from tqdm import tqdm

from fkd_train.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from fkd_train.config.landmarks import OptimizerConfig
from fkd_train.data.loader import Batch, EpochBatchSampler, end_workers
from fkd_train.errors import DivergedError, RunError
from fkd_train.evaluation.metrics import EpochMetrics
from fkd_train.training.distributed import any_process, run_on_main_process
from fkd_train.training.faults import fetch_batches, translate_faults
from fkd_train.training.log import RunLog


@dataclass(frozen=True)
class TrainingTask:
    """What is trained: the loss of a batch under the model that is called, and the figures of the
    network after an epoch. Where the evaluation faces may `choose`, `best.pt` is the epoch of the
    lowest error, elsewhere the latest. `header` is what every checkpoint says of the network and of
    its `data`; `continues` tells checkpoints of this very recipe and data from those of before a
    change."""

    loss: Callable[[nn.Module, Batch], Tensor]
    validate: Callable[[nn.Module], EpochMetrics]
    chooses: bool
    header: Checkpoint
    continues: Callable[[Checkpoint], bool]


def build_optimizer(
    network: nn.Module, config: OptimizerConfig, steps: int
) -> tuple[Optimizer, LRScheduler]:
    """The optimiser and its schedule over all steps of a run."""
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[config.name]
    optimizer = kind(
        network.parameters(), lr=config.lr, weight_decay=config.weight_decay, fused=True
    )
    if config.schedule == "constant":
        return optimizer, LambdaLR(optimizer, lambda _step: 1.0)
    # It divides by the length of its warm-up less one step.
    total = max(2, steps)
    warm_up = max(config.warm_up, 2 / total)
    return optimizer, OneCycleLR(optimizer, config.lr, total_steps=total, pct_start=warm_up)


def _averaged(network: nn.Module, decay: float) -> AveragedModel:
    """A copy whose weights follow the network's as an exponential moving average."""
    follow = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
    return AveragedModel(network, multi_avg_fn=follow, use_buffers=True)


@dataclass
class Progress:
    """Where a run is, and the sums of its unfinished epoch."""

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
    """One run: trains, evaluates, logs and saves, and can be stopped and resumed at any step.

    `last.pt` is saved after every epoch, and within one every `save_every` seconds. No file is
    saved of weights that are not finite.
    """

    task: TrainingTask
    network: nn.Module
    config: OptimizerConfig
    epochs: int
    seed: int
    loader: DataLoader[Batch]
    batches: EpochBatchSampler
    accelerator: Accelerator
    out: Path
    log: RunLog
    save_every: float
    progress: Progress = field(default_factory=Progress)
    saved: Progress | None = None
    signalled: bool = False
    stopping: bool = False
    save_due: bool = False

    def __post_init__(self) -> None:
        config = self.config
        # channels_last takes a fifth off a step in bf16 on CPUs (531 → 431 ms at 224 px).
        self.network = self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        steps = self.epochs * len(self.batches)
        optimizer, self.schedule = build_optimizer(self.network, config, steps)
        self.model, self.optimizer = self.accelerator.prepare(self.network, optimizer)
        # accelerate makes the network's forward a half-precision one for good; only training
        # wants that, and a task asks for it in its loss.
        self.network = self.accelerator.unwrap_model(self.model, keep_fp32_wrapper=False)
        self.averaged = _averaged(self.network, config.ema) if config.ema else None
        self.saved_at = time.monotonic()

    @property
    def result(self) -> nn.Module:
        """The network that is evaluated and exported: the averaged one where there is one."""
        return self.network if self.averaged is None else self.averaged.module

    def run(self) -> bool:
        """Trains to the last epoch; False where a signal stopped it before, saved and resumable.

        Raises DivergedError, BatchError, TrainingMemoryError, OutputError, and PeerError where
        another process failed; what was saved before is whole.
        """
        device = self.accelerator.device.type
        with _stop_on_signal(self), translate_faults(self.out, device, self.batches.batch):
            try:
                while self.progress.epoch < self.epochs and not self.stopping:
                    self._epoch()
            finally:
                end_workers(self.loader)
        return self.progress.epoch >= self.epochs

    def resume(self) -> None:
        """Goes on from `last.pt`, or from the start where there is none yet.

        Of another recipe or other data, weights, average and the optimiser's moments are taken
        over; learning rates are the recipe's, and an epoch that was begun begins anew. Raises
        RunError for a checkpoint of another network.
        """
        path = self.out / "last.pt"
        if not path.exists():
            self.log.rewind(0)
            return
        saved = load_checkpoint(path)
        continues = self.task.continues(saved)
        try:
            self._restore(saved, continues)
        except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
            why = "holds another network than the recipe's, or nothing to resume from"
            raise RunError(path, why) from error
        self.log.rewind(self.progress.epoch)

    def _restore(self, saved: Checkpoint, continues: bool) -> None:
        self.progress = Progress(**saved["progress"])
        self.saved = replace(self.progress)
        self.network.load_state_dict(saved["network"])
        if self.averaged is not None and saved["averaged"] is not None:
            self.averaged.load_state_dict(saved["averaged"])
        elif self.averaged is not None:
            self.averaged = _averaged(self.network, self.config.ema)
        if continues:
            self.optimizer.load_state_dict(saved["optimizer"])
            self.schedule.load_state_dict(saved["schedule"])
        else:
            self._take_up(saved)
        self._restore_rng(saved)

    def _take_up(self, saved: Checkpoint) -> None:
        """Goes on with the moments of an optimiser, and with one's own recipe and data."""
        own = self.optimizer.state_dict()
        self.optimizer.load_state_dict(own | {"state": saved["optimizer"]["state"]})
        epoch, best = self.progress.epoch, self.progress.best
        data = self.task.header["data"]
        of_other_data = saved.get("data", data) != data
        self.progress = Progress(epoch, best=float("inf") if of_other_data else best)
        done = min(epoch, self.epochs) * len(self.batches)
        if done:
            # As after the step before, so that this one sets the learning rate of the next.
            before = {"last_epoch": done - 1, "_step_count": done + 1}
            self.schedule.load_state_dict(self.schedule.state_dict() | before)
            self.schedule.step()

    def _epoch(self) -> None:
        now = self.progress
        self.batches.epoch, self.batches.first = now.epoch, now.step
        self.model.train()
        with self._bar() as bar:
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
                    run_on_main_process(self.accelerator, self.out, self._save_within_epoch)
                    self._note_saved()
                    if self.stopping:
                        return
                started = time.perf_counter()
        run_on_main_process(self.accelerator, self.out, self._finish_epoch)
        self.progress = Progress(epoch=now.epoch + 1, best=self.progress.best)
        self._note_saved()
        self.stopping = any_process(self.accelerator, self.signalled)

    def _step(self, batch: Batch) -> float:
        # Each process holds a share of the batch; weighting it so makes the averaged gradient
        # the gradient of the whole batch, also where the last batch does not divide evenly.
        processes = self.accelerator.num_processes
        share = len(batch[0]) * processes / self.batches.size(self.progress.step)
        own = tuple(part.to(self.accelerator.device) for part in batch)
        loss = self.task.loss(self.model, own) * share
        self.optimizer.zero_grad()
        self.accelerator.backward(loss)
        self.optimizer.step()
        self.schedule.step()
        if self.averaged is not None:
            self.averaged.update_parameters(self.network)
        return self._agree(loss.detach())

    def _agree(self, loss: Tensor) -> float:
        """The mean loss; all processes stop, or wait for the main one to save, at the same step."""
        save_due = time.monotonic() - self.saved_at >= self.save_every
        flags = torch.tensor([self.signalled, save_due], dtype=loss.dtype, device=loss.device)
        own = torch.cat([loss.reshape(1), flags])
        mean_loss, stopping, due = self.accelerator.reduce(own, reduction="mean").tolist()
        self.stopping, self.save_due = stopping > 0, due > 0
        return float(mean_loss)

    def _finish_epoch(self) -> None:
        """Evaluates, logs and saves, in the main process."""
        now = self.progress
        self._check_weights()
        figures = self.task.validate(self.result)
        row = {
            "epoch": now.epoch + 1,
            "train_loss": now.loss_sum / len(self.batches),
            "lr": self.optimizer.param_groups[0]["lr"],
            "images_per_second": self.batches.count / now.step_seconds,
            "waiting_percent": 100 * now.wait_seconds / now.step_seconds,
        }
        self.log.append(row | figures.row)
        self.progress = Progress(epoch=now.epoch + 1, best=now.best)
        is_best = figures.error < now.best if self.task.chooses else True
        if is_best and math.isfinite(figures.error):
            self.progress.best = figures.error
            self._save("best", resumable=False)
        self._save("last")

    def _save_within_epoch(self) -> None:
        self._check_weights()
        self._save("last")

    def _note_saved(self) -> None:
        self.saved, self.saved_at = replace(self.progress), time.monotonic()

    def _check_weights(self) -> None:
        """Raises DivergedError where something that is saved is not finite."""
        parts = [self.network.state_dict(), *self.optimizer.state.values()]
        if self.averaged is not None:
            parts.append(self.averaged.state_dict())
        tensors = [value for part in parts for value in part.values() if isinstance(value, Tensor)]
        if not all(bool(tensor.isfinite().all()) for tensor in tensors):
            raise self._diverged("a weight is not finite")

    def _diverged(self, what: str) -> DivergedError:
        now, saved = self.progress, "nothing was saved before"
        if self.saved is not None:
            saved = f"last.pt is of {self.saved}"
        return DivergedError(self.out, f"epoch {now.epoch + 1}, step {now.step}", what, saved)

    def _save(self, name: str, resumable: bool = True) -> None:
        content: Checkpoint = {
            **self.task.header,
            "weights": self.result.state_dict(),
            "progress": vars(self.progress),
        }
        if resumable:
            content |= {
                "network": self.network.state_dict(),
                "averaged": None if self.averaged is None else self.averaged.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "schedule": self.schedule.state_dict(),
                "rng": torch.get_rng_state(),
                "rng_cuda": self._cuda_rng(),
            }
        save_checkpoint(self.out / f"{name}.pt", content)

    def _cuda_rng(self) -> Tensor | None:
        device = self.accelerator.device
        return torch.cuda.get_rng_state(device) if device.type == "cuda" else None

    def _restore_rng(self, saved: Checkpoint) -> None:
        """The main process's generators as they were; others start anew, differently each time."""
        device, rank = self.accelerator.device, self.accelerator.process_index
        if rank:
            where = (self.seed, rank, self.progress.epoch, self.progress.step)
            torch.manual_seed(hash(where))
            return
        torch.set_rng_state(saved["rng"])
        if device.type == "cuda" and saved["rng_cuda"] is not None:
            torch.cuda.set_rng_state(saved["rng_cuda"], device)

    def _bar(self) -> tqdm[Any]:
        now = self.progress
        return tqdm(
            total=self.batches.count,
            initial=now.step * self.batches.batch,
            desc=f"epoch {now.epoch + 1}/{self.epochs}",
            unit="images",
            disable=not self.accelerator.is_main_process,
            leave=False,
        )


@contextmanager
def _stop_on_signal(trainer: Trainer) -> Iterator[None]:
    """SIGINT and SIGTERM let the step finish; the run is then saved."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        # Processes agree at the end of a step on whether to stop; see _agree.
        trainer.signalled = True

    before = {kind: signal.signal(kind, stop) for kind in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)
