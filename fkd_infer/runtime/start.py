"""Starts sessions of ONNX Runtime on the provider that was asked for.

A session is believed once it has answered one batch as the CPU does, and runs every node of the
graph on its provider.
"""

from __future__ import annotations

import logging
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from fkd_infer.errors import FkdError, InvalidModelError, OutOfMemoryError, ProviderError
from fkd_infer.runtime.choice import ProviderChoice
from fkd_infer.runtime.compiled import compiled_folder
from fkd_infer.runtime.install import switch_command
from fkd_infer.runtime.libraries import (
    NoDeviceError,
    PluginLoadError,
    missing_libraries,
    plugin_devices,
)
from fkd_infer.runtime.partition import RECORD, counted, nodes_on_cpu
from fkd_infer.runtime.proof import Proof
from fkd_infer.runtime.providers.base import ExecutionProvider, ProviderSettings
from fkd_infer.runtime.providers.cpu import CPU
from fkd_infer.runtime.providers.registry import (
    AUTO,
    find_provider,
    here,
    usable_providers,
)
from fkd_infer.runtime.run_errors import lacks_memory, memory_error, run_error
from fkd_infer.runtime.settings import SessionSettings

if TYPE_CHECKING:
    import onnxruntime

SEE_DOCTOR = "see what is missing with: fkd-infer doctor"
ALLOW_FALLBACK = "--allow-fallback (allow_fallback=True) runs them there"
_log = logging.getLogger(__name__)


class Started(NamedTuple):
    """A session, its provider and device, and the nodes that run on the CPU instead, by operator.

    `device` is "" for the provider's default.
    """

    session: onnxruntime.InferenceSession
    provider: ExecutionProvider[Any]
    device: str
    on_cpu: Counter[str]

    @property
    def on(self) -> str:
        """The provider and its device, as `--provider` names them."""
        return f"{self.provider.name}:{self.device}" if self.device else self.provider.name


class _NotStartedError(Exception):
    """A provider does not run a network; the text says why, `fix` what to do."""

    def __init__(self, reason: str, fix: str = SEE_DOCTOR) -> None:
        super().__init__(reason)
        self.fix = fix


def start_session(
    ort: Any,
    path: Path,
    choice: ProviderChoice,
    settings: SessionSettings,
    proof: Proof,
    sizes: Mapping[str, int] | None = None,
) -> Started:
    """Starts a session on a provider; "auto" is the first one that proves itself, and a line says
    which and why.

    `sizes` are those of the graph's free axes, by name, for providers that need fixed shapes.
    Raises ProviderError, InvalidModelError and OutOfMemoryError.
    """
    candidates = _candidates(ort, choice)
    if candidates == [CPU]:
        return Started(_load_on_cpu(ort, path, settings), CPU, "", Counter())
    # Before any failure is reported, so that a broken file is reported as one.
    on_cpu = _load_on_cpu(ort, path, settings)
    failures: list[str] = []
    for candidate in candidates:
        if candidate is CPU:
            break
        device = candidate.auto_device if choice.name == AUTO else choice.device
        device = device or candidate.default_device
        start = _Start(ort, path, candidate, device, choice, settings, sizes or {})
        try:
            started = start(proof, on_cpu)
        except _NotStartedError as error:
            if choice.name == AUTO and isinstance(error.__cause__, NoDeviceError):
                continue  # as if it was not installed
            if choice.name != AUTO:
                installed = [other.name for other in usable_providers(ort)]
                raise ProviderError(str(choice), installed, error.fix, str(error)) from error
            failures.append(str(error))
        else:
            if choice.name == AUTO:
                _say_once(f"auto: networks run on {candidate.title}, which answers as the CPU does")
            return started
    if failures:
        _warn_once(f"auto: networks run on the CPU ({'; '.join(failures)}); {SEE_DOCTOR}")
    return Started(on_cpu, CPU, "", Counter())


@cache
def _say_once(line: str) -> None:
    """Logs a line once, though a pipeline starts two sessions."""
    _log.info("%s", line)


@cache
def _warn_once(line: str) -> None:
    _log.warning("%s", line)


def _candidates(ort: Any, choice: ProviderChoice) -> list[ExecutionProvider[Any]]:
    """Returns the providers to try."""
    usable = usable_providers(ort)
    if choice.name == AUTO:
        return [provider for provider in usable if provider.automatic]
    asked = find_provider(choice.name)
    if asked in usable:
        return [asked]
    if asked not in here():
        systems = " and ".join(asked.systems).replace("Darwin", "macOS")
        reason, fix = f"{asked.title} is for {systems}", "choose another"
    else:
        reason, fix = "", f"install it with: {switch_command(asked)}"
    raise ProviderError(asked.name, [other.name for other in usable], fix, reason)


