"""A run on a Ray cluster, as its driver sees it: blocks go out, results come back."""

from __future__ import annotations

import os
import pickle  # between processes of one run  # nosec B403
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any

import ray
import ray.data
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
from tqdm import tqdm

from fkd_infer.errors import ClusterError, FkdError, ResumeError, RunAbortedError
from fkd_infer.jobs.failures import write_failures
from fkd_infer.jobs.run import received_signals
from fkd_infer.jobs.summary import Summary
from fkd_infer.media.sources import Source
from fkd_infer.ray.blocks import BlockSource, blocks
from fkd_infer.ray.cluster import (
    CLIENT,
    LOCAL,
    actor_count,
    check_nodes,
    connected,
    has_gpus,
    installed_versions,
)
from fkd_infer.ray.control import RunControl, Stopping
from fkd_infer.ray.parts import read_completed
from fkd_infer.ray.segments import SegmentWorkers
from fkd_infer.ray.work import Shipment, Work
from fkd_infer.ray.worker import RESULT_COLUMN, BlockResult, Worker
from fkd_infer.stores.address import Place
from fkd_infer.system.files.atomic import output_errors
from fkd_infer.system.files.cache import digest
from fkd_infer.system.files.lock import open_locked
from fkd_infer.system.hash_set import HashSet

GPU_SHARE = 0.25
"""Of a GPU, for each actor, if networks run there: reading and drawing keep a core each busy."""

_WATCH_S = 0.5


@dataclass(frozen=True)
class Listing:
    """What lists the sources, on a node of the cluster.

    `note` is called after all were listed.
    """

    sources: Callable[[], Iterator[Source]]
    note: Callable[[], str]


@dataclass(frozen=True)
class RayRun:
    """A run on the cluster at `address` ("local" starts one here).

    `workers` limits the actors. `uses_gpu` gives each a share of a GPU, if the cluster has any.
    `failures` is the list of sources that failed.
    """

    address: str
    listing: Listing
    work: Work
    failures: Place
    workers: int | None = None
    uses_gpu: bool = True


def run_on_ray(job: RayRun, quiet: bool = False, say: Callable[[str], object] = print) -> Summary:
    """Processes all sources; `say` is called with a line for each node that takes part.

    Errors are in the summary, as for `fkd_infer.jobs.run`. Raises ClusterError, ResumeError and
    OutputError before work.
    """
    summary, started = Summary(), time.perf_counter()
    parts = job.work.parts
    with ExitStack() as stack:
        stack.enter_context(_locked(parts))
        completed = read_completed(parts, job.work.settings)
        signalled = stack.enter_context(received_signals())
        stack.enter_context(connected(job.address))
        if job.address != LOCAL:  # whose node is this process's own
            check_nodes(installed_versions())
        summary.skipped = len(completed)
        try:
            _process(job, completed, summary, signalled, quiet, say)
        except ray.exceptions.RayError as error:
            summary.fatal_error = RunAbortedError(_cause(error, job.address))
        finally:
            run = digest([str(parts)])
            write_failures(job.failures, run, summary.failures, summary.reached, summary.complete)
    summary.stopped = signalled()
    summary.seconds = time.perf_counter() - started
    return summary


def _process(
    job: RayRun,
    completed: HashSet,
    summary: Summary,
    signalled: Callable[[], bool],
    quiet: bool,
    say: Callable[[str], object],
) -> None:
    """Hands blocks out, and adds up what became of them."""
    shipment, share = Shipment.of(job.work), GPU_SHARE if job.uses_gpu and has_gpus() else 0.0
    # Actors without a core get no part of a GPU either.
    segments = [] if share else [ray.put(SegmentWorkers(shipment, job.workers))]
    control = ray.remote(num_cpus=0, scheduling_strategy=_own_node())(RunControl).remote(segments)
    nodes: set[str] = set()
    told = all_listed = False
    missing = 0
    bar = tqdm(total=None, unit="frames", leave=False, disable=True if quiet else None)
    with bar, _stopped_by(signalled, control):
        results = _results_by_client if job.address.startswith(CLIENT) else _results
        for result in results(job, completed, shipment, share, control):
            if result.runs_on and result.node not in nodes and not quiet:
                nodes.add(result.node)
                say(f"node {result.node}: networks run on {result.runs_on}")
            _add(summary, result)
            all_listed |= result.is_last
            missing += result.begun - len(result.reached)
            bar.update(result.frames)
            if not told and (signalled() or summary.fatal_error is not None):
                control.stop.remote()
                told = True
    told |= signalled()
    summary.complete = all_listed and not missing and not told
    if not (summary.complete or told):
        lost = ClusterError(f"--ray {job.address}", "workers stopped before all sources were done")
        summary.fatal_error = RunAbortedError(lost)


