"""A training in a process of its own, forked from one that has imported torch already."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import torch

from fkd_train.config import Recipe
from fkd_train.training import train

FILE_EVENTS = ("open", "os.mkdir", "os.remove", "os.rename", "os.truncate")


@dataclass(frozen=True)
class Run:
    """A training into `out`, on one thread. Before its `dies_at`-th access to a file in there it
    kills itself. How many there were, and seconds, go to the file `done`; what it says to `said`."""

    recipe: Recipe
    data: Path
    out: Path
    resume: bool = False
    workers: int = 0
    save_every: float = 600.0
    dies_at: int | None = None

    @property
    def done(self) -> Path:
        return self.out.with_name(f"{self.out.name}.done")

    @property
    def said(self) -> Path:
        return self.out.with_name(f"{self.out.name}.said")


def start(run: Run) -> ForkServerProcess:
    """Starts it; the first one takes as long as importing torch."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["fkd_train.training", "fkd_train.plots"])
    process = context.Process(target=_train, args=(run,))
    process.start()
    return process


def _train(run: Run) -> None:
    began = time.monotonic()
    with run.said.open("w") as said:
        os.dup2(said.fileno(), sys.stderr.fileno())
    torch.set_num_threads(1)
    count, own = 0, os.getpid()

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal count
        if event not in FILE_EVENTS or os.getpid() != own:
            return
        if not str(arguments[0]).startswith(f"{run.out}{os.sep}"):
            return
        count += 1
        if count == run.dies_at:
            os.kill(own, signal.SIGKILL)

    sys.addaudithook(watch)
    train(
        run.recipe,
        run.data,
        run.out,
        resume=run.resume,
        workers=run.workers,
        save_every=run.save_every,
    )
    run.done.write_text(f"{count} {time.monotonic() - began}")
