"""Coordinates the processes of one run, so that they succeed or fail together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from accelerate import Accelerator

from fkd_train.errors import PeerError


def any_process(accelerator: Accelerator, flag: bool) -> bool:
    """Whether the flag is set in any process; all processes must call this."""
    if accelerator.num_processes == 1:
        return flag
    value = torch.tensor(float(flag), device=accelerator.device)
    return bool(accelerator.reduce(value, reduction="sum").item() > 0)


def run_on_main_process(accelerator: Accelerator, out: Path, work: Callable[[], None]) -> None:
    """Runs work in the main process, while the others wait.

    If it raises there, PeerError is raised in the others, which would otherwise wait forever.
    """
    failed = True
    try:
        if accelerator.is_main_process:
            work()
        failed = False
    finally:
        any_failed = any_process(accelerator, failed)
    if any_failed:
        raise PeerError(out)
