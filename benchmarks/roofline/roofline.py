"""How near a network comes to what the machine can do (a roofline: Williams et al., 2009)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.harness import statistics
from benchmarks.harness.results import Figure, LeftOut, Measurement, Recorder, digest
from benchmarks.harness.statistics import Interval
from benchmarks.harness.subprocesses import pinned
from benchmarks.networks.contenders import Entry, our_entries
from benchmarks.networks.find import Network
from benchmarks.networks.flops import MultiplyAdds, Work, count_work
from benchmarks.networks.latency import Turns, call_figures
from benchmarks.roofline.ceilings import Ceiling, Resource, all_ceilings
from benchmarks.roofline.operators import profile
from fkd_infer.tuning.interleaved import time_interleaved
from fkd_train.errors import RunError

COMMAND = "limit"
MACHINE = "the machine"
NEAR = 80.0
"""Percent of its limit from which on a network's time needs no explanation."""
_UNITS: dict[Resource, str] = {"fp32": "GFLOP/s", "int8": "GOP/s", "memory": "GB/s"}


@dataclass(frozen=True)
class Machine:
    """The best rates that were measured: operations a second, and bytes a second by set size."""

    fp32: float
    int8: float
    bandwidths: dict[int, float]

    def arithmetic(self, count: MultiplyAdds) -> float:
        """Seconds that multiply-adds take at least; each is two operations."""
        return 2 * count.fp32 / self.fp32 + 2 * count.int8 / self.int8

    def bandwidth(self, work: Work) -> float:
        """Bytes a second. Data that fit into a cache are there at the next call, so it is that of
        the smallest set that holds all that a call moves."""
        fitting = [size for size in self.bandwidths if size >= work.moved_bytes]
        return self.bandwidths[min(fitting, default=max(self.bandwidths))]

    def least(self, work: Work) -> float:
        """Seconds that the work takes at least: layers run one after the other, and each takes as
        long as its arithmetic or as its bytes."""
        bandwidth = self.bandwidth(work)
        return sum(max(self.arithmetic(x.count), x.moved_bytes / bandwidth) for x in work.layers)


def limit(
    networks: Sequence[Network], threads: Sequence[int], turns: Turns, recorder: Recorder
) -> None:
    """Measures ceilings and networks in the same turns."""
    works = {network.onnx: count_work(network.onnx) for network in networks}
    for network in networks:
        for file in network.variants:
            try:
                works[file] = count_work(file)
            except RunError as error:
                recorder.left_out(LeftOut(COMMAND, network.name, file.name, str(error)))
    counted = [replace(n, variants=tuple(f for f in n.variants if f in works)) for n in networks]
    for count in threads:
        _limit_on(counted, works, count, turns, recorder)


def _limit_on(
    networks: Sequence[Network],
    works: dict[Path, Work],
    threads: int,
    turns: Turns,
    recorder: Recorder,
) -> None:
    ceilings = all_ceilings()
    entries = {f"{n.name} {e.name}": (n, e) for n in networks for e in our_entries(n)}
    contenders = [pinned(ceiling.contender(threads), threads) for ceiling in ceilings]
    for name, (_, entry) in entries.items():
        contenders.append(replace(entry.contender(1, threads), name=name))
    times = time_interleaved(contenders, turns.blocks, turns.seconds)
    medians = {name: statistics.block_medians(blocks) for name, blocks in times.items()}
    rates = {c: statistics.rate(medians[c.name], c.work) for c in ceilings}
    for ceiling, rate in rates.items():
        figures = {"rate": Figure.of(rate, _UNITS[ceiling.resource], 1e-9, "higher")}
        blocks = tuple(medians[ceiling.name].tolist())
        conditions = {"threads": str(threads)}
        recorder.measured(
            Measurement(COMMAND, MACHINE, ceiling.name, conditions, figures, blocks=blocks)
        )
    machine = machine_of({ceiling: rate.value for ceiling, rate in rates.items()})
    for name, (network, entry) in entries.items():
        measured = _of_limit(network, entry, works[entry.file], times[name], machine, threads)
        recorder.measured(measured)
        if measured.figures["of the limit"].value < NEAR:
            _explain(measured, entry, works[entry.file], machine, threads, recorder)


def machine_of(rates: dict[Ceiling, float]) -> Machine:
    """The best of each resource."""

    def best(resource: Resource) -> float:
        return max(rate for ceiling, rate in rates.items() if ceiling.resource == resource)

    memory = {c: rate for c, rate in rates.items() if c.resource == "memory"}
    sizes = {c.size for c in memory}
    return Machine(
        best("fp32"),
        best("int8"),
        {size: max(rate for c, rate in memory.items() if c.size == size) for size in sizes},
    )


def _of_limit(
    network: Network,
    entry: Entry,
    work: Work,
    blocks: statistics.Blocks,
    machine: Machine,
    threads: int,
) -> Measurement:
    """A network's time against the least that its layers can take, and what that is made of."""
    arithmetic = machine.arithmetic(work.all)
    memory = work.moved_bytes / machine.bandwidth(work)
    figures = call_figures(blocks)
    p50 = statistics.median(statistics.block_medians(blocks))
    least = machine.least(work)
    share = Interval(*(least / seconds for seconds in (p50.value, p50.high, p50.low)))
    figures |= {
        "of the limit": Figure.of(share, "%", 100),
        "limit": Figure(1000 * least, "ms"),
        "arithmetic alone": Figure(1000 * arithmetic, "ms"),
        "bytes alone": Figure(1000 * memory, "ms"),
        "multiply-adds": Figure(work.all.total / 1e6, "M"),
        "bytes": Figure(work.moved_bytes / 1e6, "MB"),
    }
    conditions = {"batch": "1", "threads": str(threads)}
    medians = tuple(statistics.block_medians(blocks).tolist())
    return Measurement(
        COMMAND, network.name, entry.name, conditions, figures, digest(entry.file), medians
    )


def _explain(
    measured: Measurement,
    entry: Entry,
    work: Work,
    machine: Machine,
    threads: int,
    recorder: Recorder,
) -> None:
    """A row for each type of operator, and one for the convolutions' own rate."""
    operators = profile(entry.file, threads, entry.spin)
    for operator in operators:
        figures = {
            "time": Figure(operator.milliseconds, "ms"),
            "share": Figure(operator.share, "%"),
        }
        conditions = {**measured.conditions, "operator": operator.name}
        recorder.measured(replace(measured, conditions=conditions, figures=figures, blocks=()))
    convolving = sum(o.milliseconds for o in operators if "Conv" in o.name) / 1000
    if convolving:
        least = machine.arithmetic(work.convolutions)
        figures = {
            "time": Figure(1000 * convolving, "ms"),
            "of the limit": Figure(100 * least / convolving, "%"),
        }
        conditions = {**measured.conditions, "operator": "all convolutions"}
        recorder.measured(replace(measured, conditions=conditions, figures=figures, blocks=()))
