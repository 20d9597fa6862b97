"""Errors of ONNX Runtime as errors of fkd."""

from __future__ import annotations

from typing import Any

from fkd_infer.errors import DeviceLostError, FkdError, InferenceError, OutOfMemoryError
from fkd_infer.runtime.providers.base import ExecutionProvider
from fkd_infer.runtime.providers.cpu import CPU

_NO_MEMORY = ("failed to allocate memory", "out of memory", "alloc_failed", "bad_alloc")
_SMALLER_BATCHES = "use smaller batches"


def run_error(
    error: Exception,
    provider: ExecutionProvider[Any],
    model: str,
    action: str,
    memory_fix: str = _SMALLER_BATCHES,
) -> FkdError:
    """Returns the error of fkd for an error that a session raised in a call.

    `action` completes "could not be run", such as "for a batch of 8"; `memory_fix` says how the
    call needs less memory.
    """
    text = " ".join(str(error).split())
    if lacks_memory(error):
        return memory_error(provider, action, memory_fix)
    if provider.is_lost(text):
        return DeviceLostError(provider.title, text)
    return InferenceError(model, action, text)


def memory_error(
    provider: ExecutionProvider[Any], action: str, memory_fix: str = _SMALLER_BATCHES
) -> OutOfMemoryError:
    """Returns the error for memory that ran out in `action`."""
    if provider is not CPU:
        memory_fix += f", or use provider {CPU.name!r}"
    return OutOfMemoryError(provider.memory, action, memory_fix)


def lacks_memory(error: Exception) -> bool:
    """Whether an error of ONNX Runtime, CUDA or cuDNN says that memory ran out."""
    text = str(error).lower()
    return any(words in text for words in _NO_MEMORY)
