"""Starts sessions of ONNX Runtime on the provider that was asked for."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fkd_infer.choices import Provider
from fkd_infer.errors import FkdError, InvalidModelError, OutOfMemoryError, ProviderError
from fkd_infer.runtime.providers.base import ExecutionProvider, ProviderSettings
from fkd_infer.runtime.providers.cpu import CPU
from fkd_infer.runtime.providers.registry import (
    AUTO,
    find_provider,
    provider_of,
    usable_providers,
)
from fkd_infer.runtime.run_errors import lacks_memory, memory_error
from fkd_infer.runtime.settings import SessionSettings

if TYPE_CHECKING:
    import onnxruntime

_SEE_DOCTOR = "see what is missing with: fkd-infer doctor"
_log = logging.getLogger(__name__)


def start_session(
    ort: Any,
    path: Path,
    provider: Provider,
    settings: SessionSettings,
    provider_settings: ProviderSettings | None = None,
) -> onnxruntime.InferenceSession:
    """Starts a session on a provider; "auto" is the first one that starts, with a warning for each
    that does not.

    Raises ProviderError, InvalidModelError, OutOfMemoryError, and SettingsError for an unknown
    provider.
    """
    candidates = _candidates(ort, provider)
    failures: dict[str, str] = {}
    for candidate in candidates:
        if candidate is CPU:
            continue
        session, problem = _start_on(ort, path, candidate, settings, provider_settings)
        if session is not None:
            return session
        failures[candidate.name] = f"ONNX Runtime did not start {candidate.title} ({problem})"
    # Before the failures are reported, so that a broken file is reported as one.
    on_cpu = _load(ort, path, [(CPU, {})], settings)
    for failure in failures.values():
        if provider != AUTO:
            raise ProviderError(provider, [CPU.name], _SEE_DOCTOR, failure)
        _log.warning("%s; %s; going on with the CPU", failure, _SEE_DOCTOR)
    return on_cpu


def _candidates(ort: Any, provider: Provider) -> Sequence[ExecutionProvider[Any]]:
    """Returns the providers to try."""
    usable = usable_providers(ort)
    if provider == AUTO:
        return usable
    asked = find_provider(provider)
    if asked not in usable:
        fix = f"install its runtime: pip install 'fkd[{asked.extra}]'"
        raise ProviderError(asked.name, [other.name for other in usable], fix)
    return [asked]


def _start_on(
    ort: Any,
    path: Path,
    provider: ExecutionProvider[Any],
    settings: SessionSettings,
    provider_settings: ProviderSettings | None,
) -> tuple[onnxruntime.InferenceSession | None, str]:
    """Returns a session on a provider, or None and the reason."""
    missing = provider.preload(ort)
    options = provider.options(provider.own_settings(provider_settings))
    try:
        session = _load(ort, path, [(provider, options), (CPU, {})], settings)
    except (InvalidModelError, OutOfMemoryError) as error:
        return None, str(error)
    if provider_of(session) is not provider:
        return None, "its provider did not load" + (f": {missing[0]}" if missing else "")
    return session, ""


def _load(
    ort: Any,
    path: Path,
    providers: Sequence[tuple[ExecutionProvider[Any], dict[str, str]]],
    settings: SessionSettings,
) -> onnxruntime.InferenceSession:
    """Returns a session on the first of the providers that starts."""
    named = [(provider.onnx_name, options) for provider, options in providers]
    try:
        # ONNX Runtime's own fallback changes to the CPU during a run, and prints that to stdout.
        return ort.InferenceSession(path, settings.options(ort), providers=named, enable_fallback=0)
    except Exception as error:  # ONNX Runtime's errors share no other base
        raise _load_error(error, path, providers[0][0]) from error


def _load_error(error: Exception, path: Path, provider: ExecutionProvider[Any]) -> FkdError:
    if lacks_memory(error):
        return memory_error(provider, f"to load {path}")
    return InvalidModelError(path, " ".join(str(error).split()))
