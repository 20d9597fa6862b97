"""Has pip-audit look up known vulnerabilities of the pinned packages: `python -m tools.audit`.

A vulnerability always fails. If the service does not answer, one line says so; only --strict then
fails, because `make check` has to pass without a network.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.pins import EXTRAS, REQUIREMENTS

TIMEOUT_S = 60.0
"""Time for the audit of one file."""
_SOCKET_TIMEOUT_S = 5


@dataclass(frozen=True)
class Audit:
    """A line for each vulnerability, and why the audit is incomplete, if it is."""

    vulnerabilities: tuple[str, ...] = ()
    incomplete: str | None = None


def audit(requirements: Path, timeout_s: float = TIMEOUT_S) -> Audit:
    """Audits the packages of a hashed requirements file, without installing any."""
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes"]
    command += ["--format", "json", "--progress-spinner", "off"]
    command += ["--timeout", str(_SOCKET_TIMEOUT_S), "--requirement", str(requirements)]
    try:
        # All arguments come from this file.
        result = subprocess.run(  # nosec B603
            command, capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired:
        return Audit(incomplete=f"no answer within {timeout_s:g} s")
    return parse_audit(result.stdout, result.stderr)


def parse_audit(output: str, errors: str = "") -> Audit:
    """Parses pip-audit's JSON; without JSON, its last line of errors is the reason."""
    try:
        packages = json.loads(output)["dependencies"]
    except (ValueError, KeyError, TypeError):
        lines = errors.strip().splitlines() or ["pip-audit printed nothing"]
        return Audit(incomplete=lines[-1][:160])
    vulnerabilities = tuple(
        f"{package['name']} {package['version']}: {vulnerability['id']}, fixed in "
        f"{', '.join(vulnerability['fix_versions']) or 'no version yet'}"
        for package in packages
        for vulnerability in package.get("vulns", ())
    )
    # A package index that mirrors PyPI without its advisories knows none of the packages.
    skipped = sum("skip_reason" in package for package in packages)
    if not skipped:
        return Audit(vulnerabilities)
    return Audit(
        vulnerabilities, f"the service does not know {skipped} of {len(packages)} packages"
    )


def main(arguments: Sequence[str]) -> int:
    """Audits each file; returns 1 for a vulnerability, or with --strict for an incomplete audit."""
    if set(arguments) - {"--strict"}:
        print("usage: python -m tools.audit [--strict]", file=sys.stderr)
        return 2
    audits: list[Audit] = []
    for name in EXTRAS:
        result = audit(REQUIREMENTS / f"{name}.txt")
        audits.append(result)
        for line in result.vulnerabilities:
            print(f"{name}: {line}", file=sys.stderr)
        if result.incomplete is not None:
            print(f"{name}: not audited: {result.incomplete}", file=sys.stderr)
            break  # the same holds for the other files
    vulnerable = any(result.vulnerabilities for result in audits)
    incomplete = audits[-1].incomplete is not None
    if not vulnerable and not incomplete:
        print("no known vulnerability in any pinned package")
    return int(vulnerable or (incomplete and "--strict" in arguments))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
