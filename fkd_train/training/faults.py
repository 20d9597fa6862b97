"""Faults of the machine in the middle of a training, said in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from traceback import clear_frames

import torch
from torch import distributed
from torch.utils.data import DataLoader

from fkd_infer.errors import FkdError
from fkd_train.data.loader import Batch
from fkd_train.errors import BatchError, PeerError, TrainingMemoryError

_WORKER_DIED = "DataLoader worker (pid"
"""How torch begins what it says of a loader's process that is gone."""
_RAISED = " in DataLoader worker process"
"""What torch puts into the text of what a loader's process raised, before its traceback."""
_NO_MEMORY = ("DefaultCPUAllocator", "bad_alloc")
"""What torch says where the CPU's memory is used up, in errors without a class of their own."""
_PEER_GONE = ("Connection closed by peer", "Connection reset by peer")
"""What gloo says where another process of a run is gone, the same."""


def fetch_batches(loader: DataLoader[Batch], run: Path) -> Iterator[Batch]:
    """A loader's batches; raises BatchError where one could not be made."""
    batches: Iterator[Batch] | None = None
    while True:
        try:
            batches = batches or iter(loader)
            batch = next(batches)
        except StopIteration:
            return
        except Exception as error:
            # They hold a loader that was not even made to its end, and with it its workers.
            clear_frames(error.__traceback__)
            raise BatchError(run, _why(error)) from error
        yield batch


@contextmanager
def translate_faults(run: Path, device: str, batch: int) -> Iterator[None]:
    """Turns a loader's process that died during the block into BatchError, too little memory for a
    step of `batch` images into TrainingMemoryError, and the end of another process of the run into
    PeerError."""
    try:
        yield
    except FkdError:
        raise
    except (MemoryError, RuntimeError) as error:
        # torch raises it wherever the program is when the system says that a process died.
        if str(error).startswith(_WORKER_DIED):
            raise BatchError(run, _why(error)) from error
        if _is_of_memory(error):
            raise TrainingMemoryError(run, device, batch) from error
        if _is_of_peer(error):
            raise PeerError(run) from error
        raise


def _is_of_peer(error: Exception) -> bool:
    if distributed.is_available() and isinstance(error, distributed.DistError):
        return True
    return any(words in str(error) for words in _PEER_GONE)


def _is_of_memory(error: Exception) -> bool:
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return any(words in str(error) for words in _NO_MEMORY)


def _why(error: Exception) -> str:
    """The words of torch, or of what was raised, without a traceback and without torch's advice."""
    text = str(error).strip()
    if text.startswith(_WORKER_DIED):
        return "the " + text.partition(". ")[0].rstrip(".")
    if _RAISED in text.partition("\n")[0]:
        return text.rpartition("\n")[2]
    said = f"{type(error).__name__}: {' '.join(text.split())}"
    if isinstance(error, ConnectionError | EOFError | FileNotFoundError):
        return f"a loader's process was lost ({said})"
    return said