@contextmanager
def _stopped_by(signalled: Callable[[], bool], control: Any) -> Iterator[None]:
    """Stops the workers after a signal in the block, also while the driver waits for a result."""
    ended = Event()

    def watch() -> None:
        while not ended.wait(_WATCH_S):
            if signalled():
                control.stop.remote()
                return

    thread = Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _cause(error: BaseException | None, address: str) -> FkdError:
    """What a user can solve in an error that Ray raised, or the failure of the cluster."""
    text = str(error).strip()
    while error is not None:
        if isinstance(error, FkdError):
            return error
        error = getattr(error, "cause", None) or error.__cause__
    last = (text.splitlines() or ["no reason given"])[-1].strip()
    return ClusterError(f"--ray {address}", f"the cluster failed: {last}")


def _add(summary: Summary, result: BlockResult) -> None:
    """Adds the result of a block."""
    summary.frames += result.frames
    summary.faces += result.faces
    summary.failures += result.failures
    summary.notes += result.notes
    summary.suffixes += result.suffixes
    for name in result.reached:
        summary.reached.add(name)
    for picture in result.pictures:
        summary.add_picture(picture)
    for stage, seconds in result.stages.items():
        summary.stages[stage] = summary.stages.get(stage, 0.0) + seconds
    if result.fatal is not None and summary.fatal_error is None:
        summary.fatal_error = RunAbortedError(result.fatal)


def _results(
    job: RayRun, completed: HashSet, shipment: Shipment, share: float, control: Any
) -> Iterator[BlockResult]:
    """The results of blocks, as they are done."""
    listing, done = job.listing, ray.put(completed)

    def list_blocks() -> Iterator[Any]:
        complete = ray.get(done)

        stopping = Stopping(control)

        def remaining() -> Iterator[Source]:
            for source in listing.sources():
                if stopping():
                    return
                if source.name not in complete:
                    yield source

        yield from blocks(remaining(), listing.note)

    actors = actor_count(job.workers, share)
    with quiet_data():
        results = ray.data.read_datasource(
            BlockSource(list_blocks),
            override_num_blocks=1,
            num_cpus=0,
            scheduling_strategy=_own_node(),
        ).map_batches(
            Worker,
            batch_size=None,
            batch_format="numpy",
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=actors, initial_size=actors),
            fn_constructor_args=(shipment, control),
            num_cpus=1,
            num_gpus=share or None,
        )
        for batch in results.iter_batches(batch_size=None, prefetch_batches=0):
            for data in batch[RESULT_COLUMN]:
                yield pickle.loads(data)  # nosec B301: of our own workers


def _results_by_client(
    job: RayRun, completed: HashSet, shipment: Shipment, share: float, control: Any
) -> Iterator[BlockResult]:
    """The same for a driver outside the cluster, from where Ray Data does not work: an actor in the
    cluster is its driver."""
    actor = ray.remote(num_cpus=0, scheduling_strategy=_own_node())(_RemoteResults)
    results = actor.remote(job, completed, shipment, share, control)
    while (result := ray.get(results.next.remote())) is not None:
        yield result


class _RemoteResults:
    """The results of a run, one after the other, in an actor."""

    def __init__(
        self, job: RayRun, completed: HashSet, shipment: Shipment, share: float, control: Any
    ) -> None:
        self._results = _results(job, completed, shipment, share, control)

    def next(self) -> BlockResult | None:
        """The next result; None at the end."""
        return next(self._results, None)


def _own_node() -> Any:
    """Where to run what must not be lost while the driver lives: on its node."""
    return NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)


@contextmanager
def quiet_data() -> Iterator[None]:
    """Settings of Ray Data for rows that are blocks: one at a time, without bars and lines."""
    context = ray.data.DataContext.get_current()
    chosen = {
        "enable_progress_bars": False,
        "print_on_execution_start": False,
        "target_max_block_size": 1,
    }
    before = {name: getattr(context, name) for name in chosen}
    for name, value in chosen.items():
        setattr(context, name, value)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="ray")
            yield
    finally:
        for name, value in before.items():
            setattr(context, name, value)


@contextmanager
def _locked(parts: Place) -> Iterator[None]:
    """Keeps other drivers from the same folder for the block; raises ResumeError if one has it.

    Stores have no locks.
    """
    if not isinstance(parts, Path):
        yield
        return
    lock = parts.with_name(f".fkd-{parts.name}.lock")
    with output_errors(lock):
        parts.mkdir(parents=True, exist_ok=True)
        descriptor = open_locked(lock)
    if descriptor is None:
        fix = "wait for it, or choose another folder"
        raise ResumeError(parts, "another run is writing here", fix)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
        os.close(descriptor)
