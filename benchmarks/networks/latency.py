"""Networks alone: what a batch of crops takes, in every way that can run here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness import statistics
from benchmarks.harness.environment import choose_cores
from benchmarks.harness.results import Figure, LeftOut, Measurement, Recorder, digest
from benchmarks.harness.subprocesses import pinned
from benchmarks.networks.contenders import EAGER, Entry, Field, gather
from benchmarks.networks.find import Network
from fkd_infer.runtime.settings import SessionSettings
from fkd_infer.tuning.interleaved import time_interleaved
from fkd_infer.tuning.session_worker import session_contender

COMMAND = "latency"
SEARCH_SECONDS = 1.5


@dataclass(frozen=True)
class Turns:
    """How long contenders are timed: so many blocks each, of so many seconds."""

    blocks: int
    seconds: float


def measure(models: list[Path], batch: int, threads: int, blocks: int) -> dict[Path, list[float]]:
    """Seconds of single calls of each ONNX file with fkd's settings."""
    settings = SessionSettings(threads, spin=True)
    contenders = [session_contender(str(model), model, settings, batch) for model in models]
    times = time_interleaved([pinned(c, threads) for c in contenders], blocks, SEARCH_SECONDS)
    return {model: [call for block in times[str(model)] for call in block] for model in models}


def latency(
    networks: Sequence[Network],
    batches: Sequence[int],
    threads: Sequence[int],
    turns: Turns,
    wanted: Sequence[str],
    recorder: Recorder,
) -> None:
    """Measures each network in all its ways, for all batches and threads.

    Raises RunError where there are fewer cores than threads.
    """
    choose_cores(max(threads))
    for network in networks:
        field = gather(network, max(threads), wanted)
        for name, why in field.left_out.items():
            recorder.left_out(LeftOut(COMMAND, network.name, name, why))
        for count in threads:
            for batch in batches:
                _take_turns(network, field, batch, count, turns, recorder)


def _take_turns(
    network: Network, field: Field, batch: int, threads: int, turns: Turns, recorder: Recorder
) -> None:
    contenders = [entry.contender(batch, threads) for entry in field.entries]
    times = time_interleaved(contenders, turns.blocks, turns.seconds)
    eager = times.get(EAGER)
    for entry in field.entries:
        figures = _figures(times[entry.name], eager)
        figures["largest difference"] = Figure(field.difference(entry), "px")
        conditions = {"device": entry.device, "batch": str(batch), "threads": str(threads)}
        recorder.measured(_measurement(network, entry, conditions, figures, times[entry.name]))


def _measurement(
    network: Network,
    entry: Entry,
    conditions: dict[str, str],
    figures: dict[str, Figure],
    blocks: statistics.Blocks,
) -> Measurement:
    return Measurement(
        command=COMMAND,
        model=network.name,
        contender=entry.name,
        conditions=conditions,
        figures=figures,
        sha256=digest(entry.file),
        blocks=tuple(statistics.block_medians(blocks).tolist()),
    )


def call_figures(blocks: statistics.Blocks) -> dict[str, Figure]:
    """p50 with its interval, p90 and p99 of calls, in milliseconds."""
    p50 = statistics.median(statistics.block_medians(blocks))
    return {
        "p50": Figure.of(p50, "ms", 1000, "lower"),
        "p90": Figure(1000 * statistics.percentile(blocks, 90), "ms"),
        "p99": Figure(1000 * statistics.percentile(blocks, 99), "ms"),
    }


def _figures(blocks: statistics.Blocks, eager: statistics.Blocks | None) -> dict[str, Figure]:
    figures = call_figures(blocks)
    if eager is not None:
        medians = statistics.block_medians(eager), statistics.block_medians(blocks)
        figures["speed-up"] = Figure.of(statistics.ratio(*medians), "×")
    return figures
