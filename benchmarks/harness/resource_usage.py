"""Runs a program and writes the time and memory that it needed to the file OUT.

`python -m benchmarks.harness.resource_usage OUT PROGRAM ARGUMENT…`

This is a process of its own because a child's peak memory includes that of the process that
started it, and this one needs almost none.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path


def main(out: str, *command: str) -> int:
    """Writes seconds, CPU seconds and peak memory in KiB; returns the program's exit code."""
    started = time.perf_counter()
    process = os.posix_spawn(command[0], command, os.environ)
    # wait4 reports this child and its own children only.
    _, status, usage = os.wait4(process, 0)
    seconds = time.perf_counter() - started
    figures = [seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss]
    Path(out).write_text(json.dumps(figures))
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
