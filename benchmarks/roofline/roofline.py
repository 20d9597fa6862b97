"""Compares networks with the machine's best rates (roofline model: Williams et al., 2009)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.harness import statistics
from benchmarks.harness.results import Figure, Measurement, Recorder, SkippedContender, file_sha256
from benchmarks.harness.statistics import Interval
from benchmarks.harness.subprocesses import pin_contender
from benchmarks.networks.candidates import Candidate, fkd_candidates
from benchmarks.networks.flops import MultiplyAdds, Work, count_work
from benchmarks.networks.latency import Timing, latency_figures
from benchmarks.networks.network_files import Network
from benchmarks.roofline.ceilings import Ceiling, Resource, all_ceilings
from benchmarks.roofline.operators import profile
from fkd_infer.tuning.interleaved import time_interleaved
from fkd_train.errors import RunError

COMMAND = "limit"
MACHINE = "the machine"
NEAR = 80.0
"""Percent of the limit below which a network's operators are profiled."""
_UNITS: dict[Resource, str] = {"fp32": "GFLOP/s", "int8": "GOP/s", "memory": "GB/s"}


@dataclass(frozen=True)
class Machine:
    """The best measured rates: operations per second, and bytes per second by working set."""

    fp32: float
    int8: float
    bandwidths: dict[int, float]

    def arithmetic(self, count: MultiplyAdds) -> float:
        """The least seconds for multiply-adds, each of two operations."""
        return 2 * count.fp32 / self.fp32 + 2 * count.int8 / self.int8

    def bandwidth(self, work: Work) -> float:
        """Bytes per second of the smallest measured working set that holds a call's data, since
        data that fit into a cache stay there between calls."""
        fitting = [size for size in self.bandwidths if size >= work.moved_bytes]
        return self.bandwidths[min(fitting, default=max(self.bandwidths))]

    def least_seconds(self, work: Work) -> float:
        """The least seconds for the work: the sum over layers of the longer of arithmetic and
        memory access."""
        bandwidth = self.bandwidth(work)
        return sum(max(self.arithmetic(x.count), x.moved_bytes / bandwidth) for x in work.layers)


def measure_limits(
    networks: Sequence[Network], threads: Sequence[int], timing: Timing, recorder: Recorder
) -> None:
    """Times ceilings and networks in the same rounds."""
    works = {network.onnx: count_work(network.onnx) for network in networks}
    for network in networks:
        for file in network.variants:
            try:
                works[file] = count_work(file)
            except RunError as error:
                recorder.skip(SkippedContender(COMMAND, network.name, file.name, str(error)))
    countable = [replace(n, variants=tuple(f for f in n.variants if f in works)) for n in networks]
    for count in threads:
        _measure_limits(countable, works, count, timing, recorder)


def _measure_limits(
    networks: Sequence[Network],
    works: dict[Path, Work],
    threads: int,
    timing: Timing,
    recorder: Recorder,
) -> None:
    ceilings = all_ceilings()
    candidates = {f"{n.name} {c.name}": (n, c) for n in networks for c in fkd_candidates(n)}
    contenders = [pin_contender(ceiling.contender(threads), threads) for ceiling in ceilings]
    for name, (_, candidate) in candidates.items():
        contenders.append(replace(candidate.contender(1, threads), name=name))
    times = time_interleaved(contenders, timing.blocks, timing.seconds)
    medians = {name: statistics.block_medians(blocks) for name, blocks in times.items()}
    rates = {c: statistics.rate_interval(medians[c.name], c.work) for c in ceilings}
    for ceiling, rate in rates.items():
        figures = {"rate": Figure.from_interval(rate, _UNITS[ceiling.resource], 1e-9, "higher")}
        blocks = tuple(medians[ceiling.name].tolist())
        conditions = {"threads": str(threads)}
        recorder.add(
            Measurement(COMMAND, MACHINE, ceiling.name, conditions, figures, blocks=blocks)
        )
    machine = best_rates({ceiling: rate.value for ceiling, rate in rates.items()})
    for name, (network, candidate) in candidates.items():
        work = works[candidate.file]
        measurement = _measurement(network, candidate, work, times[name], machine, threads)
        recorder.add(measurement)
        if measurement.figures["of the limit"].value < NEAR:
            for row in _operator_rows(measurement, candidate, work, machine, threads):
                recorder.add(row)


def best_rates(rates: dict[Ceiling, float]) -> Machine:
    """The best rate of each resource."""

    def best(resource: Resource) -> float:
        return max(rate for ceiling, rate in rates.items() if ceiling.resource == resource)

    memory = {c: rate for c, rate in rates.items() if c.resource == "memory"}
    sizes = {c.size for c in memory}
    return Machine(
        best("fp32"),
        best("int8"),
        {size: max(rate for c, rate in memory.items() if c.size == size) for size in sizes},
    )


def _measurement(
    network: Network,
    candidate: Candidate,
    work: Work,
    blocks: statistics.Blocks,
    machine: Machine,
    threads: int,
) -> Measurement:
    """A network's time compared with the limit of its layers."""
    arithmetic = machine.arithmetic(work.all)
    memory = work.moved_bytes / machine.bandwidth(work)
    figures = latency_figures(blocks)
    p50 = statistics.median_interval(statistics.block_medians(blocks))
    limit = machine.least_seconds(work)
    share = Interval(*(limit / seconds for seconds in (p50.value, p50.high, p50.low)))
    figures |= {
        "of the limit": Figure.from_interval(share, "%", 100),
        "limit": Figure(1000 * limit, "ms"),
        "arithmetic alone": Figure(1000 * arithmetic, "ms"),
        "bytes alone": Figure(1000 * memory, "ms"),
        "multiply-adds": Figure(work.all.total / 1e6, "M"),
        "bytes": Figure(work.moved_bytes / 1e6, "MB"),
    }
    conditions = {"batch": "1", "threads": str(threads)}
    medians = tuple(statistics.block_medians(blocks).tolist())
    return Measurement(
        COMMAND,
        network.name,
        candidate.name,
        conditions,
        figures,
        file_sha256(candidate.file),
        medians,
    )


def _operator_rows(
    measurement: Measurement, candidate: Candidate, work: Work, machine: Machine, threads: int
) -> Iterator[Measurement]:
    """A row for each operator type, and one for the rate of all convolutions."""

    def row(name: str, figures: dict[str, Figure]) -> Measurement:
        conditions = {**measurement.conditions, "operator": name}
        return replace(measurement, conditions=conditions, figures=figures, blocks=())

    operators = profile(candidate.file, threads, candidate.spin)
    for operator in operators:
        time, share = Figure(operator.milliseconds, "ms"), Figure(operator.share, "%")
        yield row(operator.name, {"time": time, "share": share})
    milliseconds = sum(o.milliseconds for o in operators if "Conv" in o.name)
    if milliseconds:
        limit = 1000 * machine.arithmetic(work.convolutions)
        share = Figure(100 * limit / milliseconds, "%")
        yield row("all convolutions", {"time": Figure(milliseconds, "ms"), "of the limit": share})
