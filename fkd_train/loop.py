"""The training loop. It knows neither the network nor where its batches come from."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader
from tqdm import tqdm

from fkd_train.batches import Batch, EpochBatches
from fkd_train.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from fkd_train.config import OptimizerConfig
from fkd_train.runlog import RunLog


class Figures(NamedTuple):
    """An epoch's evaluation: figures for the log, and the one that is best where it is lowest."""

    row: dict[str, float]
    error: float


@dataclass(frozen=True)
class Task:
    """What is trained: the loss of a batch under the model that is called, and the figures of the
    network after an epoch. Where the evaluation faces may `choose`, `best.pt` is the epoch of the
    lowest error, elsewhere the latest. `header` is what every checkpoint says of the network."""

    loss: Callable[[nn.Module, Batch], Tensor]
    validate: Callable[[nn.Module], Figures]
    chooses: bool
    header: Checkpoint


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


@dataclass
class Trainer:
    """One run: trains, evaluates, logs and saves, and can be stopped and resumed at any step."""

    task: Task
    network: nn.Module
    config: OptimizerConfig
    epochs: int
    seed: int
    loader: DataLoader[Batch]
    batches: EpochBatches
    accelerator: Accelerator
    out: Path
    log: RunLog
    progress: Progress = field(default_factory=Progress)
    signalled: bool = False
    stopping: bool = False

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

    @property
    def result(self) -> nn.Module:
        """The network that is evaluated and exported: the averaged one where there is one."""
        return self.network if self.averaged is None else self.averaged.module

    def run(self) -> bool:
        """Trains to the last epoch; False where a signal stopped it before, saved and resumable."""
        with _stop_on_signal(self):
            while self.progress.epoch < self.epochs:
                self._epoch()
                if self.stopping:
                    self._save("last")
                    return False
        return True

    def resume(self) -> None:
        """Goes on from `last.pt`, or from the start where there is none yet."""
        if not (self.out / "last.pt").exists():
            self.log.rewind(0)
            return
        saved = load_checkpoint(self.out / "last.pt")
        self.progress = Progress(**saved["progress"])
        self.network.load_state_dict(saved["network"])
        if self.averaged is not None:
            self.averaged.load_state_dict(saved["averaged"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.schedule.load_state_dict(saved["schedule"])
        self._restore_rng(saved)
        self.log.rewind(self.progress.epoch)

    def _epoch(self) -> None:
        now = self.progress
        self.batches.epoch, self.batches.first = now.epoch, now.step
        self.model.train()
        with self._bar() as bar:
            started = time.perf_counter()
            for batch in self.loader:
                waited = time.perf_counter() - started
                loss = self._step(batch)
                now.loss_sum += loss
                now.wait_seconds += waited
                now.step_seconds += time.perf_counter() - started
                now.step += 1
                bar.update(self.batches.size(now.step - 1))
                bar.set_postfix(loss=f"{now.loss_sum / now.step:.4f}")
                if self.stopping and now.step < len(self.batches):
                    return
                started = time.perf_counter()
        self._finish_epoch()

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
        """The mean loss; a signal that reached one process stops all of them at the same step."""
        own = torch.stack([loss, torch.tensor(float(self.signalled), device=loss.device)])
        mean_loss, any_stopping = self.accelerator.reduce(own, reduction="mean").tolist()
        self.stopping = any_stopping > 0
        return float(mean_loss)

    def _finish_epoch(self) -> None:
        now, steps = self.progress, len(self.batches)
        row: dict[str, Any] = {
            "epoch": now.epoch + 1,
            "train_loss": now.loss_sum / steps,
            "lr": self.optimizer.param_groups[0]["lr"],
            "images_per_second": self.batches.count / now.step_seconds,
            "waiting_percent": 100 * now.wait_seconds / now.step_seconds,
        }
        self.progress = Progress(epoch=now.epoch + 1, best=now.best)
        if self.accelerator.is_main_process:
            figures = self.task.validate(self.result)
            self.log.append(row | figures.row)
            if not self.task.chooses or figures.error < now.best:
                self.progress.best = figures.error
                self._save("best", resumable=False)
            self._save("last")
        self.accelerator.wait_for_everyone()

    def _save(self, name: str, resumable: bool = True) -> None:
        if not self.accelerator.is_main_process:
            return
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
