"""The configurations that each step of `fkd-infer tune` compares, by name."""

from __future__ import annotations

from dataclasses import replace

from fkd_infer.choices import GRAPH_LEVELS
from fkd_infer.system.hardware import available_threads
from fkd_infer.tuning.trial import RunConfig
from fkd_infer.tuning.variants import variants_of


def file_configs(current: RunConfig) -> dict[str, RunConfig]:
    """Returns the current configuration with the model and each of its variants."""
    paths = [current.network, *variants_of(current.network)]
    return {path.name: replace(current, network=path) for path in paths}


def thread_configs(current: RunConfig) -> dict[str, RunConfig]:
    """Returns configurations with powers of 2 and all threads, spinning or not; one thread never
    waits for others, so it need not spin."""
    most = available_threads()
    configs = {}
    for threads in sorted({most, *(2**power for power in range(most.bit_length()))}):
        for spin in (False, True) if threads > 1 else (False,):
            name = f"{threads} thread{'s' if threads > 1 else ''}{', spinning' if spin else ''}"
            settings = replace(current.settings, threads=threads, spin=spin)
            configs[name] = replace(current, settings=settings)
    return configs


def level_configs(current: RunConfig) -> dict[str, RunConfig]:
    """Returns configurations with each level of graph optimization."""
    return {
        level: replace(current, settings=replace(current.settings, level=level))
        for level in GRAPH_LEVELS
    }
