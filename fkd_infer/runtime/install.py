"""Imports ONNX Runtime, and checks that exactly one of its packages is installed."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, distribution
from typing import Any

from fkd_infer.errors import InstallError
from fkd_infer.runtime.providers.registry import install_command, runtime_packages

REINSTALL = install_command("pip install --force-reinstall")
"""The command that repairs an installation."""


def import_onnxruntime() -> Any:
    """Imports onnxruntime; raises InstallError unless exactly one of its packages is installed."""
    if error := install_error([name for name in runtime_packages() if _is_installed(name)]):
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


def _is_installed(package: str) -> bool:
    try:
        distribution(package)
    except PackageNotFoundError:
        return False
    return True
