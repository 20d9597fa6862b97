"""Checks of `fkd-infer doctor` and their findings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from fkd_infer.errors import FkdError, one_line


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check: a fact, and a problem if there is one.

    `repair` is a command that solves the problem or, without a problem, improves the installation.
    """

    name: str
    fact: str
    problem: str | None = None
    repair: str | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """A check, which may have nothing to say; `name` is used if `run` fails."""

    name: str
    run: Callable[[], Finding | None]


def error_text(error: BaseException) -> str:
    """Returns an error as one line."""
    return str(error) if isinstance(error, FkdError) else one_line(error)


def installed_versions(packages: Sequence[str]) -> dict[str, str]:
    """Returns the versions of those packages that are installed."""
    versions = {}
    for package in packages:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


def listed(versions: dict[str, str]) -> str:
    """Returns packages and versions as text."""
    return ", ".join(f"{name} {number}" for name, number in versions.items())
