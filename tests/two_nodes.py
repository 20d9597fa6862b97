"""Starts `fkd-train` as two nodes of one run, on this machine."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import replace

from training_process import Run, TrainingProcess

Ended = tuple[int, list[str]]
"""Exit code and output lines."""


def start_nodes(
    run: Run, node: Callable[[int, Run], Run] = lambda _, run: run, local: bool = False
) -> list[TrainingProcess]:
    """The two processes, each with a run folder of its own, as on machines that share no disk;
    `node` changes one's run by its rank. `local`: both are on one machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes = []
    for rank in range(2):
        environment = {
            "RANK": str(rank),
            "WORLD_SIZE": "2",
            "LOCAL_RANK": str(rank if local else 0),
            "LOCAL_WORLD_SIZE": "2" if local else "1",
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
            "OMP_NUM_THREADS": "1",
        }
        out = run.out.with_name(f"{run.out.name}-{rank}")
        processes.append(
            TrainingProcess(node(rank, replace(run, out=out, environment=environment)))
        )
    return processes


def run_nodes(
    run: Run,
    node: Callable[[int, Run], Run] = lambda _, run: run,
    local: bool = False,
    timeout: float = 120.0,
) -> list[Ended]:
    """Both ends, in the order of ranks."""
    return [process.wait(timeout) for process in start_nodes(run, node, local)]
