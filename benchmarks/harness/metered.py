"""Runs a program and writes its time and memory to OUT.

`python -m benchmarks.harness.metered OUT PROGRAM ARGUMENT…`.

A process of its own, since the system counts the memory of whoever starts a program as the
program's, and this one has next to none.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path


def main(out: str, *command: str) -> int:
    """Writes seconds, CPU seconds and peak memory in KiB; gives the program's exit code."""
    started = time.perf_counter()
    process = os.posix_spawn(command[0], command, os.environ)
    # wait4, since it tells of this child alone and of those that it waited for.
    _, status, used = os.wait4(process, 0)
    seconds = time.perf_counter() - started
    figures = [seconds, used.ru_utime + used.ru_stime, used.ru_maxrss]
    Path(out).write_text(json.dumps(figures))
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
