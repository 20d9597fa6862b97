"""Imports ONNX Runtime, and checks that exactly one of its packages is installed."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from fkd_infer.errors import InstallError
from fkd_infer.runtime.providers.registry import install_command, runtime_packages

REINSTALL = install_command("pip install --force-reinstall")
"""The command that repairs an installation."""


def import_onnxruntime() -> Any:
    """Imports onnxruntime; raises InstallError unless exactly one of its packages is installed."""
    installed = _packages_on_path(runtime_packages())
    if len(installed) != 1:
        installed = [name for name in runtime_packages() if _is_installed(name)]
    if error := install_error(installed):
        raise error
    import onnxruntime

    return onnxruntime


def install_error(installed: Sequence[str]) -> InstallError | None:
    """Returns the error for these packages of ONNX Runtime, None for exactly one."""
    if len(installed) == 1:
        return None
    if not installed:
        return InstallError("ONNX Runtime", "is not installed", install_command())
    problem = "are all installed and overwrite each other"
    fix = f"pip uninstall -y {' '.join(installed)} && {install_command()}"
    return InstallError(" and ".join(installed), problem, fix)


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
