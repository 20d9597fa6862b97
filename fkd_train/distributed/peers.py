"""The processes of a run: how they find each other, agree, fail together and share what is read."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from socket import gethostname
from tempfile import TemporaryDirectory
from typing import TypeVar, cast

import torch
from accelerate import PartialState
from torch import distributed

from fkd_infer.errors import FkdError
from fkd_train.distributed.mapped_file import map_value, write_value
from fkd_train.errors import PeerError

PEER_TIMEOUT = 600.0
"""Seconds to wait for another process."""
_GONE = ("Connection closed by peer", "Connection reset by peer", "Broken pipe")
"""Parts of gloo's error texts when another process of a run has ended."""
_SILENT = ("Timed out waiting", "timed out", "Socket Timeout")
"""Parts of error texts when another process of a run does not answer in time."""
Result = TypeVar("Result")


@dataclass(frozen=True)
class Peers:
    """The processes of a run; each of them calls the same methods in the same order.

    `rank` is 0 in the main process, which writes the run's files and reports to the user. `group`
    has all `count` processes, `machine` those of this machine, if they are several; both exchange
    data through the CPU.
    """

    run: Path
    rank: int = 0
    count: int = 1
    group: distributed.ProcessGroup | None = None
    machine: distributed.ProcessGroup | None = None

    @property
    def is_main(self) -> bool:
        """Whether this is the main process."""
        return self.rank == 0

    def gather(self, value: Result) -> list[Result]:
        """The value of each process, in the order of their ranks."""
        if self.count == 1:
            return [value]
        values: list[Result | None] = [None] * self.count
        distributed.all_gather_object(values, value, self.group)
        return cast(list[Result], values)

    def on_main(self, work: Callable[[], Result]) -> Result:
        """Runs work in the main process, and returns its result in all of them.

        Whatever it raises there, PeerError is raised in the others.
        """
        result = self._together(work if self.is_main else None)
        return cast(Result, _broadcast(result, self.group) if self.count > 1 else result)

    def everywhere(self, work: Callable[[], Result]) -> Result:
        """Runs work in every process; if it raises in one, PeerError is raised in the others."""
        return cast(Result, self._together(work))

    def once_per_machine(self, read: Callable[[], Result]) -> Result:
        """What `read` returns, which one process of each machine calls.

        The others on the machine get its arrays as maps of a file in the folder for temporary
        files, so that each array is in memory once. Fails as `everywhere` does; raises OutputError
        if the file cannot be written.
        """
        if self.machine is None:
            return self.everywhere(read)
        reads = distributed.get_group_rank(self.machine, self.rank) == 0
        with TemporaryDirectory(prefix="fkd-") if reads else nullcontext() as folder:
            file = Path(folder or "") / "data"
            self.everywhere(lambda: write_value(file, read()) if reads else None)
            shared = _broadcast(file, self.machine)
            return self.everywhere(lambda: cast(Result, map_value(shared)))

    def _together(self, work: Callable[[], Result] | None) -> Result | None:
        try:
            result = None if work is None else work()
        except BaseException as error:
            text = str(error) if isinstance(error, FkdError) else type(error).__name__
            with suppress(RuntimeError):  # the others have ended
                self.gather(f"process {self.rank} on {gethostname()} failed: {text}")
            raise
        failed = next(filter(None, self.gather("")), None)
        if failed is not None:
            raise PeerError(self.run, failed)
        return result


def _broadcast(value: Result, group: distributed.ProcessGroup | None) -> Result:
    """The value of the group's first process."""
    values = [value]
    distributed.broadcast_object_list(values, group=group, group_src=0)
    return values[0]


@contextmanager
def joined_peers(run: Path, timeout: float = PEER_TIMEOUT) -> Iterator[Peers]:
    """The processes that a launcher started for this run, by the variables that it set; one process
    without a launcher.

    Raises PeerError if they do not find each other within `timeout` seconds, and in the block if
    another process ends, or does not answer for so long.
    """
    # Otherwise NCCL aborts a process that has lost another one, with a trace of C++.
    os.environ.setdefault("TORCH_NCCL_BLOCKING_WAIT", "1")
    limit = timedelta(seconds=timeout)
    state = _started(run, limit)
    is_complete = False
    try:
        is_alone = state.num_processes == 1
        with nullcontext() if is_alone else _lost_peers_reported(run, timeout):
            yield Peers(run) if is_alone else _peers(run, state, limit)
        is_complete = True
    finally:
        # After an error, NCCL would wait for the others.
        if is_complete or state.backend == "gloo":
            state.destroy_process_group()


def _started(run: Path, timeout: timedelta) -> PartialState:
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "OMP_NUM_THREADS", UserWarning)
            # Without cpu, each of several CPU processes would consider itself the only one.
            return PartialState(cpu=not torch.accelerator.is_available(), timeout=timeout)
    except (RuntimeError, ValueError) as error:
        raise PeerError.of_start(run, str(error).partition("\n")[0]) from error


def _peers(run: Path, state: PartialState, timeout: timedelta) -> Peers:
    group = distributed.group.WORLD
    if distributed.get_backend() != "gloo":
        group = distributed.new_group(backend="gloo", timeout=timeout)
    peers = Peers(run, state.process_index, state.num_processes, group)
    # Launchers number the processes of a machine in one row. Windows cannot remove a mapped file.
    first = peers.rank - max(0, state.local_process_index)
    own = (gethostname(), peers.rank if sys.platform == "win32" else first)
    places = peers.gather(own)
    machine = None
    for place in dict.fromkeys(places):
        ranks = [rank for rank, other in enumerate(places) if other == place]
        if len(ranks) > 1:  # every process takes part in forming each group
            formed = distributed.new_group(ranks, backend="gloo", timeout=timeout)
            machine = formed if place == own else machine
    return Peers(run, peers.rank, peers.count, group, machine)


@contextmanager
def _lost_peers_reported(run: Path, timeout: float) -> Iterator[None]:
    try:
        yield
    except FkdError:
        raise
    except RuntimeError as error:
        if _mentions(error, _SILENT):
            raise PeerError.of_silence(run, timeout) from error
        if _mentions(error, _GONE) or isinstance(error, distributed.DistError):
            raise PeerError.of_loss(run) from error
        raise


def _mentions(error: RuntimeError, texts: tuple[str, ...]) -> bool:
    return any(text in str(error) for text in texts)
