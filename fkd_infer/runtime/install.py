"""Imports ONNX Runtime, and checks that exactly one of its packages is installed, and whole."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from fkd_infer.errors import InstallError, one_line
from fkd_infer.runtime import ort_log
from fkd_infer.runtime.providers.base import ExecutionProvider
from fkd_infer.runtime.providers.cpu import CPU
from fkd_infer.runtime.providers.registry import (
    PROVIDERS,
    install_command,
    runtime_packages,
)


def import_onnxruntime() -> Any:
    """Imports onnxruntime; raises InstallError unless exactly one of its packages is installed."""
    installed = _packages_on_path(runtime_packages())
    if len(installed) != 1:
        installed = [name for name in runtime_packages() if _is_installed(name)]
    if error := install_error(installed):
        raise error
    try:
        import onnxruntime
    except Exception as error:  # a broken installation raises anything
        raise broken_install(installed[0], one_line(error)) from error
    if not hasattr(onnxruntime, "InferenceSession"):  # an empty folder is a package too
        raise broken_install(installed[0], "most of its files are missing")
    ort_log.redirect(onnxruntime)
    return onnxruntime


def install_error(installed: Sequence[str]) -> InstallError | None:
    """Returns the error for these packages of ONNX Runtime, None for exactly one."""
    if len(installed) == 1:
        return None
    if not installed:
        return InstallError("ONNX Runtime", "is not installed", install_command(CPU))
    problem = "are all installed and overwrite each other"
    keep = next((name for name in installed if name != CPU.package), CPU.package)
    provider = next(each for each in PROVIDERS if each.package == keep)
    fix = f"pip uninstall -y {' '.join(installed)} && {install_command(provider)}"
    return InstallError(" and ".join(installed), problem, fix)


def reinstall_command() -> str:
    """Returns the command that installs fkd again, from where it came from."""
    import json
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        text = distribution("fkd").read_text("direct_url.json")
    except PackageNotFoundError:  # run from a folder, without an installation
        text = None
    origin = json.loads(text or "{}")
    url, version = origin.get("url", "fkd"), origin.get("vcs_info")
    editable = "-e " if origin.get("dir_info", {}).get("editable") else ""
    source = f"{version['vcs']}+{url}@{version['commit_id']}" if version else url
    return f"pip install --force-reinstall --no-deps {editable}{source.removeprefix('file://')}"


def switch_command(provider: ExecutionProvider[Any]) -> str:
    """Returns the command that installs what a provider needs, in place of an ONNX Runtime without
    it."""
    if provider.plugin is not None and _is_installed(provider.plugin.package):
        return repair_command(provider.plugin.package)
    command = install_command(provider)
    others = [name for name in runtime_packages() if _is_installed(name)]
    if provider.plugin is not None or others == [provider.package] or not others:
        return command
    return f"pip uninstall -y {' '.join(others)} && {command}"


def broken_install(package: str, problem: str) -> InstallError:
    """Returns the error for a package of ONNX Runtime that is not whole."""
    return InstallError(package, f"cannot be imported: {problem}", repair_command(package))


def repair_command(package: str) -> str:
    """Returns the command that installs a package again, in the version that pip knows."""
    return f"pip install --force-reinstall --no-deps {package}"


def _packages_on_path(packages: Sequence[str]) -> list[str]:
    """Returns the packages that pip installed into a folder of sys.path.

    importlib.metadata knows other ways to install as well, but takes 14 ms to import.
    """
    names: set[str] = set()
    for folder in sys.path:
        with suppress(OSError):  # zip files, and folders that do not exist
            entries = os.listdir(folder or ".")  # noqa: PTH208 (no object for each)
            names |= {entry.partition("-")[0] for entry in entries if entry.endswith(".dist-info")}
    return [package for package in packages if package.replace("-", "_") in names]


def _is_installed(package: str) -> bool:
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        distribution(package)
    except PackageNotFoundError:
        return False
    return True
