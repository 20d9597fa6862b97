"""Times networks alone: a batch of crops, with every engine that runs here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness import statistics
from benchmarks.harness.environment import choose_cores
from benchmarks.harness.results import Figure, Measurement, Recorder, SkippedContender, file_sha256
from benchmarks.harness.subprocesses import pin_contender
from benchmarks.networks.candidates import TORCH_EAGER, Candidate, CandidateSet, select_candidates
from benchmarks.networks.network_files import Network
from fkd_infer.runtime.settings import SessionSettings
from fkd_infer.tuning.interleaved import time_interleaved
from fkd_infer.tuning.session_worker import session_contender

COMMAND = "latency"
SEARCH_SECONDS = 1.5


@dataclass(frozen=True)
class Timing:
    """How long each contender is timed."""

    blocks: int
    seconds: float


def time_models(
    models: list[Path], batch: int, threads: int, blocks: int
) -> dict[Path, list[float]]:
    """Times ONNX files with fkd's settings; returns the seconds of each call."""
    settings = SessionSettings(threads, spin=True)
    contenders = [session_contender(str(model), model, settings, batch) for model in models]
    times = time_interleaved(
        [pin_contender(c, threads) for c in contenders], blocks, SEARCH_SECONDS
    )
    return {model: [call for block in times[str(model)] for call in block] for model in models}


def measure_latency(
    networks: Sequence[Network],
    batches: Sequence[int],
    threads: Sequence[int],
    timing: Timing,
    filters: Sequence[str],
    recorder: Recorder,
) -> None:
    """Times each network with every engine, for all batch sizes and numbers of threads.

    `filters` are parts of contenders' names. Raises RunError if there are fewer cores than threads.
    """
    choose_cores(max(threads))
    for network in networks:
        candidates = select_candidates(network, max(threads), filters)
        for name, why in candidates.skipped.items():
            recorder.skip(SkippedContender(COMMAND, network.name, name, why))
        for count in threads:
            for batch in batches:
                _time_candidates(network, candidates, batch, count, timing, recorder)


def _time_candidates(
    network: Network,
    candidates: CandidateSet,
    batch: int,
    threads: int,
    timing: Timing,
    recorder: Recorder,
) -> None:
    contenders = [candidate.contender(batch, threads) for candidate in candidates.candidates]
    times = time_interleaved(contenders, timing.blocks, timing.seconds)
    eager = times.get(TORCH_EAGER)
    for candidate in candidates.candidates:
        figures = _figures(times[candidate.name], eager)
        figures["largest difference"] = Figure(candidates.difference(candidate), "px")
        conditions = {"device": candidate.device, "batch": str(batch), "threads": str(threads)}
        recorder.add(_measurement(network, candidate, conditions, figures, times[candidate.name]))


def _measurement(
    network: Network,
    candidate: Candidate,
    conditions: dict[str, str],
    figures: dict[str, Figure],
    blocks: statistics.Blocks,
) -> Measurement:
    return Measurement(
        command=COMMAND,
        model=network.name,
        contender=candidate.name,
        conditions=conditions,
        figures=figures,
        sha256=file_sha256(candidate.file),
        blocks=tuple(statistics.block_medians(blocks).tolist()),
    )


def latency_figures(blocks: statistics.Blocks) -> dict[str, Figure]:
    """p50 with its interval, p90 and p99 of calls, in milliseconds."""
    p50 = statistics.median_interval(statistics.block_medians(blocks))
    return {
        "p50": Figure.from_interval(p50, "ms", 1000, "lower"),
        "p90": Figure(1000 * statistics.percentile(blocks, 90), "ms"),
        "p99": Figure(1000 * statistics.percentile(blocks, 99), "ms"),
    }


def _figures(blocks: statistics.Blocks, eager: statistics.Blocks | None) -> dict[str, Figure]:
    figures = latency_figures(blocks)
    if eager is not None:
        medians = statistics.block_medians(eager), statistics.block_medians(blocks)
        figures["speed-up"] = Figure.from_interval(statistics.ratio_interval(*medians), "×")
    return figures
