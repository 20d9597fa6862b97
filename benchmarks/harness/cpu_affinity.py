"""Limits a program to some cores: `python -m benchmarks.harness.cpu_affinity 0,1 PROGRAM …`."""

from __future__ import annotations

import os
import sys


def main(cores: str, *command: str) -> None:
    """Replaces this process by the program; imports almost nothing, to add no time."""
    os.sched_setaffinity(0, [int(core) for core in cores.split(",")])
    os.execv(command[0], command)  # the command comes from the benchmark  # nosec B606


if __name__ == "__main__":
    main(*sys.argv[1:])
