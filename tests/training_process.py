"""`fkd-train` in a process of its own, forked from one that has imported torch already."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import signal
import sys
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Literal, NamedTuple

import torch

from fkd_train.cli.train import main
from fkd_train.config.landmarks import LandmarkRecipe, landmark_recipe_to_dict

if sys.platform != "win32":
    import resource

_EVENTS = ("open", "os.mkdir", "os.remove", "os.rename", "os.truncate")
_IMPORTED = [
    "training_process",
    "fkd_train.training.run",
    "fkd_train.reports.plots",
    "torch._dynamo",
    "matplotlib.backends.backend_agg",
]


class Fault(NamedTuple):
    """What happens to a run before its n-th access to a file of its folder, or before it opens one
    whose name begins so, or its temporary one."""

    before: int | str
    what: Literal["killed", "stopped", "disk full"]


@dataclass(frozen=True)
class Run:
    """A training on one thread into `out`, which is in a folder for tests alone."""

    recipe: LandmarkRecipe
    data: Path
    out: Path
    options: tuple[str, ...] = ()
    fault: Fault | None = None

    @property
    def arguments(self) -> list[str]:
        """The command's, and the file of the recipe that they name."""
        file = self.out.with_name(f"{self.out.name}.toml")
        file.write_text(_toml(landmark_recipe_to_dict(self.recipe)))
        places = ("--recipe", str(file), "--data", str(self.data), "--out", str(self.out))
        return [*places, *self.options]

    @property
    def done(self) -> Path:
        """Where a run that ends says how many accesses and seconds it took."""
        return self.out.with_name(f"{self.out.name}.done")


class Child:
    """A run that was started."""

    def __init__(self, run: Run) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(_IMPORTED)
        self._says, said = context.Pipe(duplex=False)
        self.process: ForkServerProcess = context.Process(
            target=_train, args=(run.arguments, run, said)
        )
        self.process.start()
        said.close()

    @property
    def pid(self) -> int:
        """The number of its process."""
        assert self.process.pid is not None
        return self.process.pid

    def ended(self, patience: float = 120.0) -> tuple[int, list[str]]:
        """Its exit code, and the lines that it said but for progress; killed if need be."""
        os.set_blocking(self._says.fileno(), False)
        said, until = b"", time.monotonic() + patience
        while self.process.is_alive() and time.monotonic() < until:
            self.process.join(0.01)
            said += _all_of(self._says)
        self.process.kill()
        self.process.join()
        said += _all_of(self._says)
        self._says.close()
        assert self.process.exitcode is not None
        lines = re.split(r"[\r\n]+", said.decode(errors="replace"))
        return self.process.exitcode, [x for x in lines if x.strip() and "images/s" not in x]

    def until(self, path: Path, patience: float = 60.0) -> None:
        """Waits until a file is there and has content."""
        end = time.monotonic() + patience
        while not (path.exists() and path.stat().st_size):
            assert self.process.is_alive(), self.ended()
            assert time.monotonic() < end
            time.sleep(0.002)


def trained(run: Run, patience: float = 120.0) -> tuple[int, list[str]]:
    """A run's exit code and what it said; killed after so many seconds."""
    return Child(run).ended(patience)


def _all_of(pipe: Connection) -> bytes:
    found = b""
    while True:
        try:
            part = os.read(pipe.fileno(), 1 << 16)
        except BlockingIOError:
            return found
        if not part:
            return found
        found += part


def _train(arguments: list[str], run: Run, said: Connection) -> None:
    began = time.monotonic()
    for stream in (1, 2):
        os.dup2(said.fileno(), stream)
    said.close()
    torch.set_num_threads(1)
    count = _watched(run)
    try:
        main(arguments, prog_name="fkd-train")
    except SystemExit as end:
        if not end.code:
            run.done.write_text(f"{count[0]} {time.monotonic() - began}")
        raise


def _watched(run: Run) -> list[int]:
    """Counts accesses to the run's folder, and lets the fault happen."""
    count, own, inside, fault = [0], os.getpid(), f"{run.out}{os.sep}", run.fault

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if event not in _EVENTS or not str(arguments[0]).startswith(inside) or os.getpid() != own:
            return
        count[0] += 1
        if fault is not None and _is_there(fault, event, str(arguments[0]), count[0]):
            _happens(fault)

    sys.addaudithook(watch)
    return count


def _is_there(fault: Fault, event: str, path: str, count: int) -> bool:
    if isinstance(fault.before, int):
        return count == fault.before
    name = Path(path).name
    return event == "open" and name.removeprefix(".").startswith(fault.before.removeprefix("."))


def _happens(fault: Fault) -> None:
    if fault.what == "disk full":
        if sys.platform != "win32":
            _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, most))
        return
    os.kill(os.getpid(), signal.SIGKILL if fault.what == "killed" else signal.SIGSTOP)


def _toml(table: dict[str, object], name: str = "") -> str:
    """Plain data as TOML: JSON's numbers, words and lists are TOML's."""
    lines = [f"[{name}]"] if name else []
    tables = []
    for key, value in table.items():
        if isinstance(value, dict):
            tables.append(_toml(value, f"{name}.{key}" if name else key))
        elif value is not None:
            lines.append(f"{key} = {json.dumps(value)}")
    return "\n".join([*lines, *tables]) + "\n"
