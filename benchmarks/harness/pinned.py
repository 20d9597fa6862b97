"""Keeps a program to some cores: `python -m benchmarks.harness.pinned 0,1 PROGRAM ARGUMENT…`."""

from __future__ import annotations

import os
import sys


def main(cores: str, *command: str) -> None:
    """Becomes the program; imports nothing, so that it costs next to no time."""
    os.sched_setaffinity(0, [int(core) for core in cores.split(",")])
    os.execv(command[0], command)  # whoever measures gives it  # nosec B606


if __name__ == "__main__":
    main(*sys.argv[1:])