class _Start(NamedTuple):
    """The start of a network on one provider."""

    ort: Any
    path: Path
    provider: ExecutionProvider[Any]
    device: str
    choice: ProviderChoice
    settings: SessionSettings
    sizes: Mapping[str, int]

    def __call__(self, proof: Proof, on_cpu: onnxruntime.InferenceSession) -> Started:
        """Starts a session and proves it; raises _NotStartedError.

        A provider may have kept something that was damaged since: it is compiled once more.
        """
        session, device, kept = self._start()
        try:
            return self._proven(session, device, proof, on_cpu)
        except _NotStartedError:
            if kept is None:
                raise
        del session
        shutil.rmtree(kept, ignore_errors=True)
        session, device, _ = self._start()
        return self._proven(session, device, proof, on_cpu)

    def _proven(
        self,
        session: onnxruntime.InferenceSession,
        device: str,
        proof: Proof,
        on_cpu: onnxruntime.InferenceSession,
    ) -> Started:
        """Runs one batch, and compares it with the CPU's; raises _NotStartedError."""
        title = self.provider.title
        on_host = nodes_on_cpu(session, self.path)
        if on_host and not self.choice.allow_fallback:
            raise _NotStartedError(f"{title} leaves {counted(on_host)} to the CPU", ALLOW_FALLBACK)
        if on_host:
            _warn_once(f"{self.path.name}: {title} leaves {counted(on_host)} to the CPU")
        feed = proof.feed()
        try:
            answer = session.run(None, feed, self._proof_options())
        except Exception as error:  # ONNX Runtime's errors share no other base
            text = " ".join(str(error).split())
            raise _NotStartedError(
                f"{title} started, but failed at the first batch: {text}"
            ) from error
        try:
            expected = on_cpu.run(None, feed)
        except Exception as error:
            raise run_error(error, CPU, self.path.stem, "for a first batch on the CPU") from error
        if difference := proof.difference(answer, expected):
            fix = "use the fp32 file, or another provider"
            raise _NotStartedError(f"{title} answers something else: {difference}", fix)
        return Started(session, self.provider, device, on_host)

    def _start(self) -> tuple[onnxruntime.InferenceSession, str, Path | None]:
        """Returns a session, the name of its device, and the folder of what the provider had
        compiled before, if it read any."""
        provider, device = self.provider, self.device
        own = provider.own_settings(self.choice.settings)
        options = self.settings.options(self.ort)
        options.add_session_config_entry(RECORD, "1")
        if provider.fixed_shapes:
            for name, size in self.sizes.items():
                options.add_free_dimension_override_by_name(name, size)
        missing = missing_libraries(self.ort, provider)
        kept: Path | None = None
        try:
            if provider.plugin is None:
                provided, kept = self._provider_options(own, device)
                given = [(provider, provided), (CPU, {})]
                session = _load(self.ort, self.path, given, options)
            else:
                devices = plugin_devices(self.ort, provider, device)
                device = provider.device_name(devices[0]) or device
                provided, kept = self._provider_options(own, device)
                options.add_provider_for_devices(devices, provided)
                session = _load(self.ort, self.path, [], options)
        except PluginLoadError as error:
            raise self._not_started(": ".join([str(error), *missing[:1]])) from error
        except OutOfMemoryError as error:
            raise self._not_started(str(error)) from error
        except InvalidModelError as error:
            # It loads on the CPU: what is wrong is not the file.
            reason = missing[0] if missing else " ".join(str(error.__cause__).split())
            raise self._not_started(reason) from error
        if session.get_providers()[0] != provider.onnx_name:
            raise self._not_started(missing[0] if missing else "ONNX Runtime left it out")
        return session, device, kept

    def _proof_options(self) -> onnxruntime.RunOptions:
        """Returns options with which no run is recorded as a graph."""
        options = self.ort.RunOptions()
        options.add_run_config_entry("gpu_graph_id", "-1")
        return options

    def _not_started(self, reason: str) -> _NotStartedError:
        return _NotStartedError(f"{self.provider.title} did not start: {reason}")

    def _provider_options(
        self, own: ProviderSettings, device: str
    ) -> tuple[dict[str, str], Path | None]:
        """Returns the provider's options, and the folder of what it compiled if there is any."""
        folder = compiled_folder(self.path, self.ort, self.provider, device, own)
        kept = folder if folder is not None and any(folder.iterdir()) else None
        return self.provider.adapt(self.provider.options(own, device, folder), self.settings), kept


def _load_on_cpu(ort: Any, path: Path, settings: SessionSettings) -> onnxruntime.InferenceSession:
    return _load(ort, path, [(CPU, {})], settings.options(ort))


def _load(
    ort: Any,
    path: Path,
    providers: Sequence[tuple[ExecutionProvider[Any], dict[str, str]]],
    options: onnxruntime.SessionOptions,
) -> onnxruntime.InferenceSession:
    """Returns a session on the first of the providers that starts, or on those of the options."""
    named = [(provider.onnx_name, given) for provider, given in providers] or None
    provider = providers[0][0] if providers else CPU
    try:
        # ONNX Runtime's own fallback changes to the CPU during a run, and prints that to stdout.
        return ort.InferenceSession(path, options, providers=named, enable_fallback=0)
    except Exception as error:  # ONNX Runtime's errors share no other base
        raise _load_error(error, path, provider) from error


def _load_error(error: Exception, path: Path, provider: ExecutionProvider[Any]) -> FkdError:
    if lacks_memory(error):
        return memory_error(provider, f"to load {path}")
    return InvalidModelError(path, " ".join(str(error).split()))
