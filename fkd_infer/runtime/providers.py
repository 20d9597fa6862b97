"""ONNX Runtime's sessions: the provider that was asked for, or an error that says why not."""

from __future__ import annotations

import logging
import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fkd_infer.choices import Provider
from fkd_infer.errors import (
    DeviceLostError,
    FkdError,
    InferenceError,
    InvalidModelError,
    OutOfMemoryError,
    ProviderError,
)
from fkd_infer.runtime.cuda import CudaSettings
from fkd_infer.runtime.settings import SessionSettings

if TYPE_CHECKING:
    import onnxruntime

_ONNX_NAMES = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
_NO_MEMORY = ("failed to allocate memory", "out of memory", "alloc_failed", "bad_alloc")
_LOST = re.compile(
    r"CUDA failure \d|(?:CUDNN|CUBLAS)_STATUS_(?:EXECUTION_FAILED|INTERNAL_ERROR|NOT_INITIALIZED)",
    re.IGNORECASE,
)
"""After one of these, all calls of the process to the GPU fail."""
_log = logging.getLogger(__name__)


def usable_providers(ort: Any) -> list[str]:
    """Those of our providers that an onnxruntime was built with; they may still not start."""
    offered: list[str] = ort.get_available_providers()
    return [name for name, onnx_name in _ONNX_NAMES.items() if onnx_name in offered]


def start_session(
    ort: Any, path: Path, provider: Provider, settings: SessionSettings, cuda: CudaSettings
) -> onnxruntime.InferenceSession:
    """A session on the provider; "auto" is CUDA where it starts, or the CPU and a warning.

    Raises ProviderError, InvalidModelError and OutOfMemoryError.
    """
    usable = usable_providers(ort)
    if provider == "cuda" and "cuda" not in usable:
        raise ProviderError("cuda", usable, "install the GPU runtime: pip install 'fkd[gpu]'")
    if provider != "cpu" and "cuda" in usable:
        session, why = _load_on_cuda(ort, path, settings, cuda)
        if session is not None:
            return session
        # First, so that a broken file is told as one, and not as a fault of CUDA.
        on_cpu = _load(ort, path, ["cpu"], settings, cuda)
        why = f"ONNX Runtime did not start CUDA ({why})"
        fix = "see what is missing with: fkd-infer doctor"
        if provider == "cuda":
            raise ProviderError("cuda", ["cpu"], fix, why)
        _log.warning("%s; %s; going on with the CPU", why, fix)
        return on_cpu
    return _load(ort, path, ["cpu"], settings, cuda)


def _load_on_cuda(
    ort: Any, path: Path, settings: SessionSettings, cuda: CudaSettings
) -> tuple[onnxruntime.InferenceSession | None, str]:
    """A session on CUDA, or none and the reason."""
    missing = preload(ort)
    try:
        session = _load(ort, path, ["cuda", "cpu"], settings, cuda)
    except (InvalidModelError, OutOfMemoryError) as error:
        return None, str(error)
    if provider_of(session) != "cuda":
        return None, "its provider did not load" + (f": {missing[0]}" if missing else "")
    return session, ""


def preload(ort: Any) -> list[str]:
    """Loads CUDA's libraries from where pip puts them; says of each that is missing why."""
    # It prints what it does not find, and standard output is for records.
    with redirect_stdout(StringIO()) as said:
        ort.preload_dlls()
    # The reason names the library that is missing, which the first one may only need.
    return re.findall(r"^Failed to load (?:\S+: (?=lib))?(.*)$", said.getvalue(), re.MULTILINE)


def _load(
    ort: Any, path: Path, providers: list[str], settings: SessionSettings, cuda: CudaSettings
) -> onnxruntime.InferenceSession:
    """A session on the first of the providers that starts."""
    options = {"cuda": cuda.options()}
    wanted = [(_ONNX_NAMES[name], options.get(name, {})) for name in providers]
    try:
        # Its own fallback goes on with the CPU in the middle of a run, and says so on stdout.
        return ort.InferenceSession(
            path, settings.options(ort), providers=wanted, enable_fallback=0
        )
    except Exception as error:  # ONNX Runtime's errors share no other base
        raise _as_our_own(error, path, providers[0]) from error


def _as_our_own(error: Exception, path: Path, provider: str) -> FkdError:
    if lacks_memory(error):
        return OutOfMemoryError(provider, f"to load {path}")
    return InvalidModelError(path, " ".join(str(error).split()))


def run_error(error: Exception, provider: str, model: str, what: str, way_out: str) -> FkdError:
    """What an error of a session that was called says, as one of ours; `what` it was called for,
    and `way_out` where memory is short."""
    text = " ".join(str(error).split())
    if lacks_memory(error):
        return OutOfMemoryError(provider, what, way_out)
    if provider == "cuda" and _LOST.search(text):
        return DeviceLostError("CUDA", text)
    return InferenceError(model, what, text)


def lacks_memory(error: Exception) -> bool:
    """Whether an error of ONNX Runtime, CUDA or cuDNN says that memory is used up."""
    text = str(error).lower()
    return any(words in text for words in _NO_MEMORY)


def provider_of(session: onnxruntime.InferenceSession) -> str:
    """Our name of the provider that a session prefers."""
    first = session.get_providers()[0]
    return next(name for name, onnx_name in _ONNX_NAMES.items() if onnx_name == first)
