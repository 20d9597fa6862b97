"""The configurations that each step of `fkd-infer tune` compares, by name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from fkd_infer.choices import GRAPH_LEVELS
from fkd_infer.runtime.providers.cpu import CPU
from fkd_infer.runtime.providers.registry import find_provider
from fkd_infer.system.hardware import available_threads
from fkd_infer.tuning.trial import RunConfig


def file_configs(current: RunConfig, files: Iterable[Path]) -> dict[str, RunConfig]:
    """Returns the current configuration with each of these files."""
    return {path.name: replace(current, network=path) for path in files}


def thread_configs(current: RunConfig) -> dict[str, RunConfig]:
    """Returns configurations with powers of 2 and all threads, spinning or not; one thread never
    waits for others, so it need not spin. None for providers without threads."""
    if not find_provider(current.choice.name).uses_threads(current.choice.device):
        return {}
    most = available_threads()
    configs = {}
    for threads in sorted({most, *(2**power for power in range(most.bit_length()))}):
        spins = (False, True) if threads > 1 and current.choice.name == CPU.name else (False,)
        for spin in spins:
            name = f"{threads} thread{'s' if threads > 1 else ''}{', spinning' if spin else ''}"
            settings = replace(current.settings, threads=threads, spin=spin)
            configs[name] = replace(current, settings=settings)
    return configs


def level_configs(current: RunConfig) -> dict[str, RunConfig]:
    """Returns configurations with each level of graph optimization; other providers than the CPU
    optimize graphs themselves."""
    if current.choice.name != CPU.name:
        return {}
    return {
        level: replace(current, settings=replace(current.settings, level=level))
        for level in GRAPH_LEVELS
    }


def option_configs(current: RunConfig) -> dict[str, RunConfig]:
    """Returns configurations with the settings that the provider names as alternatives."""
    provider = find_provider(current.choice.name)
    own = current.choice.settings or provider.settings_type()
    alternatives = {"as it is": own, **provider.alternatives(own)}
    different = {
        name: each for name, each in alternatives.items() if name == "as it is" or each != own
    }
    return {
        name: replace(current, choice=replace(current.choice, settings=each))
        for name, each in different.items()
    }
