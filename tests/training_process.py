"""Runs `fkd-train` in a separate process, forked from one that has already imported torch."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Literal, NamedTuple

import torch

from fkd_train.cli.train import main
from fkd_train.config.landmarks import LandmarkRecipe, landmark_recipe_to_dict

if sys.platform != "win32":
    import resource

_FILE_EVENTS = ("open", "os.mkdir", "os.remove", "os.rename", "os.truncate")
_PRELOADED = [
    "training_process",
    "fkd_train.training.run",
    "fkd_train.reports.plots",
    "torch._dynamo",
    "matplotlib.backends.backend_agg",
]


class Fault(NamedTuple):
    """A fault before the n-th access to a file in the run folder, or before opening a file whose
    name starts like this (or its temporary file)."""

    before: int | str
    what: Literal["killed", "stopped", "disk full"]


@dataclass(frozen=True)
class Run:
    """A training run on one thread into `out`, whose parent folder belongs to the test."""

    recipe: LandmarkRecipe
    data: Path
    out: Path
    options: tuple[str, ...] = ()
    fault: Fault | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def arguments(self) -> list[str]:
        """The command line; writes the recipe's file that it names."""
        file = self.out.with_name(f"{self.out.name}.toml")
        file.write_text(_toml(landmark_recipe_to_dict(self.recipe)))
        paths = ("--recipe", str(file), "--data", str(self.data), "--out", str(self.out))
        return [*paths, *self.options]

    @property
    def statistics(self) -> Path:
        """The file with the number of accesses and the seconds of a complete run."""
        return self.out.with_name(f"{self.out.name}.done")


class TrainingProcess:
    """A started run."""

    def __init__(self, run: Run) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(_PRELOADED)
        self._output, child_output = context.Pipe(duplex=False)
        self.process: ForkServerProcess = context.Process(
            target=_train, args=(run.arguments, run, child_output)
        )
        self.process.start()
        child_output.close()

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self.process.pid is not None
        return self.process.pid

    def wait(self, timeout: float = 120.0) -> tuple[int, list[str]]:
        """Its exit code and its output lines without progress bars; killed after the timeout."""
        os.set_blocking(self._output.fileno(), False)
        output, until = b"", time.monotonic() + timeout
        while self.process.is_alive() and time.monotonic() < until:
            self.process.join(0.01)
            output += _read_available(self._output)
        self.process.kill()
        self.process.join()
        output += _read_available(self._output)
        self._output.close()
        assert self.process.exitcode is not None
        lines = re.split(r"[\r\n]+", output.decode(errors="replace"))
        return self.process.exitcode, [x for x in lines if x.strip() and "images/s" not in x]

    def wait_for_file(self, path: Path, timeout: float = 60.0) -> None:
        """Waits until a file has content."""
        end = time.monotonic() + timeout
        while not (path.exists() and path.stat().st_size):
            assert self.process.is_alive(), self.wait()
            assert time.monotonic() < end
            time.sleep(0.002)


def run_training(run: Run, timeout: float = 120.0) -> tuple[int, list[str]]:
    """A run's exit code and output lines; killed after the timeout."""
    return TrainingProcess(run).wait(timeout)


def _read_available(pipe: Connection) -> bytes:
    content = b""
    while True:
        try:
            part = os.read(pipe.fileno(), 1 << 16)
        except BlockingIOError:
            return content
        if not part:
            return content
        content += part


def _train(arguments: list[str], run: Run, output: Connection) -> None:
    started = time.monotonic()
    for stream in (1, 2):
        os.dup2(output.fileno(), stream)
    output.close()
    torch.set_num_threads(1)
    os.environ.update(run.environment)
    accesses = _inject_fault(run)
    try:
        main(arguments, prog_name="fkd-train")
    except SystemExit as end:
        if not end.code:
            run.statistics.write_text(f"{accesses[0]} {time.monotonic() - started}")
        raise


def _inject_fault(run: Run) -> list[int]:
    """Counts accesses to files in the run folder, and causes the fault; returns the counter."""
    accesses, process, inside, fault = [0], os.getpid(), f"{run.out}{os.sep}", run.fault

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if event not in _FILE_EVENTS or os.getpid() != process:
            return
        if not str(arguments[0]).startswith(inside):
            return
        accesses[0] += 1
        if fault is not None and _is_due(fault, event, str(arguments[0]), accesses[0]):
            _cause(fault)

    sys.addaudithook(watch)
    return accesses


def _is_due(fault: Fault, event: str, path: str, accesses: int) -> bool:
    if isinstance(fault.before, int):
        return accesses == fault.before
    name = Path(path).name
    return event == "open" and name.removeprefix(".").startswith(fault.before.removeprefix("."))


def _cause(fault: Fault) -> None:
    if fault.what == "disk full":
        if sys.platform != "win32":
            _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, most))
        return
    os.kill(os.getpid(), signal.SIGKILL if fault.what == "killed" else signal.SIGSTOP)


def _toml(table: dict[str, object], name: str = "") -> str:
    """Plain data as TOML, whose numbers, strings and lists look like JSON's."""
    lines = [f"[{name}]"] if name else []
    tables = []
    for key, value in table.items():
        if isinstance(value, dict):
            tables.append(_toml(value, f"{name}.{key}" if name else key))
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            tables += [_toml(row, f"[{key}]") for row in value]
        elif value is not None:
            lines.append(f"{key} = {json.dumps(value)}")
    return "\n".join([*lines, *tables]) + "\n"
