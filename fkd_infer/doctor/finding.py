"""What a check of `fkd-infer doctor` says, and what its checks share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from fkd_infer.errors import FkdError

RUNTIMES = ("onnxruntime", "onnxruntime-gpu")
"""The packages of ONNX Runtime, which overwrite each other."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found. `repair` mends the problem, or, without one, says what could be better;
    it is a command to type."""

    name: str
    fact: str
    problem: str | None = None
    repair: str | None = None


def told(error: BaseException) -> str:
    """An error as one line."""
    if isinstance(error, FkdError):
        return str(error)
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def installed_of(packages: Sequence[str]) -> dict[str, str]:
    """Those of some packages that are installed, with their versions."""
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def listed(packages: dict[str, str]) -> str:
    """Packages and versions in words."""
    return ", ".join(f"{name} {number}" for name, number in packages.items())
