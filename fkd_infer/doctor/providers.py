"""Checks of `fkd-infer doctor` for each execution provider: its driver, and whether it starts."""

from __future__ import annotations

import shutil
import subprocess
from functools import partial
from typing import Any

from fkd_infer.choices import DEFAULT_MODEL
from fkd_infer.doctor.finding import Check, Finding, error_text, installed_versions, listed
from fkd_infer.errors import FkdError
from fkd_infer.runtime.providers.base import Driver, ExecutionProvider
from fkd_infer.runtime.providers.cpu import CPU
from fkd_infer.runtime.providers.registry import PROVIDERS, runtime_packages, usable_providers

_TIMEOUT_S = 20


def provider_checks() -> list[Check]:
    """Returns the checks of all providers but the CPU, which the model's own check runs on."""
    checks = []
    for provider in PROVIDERS:
        if provider.driver is not None:
            checks.append(Check(provider.driver.name, partial(check_driver, provider)))
        if provider is not CPU:
            checks.append(Check(provider.name, partial(check_provider, provider)))
    return checks


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


def check_provider(provider: ExecutionProvider[Any]) -> Finding:
    """A session on the provider starts, if ONNX Runtime was built with it."""
    from fkd_infer.runtime.install import import_onnxruntime

    ort = import_onnxruntime()
    has_devices = provider.driver is not None and bool(list_devices(provider.driver)[0])
    if provider not in usable_providers(ort):
        repair = f"pip uninstall -y {CPU.package} && pip install 'fkd[{provider.extra}]'"
        fact = "this ONNX Runtime was built without"
        return Finding(provider.name, fact, repair=repair if has_devices else None)
    fact = _build(provider, ort)
    problem = _start_problem(provider, ort)
    if problem is None:
        return Finding(provider.name, f"{fact}; a session starts")
    if has_devices:
        repair = f"pip install --upgrade 'fkd[{provider.extra}]'"
        return Finding(provider.name, fact, problem, repair)
    repair = f"pip uninstall -y {provider.package} && pip install 'fkd[{CPU.extra}]'"
    if provider.driver is not None:
        repair += f"  (or {provider.driver.install})"
    return Finding(provider.name, fact, problem, repair)


def _build(provider: ExecutionProvider[Any], ort: Any) -> str:
    """Returns the versions that ONNX Runtime was built with, and those that are installed."""
    version = provider.version(ort) or "of an unknown version"
    libraries = listed(installed_versions(provider.libraries)) or "no libraries from pip"
    return f"ONNX Runtime was built with {provider.title} {version}; {libraries}"


def _start_problem(provider: ExecutionProvider[Any], ort: Any) -> str | None:
    from fkd_infer.runtime.session import LandmarkSession

    missing = provider.preload(ort)
    try:
        LandmarkSession(DEFAULT_MODEL, provider.name)
    except FkdError as error:
        return f"a session does not start: {'; '.join(missing) or error_text(error)}"
    return None
