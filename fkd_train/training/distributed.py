"""Several processes of one run that succeed or fail as one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from accelerate import Accelerator

from fkd_train.errors import PeerError


def any_process(accelerator: Accelerator, own: bool) -> bool:
    """Whether it is so in any of the processes, which all have to ask."""
    if accelerator.num_processes == 1:
        return own
    flag = torch.tensor(float(own), device=accelerator.device)
    return bool(accelerator.reduce(flag, reduction="sum").item() > 0)


def run_on_main_process(accelerator: Accelerator, out: Path, work: Callable[[], None]) -> None:
    """Work of the main process, which the others wait for.

    Where it raises there, PeerError is raised in the others, which would wait for ever.
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
