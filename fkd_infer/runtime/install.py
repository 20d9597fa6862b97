"""Imports ONNX Runtime, and checks that exactly one of its packages is installed."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from typing import TYPE_CHECKING, Any

from fkd_infer.errors import InstallError

if TYPE_CHECKING:
    pass

_PACKAGES = ("onnxruntime", "onnxruntime-gpu")


def import_onnxruntime() -> Any:
    """The onnxruntime module; raises InstallError where none, or two, are installed."""
    installed = [name for name in _PACKAGES if _is_installed(name)]
    if len(installed) != 1:
        raise InstallError.of_runtime(installed)
    import onnxruntime

    return onnxruntime


def _is_installed(package: str) -> bool:
    try:
        distribution(package)
    except PackageNotFoundError:
        return False
    return True
