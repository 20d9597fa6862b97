"""Turns faults of the machine during training into errors of one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from traceback import clear_frames

import torch
from torch.utils.data import DataLoader

from fkd_infer.errors import FkdError
from fkd_train.data.loader import Batch
from fkd_train.errors import BatchError, TrainingMemoryError

_WORKER_DIED = "DataLoader worker (pid"
"""Start of torch's error text when a loader worker has died."""
_WORKER_RAISED = " in DataLoader worker process"
"""Part of torch's error text, before the traceback, when a loader worker raised an exception."""
_NO_MEMORY = ("DefaultCPUAllocator", "bad_alloc")
"""Parts of torch's error texts when CPU memory is exhausted; they have no class of their own."""


def fetch_batches(loader: DataLoader[Batch], run: Path) -> Iterator[Batch]:
    """Yields a loader's batches; raises BatchError if one cannot be loaded."""
    batches: Iterator[Batch] | None = None
    while True:
        try:
            batches = batches or iter(loader)
            batch = next(batches)
        except StopIteration:
            return
        except Exception as error:
            # The frames reference a partly constructed loader, and with it its workers.
            clear_frames(error.__traceback__)
            raise BatchError(run, _describe(error)) from error
        yield batch


@contextmanager
def translate_faults(run: Path, device: str, batch: int) -> Iterator[None]:
    """Raises BatchError if a loader worker dies during the block, and TrainingMemoryError if memory
    does not suffice for a step of `batch` images."""
    try:
        yield
    except FkdError:
        raise
    except (MemoryError, RuntimeError) as error:
        # torch raises this wherever the program is when the worker's death is signalled.
        if str(error).startswith(_WORKER_DIED):
            raise BatchError(run, _describe(error)) from error
        if _is_out_of_memory(error):
            raise TrainingMemoryError(run, device, batch) from error
        raise


def _is_out_of_memory(error: Exception) -> bool:
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return any(text in str(error) for text in _NO_MEMORY)


def _describe(error: Exception) -> str:
    """The error's text in one line, without traceback and without torch's advice."""
    text = str(error).strip()
    if text.startswith(_WORKER_DIED):
        return "the " + text.partition(". ")[0].rstrip(".")
    if _WORKER_RAISED in text.partition("\n")[0]:
        return text.rpartition("\n")[2]
    line = f"{type(error).__name__}: {' '.join(text.split())}"
    if isinstance(error, ConnectionError | EOFError | FileNotFoundError):
        return f"a loader's process was lost ({line})"
    return line
