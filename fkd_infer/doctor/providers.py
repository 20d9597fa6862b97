"""Checks of `fkd-infer doctor` for each provider: its driver, and a run that proves it."""

from __future__ import annotations

import shutil
import subprocess
import time
from functools import partial
from typing import Any

from fkd_infer.choices import DEFAULT_MODEL
from fkd_infer.doctor.finding import Check, Finding, error_text, installed_versions, listed
from fkd_infer.errors import FkdError, InstallError, ProviderError
from fkd_infer.runtime.install import repair_command
from fkd_infer.runtime.libraries import NoDeviceError
from fkd_infer.runtime.providers.base import Driver, ExecutionProvider
from fkd_infer.runtime.providers.cpu import CPU
from fkd_infer.runtime.providers.registry import (
    PROVIDERS,
    here,
    install_command,
    runtime_packages,
    usable_providers,
)

_TIMEOUT_S = 20


def provider_checks() -> list[Check]:
    """Returns the checks of all drivers, and of all providers but the CPU, which the model's own
    check runs on."""
    checks: list[Check] = []
    for provider in PROVIDERS:
        if provider.driver is not None and provider.driver.name not in [c.name for c in checks]:
            checks.append(Check(provider.driver.name, partial(check_driver, provider)))
        if provider is not CPU:
            checks.append(Check(provider.name, partial(check_provider, provider)))
    return [*checks, Check("providers", other_providers)]


def check_driver(provider: ExecutionProvider[Any]) -> Finding:
    """The driver lists its devices. A failure matters only to the runtime that needs them."""
    assert provider.driver is not None
    driver = provider.driver
    devices, problem = list_devices(driver)
    if problem and provider.package in installed_versions(runtime_packages()):
        return Finding(driver.name, "does not answer", problem, driver.fix)
    fact = "; ".join(devices) or problem or f"none: no {driver.command[0]}"
    return Finding(driver.name, fact)


def list_devices(driver: Driver) -> tuple[list[str], str]:
    """Returns a line for each device, or none and the problem; no problem without a driver."""
    program = shutil.which(driver.command[0])
    if program is None:
        return [], ""
    try:
        done = subprocess.run(  # the driver's program, found on the PATH  # nosec B603
            [program, *driver.command[1:]], capture_output=True, text=True, timeout=_TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return [], error_text(error)
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    if done.returncode:
        return [], " ".join([*lines, *done.stderr.split()])
    return lines, ""


def check_provider(provider: ExecutionProvider[Any]) -> Finding | None:
    """A network runs on an installed provider, and answers as on the CPU.

    Without the provider, there is a finding only if the driver has devices for it.
    """
    from fkd_infer.runtime.install import import_onnxruntime, switch_command
    from fkd_infer.runtime.session import LandmarkSession

    try:
        ort = import_onnxruntime()
    except InstallError:  # which the check of ONNX Runtime has found
        return None
    has_devices = provider.driver is not None and bool(list_devices(provider.driver)[0])
    if provider not in usable_providers(ort):
        if not has_devices or not provider.automatic or provider.plugin:
            return None
        fact = "this ONNX Runtime was built without"
        return Finding(provider.name, fact, repair=switch_command(provider))
    fact = _build(provider, ort)
    started = time.perf_counter()
    try:
        session = LandmarkSession(DEFAULT_MODEL, provider.name)
    except FkdError as error:
        reason = error.reason if isinstance(error, ProviderError) else error_text(error)
        if isinstance(error.__cause__, Exception) and isinstance(
            error.__cause__.__cause__, NoDeviceError
        ):
            return Finding(provider.name, f"{fact}; {error.__cause__.__cause__}")
        return _not_started(provider, fact, reason, has_devices)
    seconds = time.perf_counter() - started
    return Finding(provider.name, f"{fact}; {session.started.on} proved itself in {seconds:.1f} s")


def _not_started(
    provider: ExecutionProvider[Any], fact: str, reason: str, has_devices: bool
) -> Finding:
    """Returns the finding for a provider that does not run; one that "auto" leaves out is no
    problem."""
    if not provider.automatic:
        return Finding(provider.name, f"{fact}; it does not run: {reason}")
    if has_devices:
        return Finding(provider.name, fact, reason, install_command(provider, "pip install -U"))
    if provider.plugin:
        return Finding(provider.name, fact, reason, repair_command(provider.plugin.package))
    repair = f"pip uninstall -y {provider.package} && {install_command(CPU)}"
    if provider.driver is not None:
        repair += f"  (or {provider.driver.install})"
    return Finding(provider.name, fact, reason, repair)


def other_providers() -> Finding | None:
    """Names the providers that could be installed here."""
    from fkd_infer.runtime.install import import_onnxruntime, switch_command

    try:
        installed = usable_providers(import_onnxruntime())
    except InstallError:
        return None
    others = [provider for provider in here() if provider not in installed]
    texts = [f"{provider.name} ({switch_command(provider)})" for provider in others]
    return Finding("providers", f"not installed: {', '.join(texts)}") if texts else None


def _build(provider: ExecutionProvider[Any], ort: Any) -> str:
    """Returns the versions that ONNX Runtime was built with, and those that are installed."""
    if provider.plugin is not None:
        return listed(installed_versions([provider.plugin.package])) or provider.plugin.module
    version = provider.version(ort) or "of an unknown version"
    libraries = listed(installed_versions(provider.libraries)) or "no libraries from pip"
    return f"ONNX Runtime was built with {provider.title} {version}; {libraries}"
