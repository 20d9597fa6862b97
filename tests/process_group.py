"""Runs a command for a limited time, and ends it with all processes that it started."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from typing import Any


def run_for(
    seconds: float, command: Sequence[str], **options: Any
) -> subprocess.CompletedProcess[str] | None:
    """The command's end, with its text on the streams that `options` of Popen pipe; None if it was
    killed."""
    with subprocess.Popen(command, text=True, start_new_session=True, **options) as process:
        try:
            printed, errors = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return None
    return subprocess.CompletedProcess(command, process.returncode, printed, errors)
