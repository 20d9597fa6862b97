"""Asks a public service for vulnerabilities of the pinned packages: `python -m tools.audit`.

A vulnerability always fails. Where the service cannot be asked, that is said in one line, and fails
only with --strict: `make check` has to pass without a network.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.pins import EXTRAS, FOLDER

SECONDS = 60.0
"""For each file, after which the service counts as one that cannot be asked."""
_CONNECTION_SECONDS = 5


@dataclass(frozen=True)
class Verdict:
    """What is known of a file's packages: `vulnerable`, a line each; `unknown`, why not asked."""

    vulnerable: tuple[str, ...] = ()
    unknown: str | None = None


def ask(requirements: Path, seconds: float = SECONDS) -> Verdict:
    """Has pip-audit look up the packages of a hashed file; nothing is installed for it."""
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes"]
    command += ["--format", "json", "--progress-spinner", "off"]
    command += ["--timeout", str(_CONNECTION_SECONDS), "--requirement", str(requirements)]
    try:
        # The command is put together here.
        done = subprocess.run(  # nosec B603
            command, capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return Verdict(unknown=f"no answer within {seconds:g} s")
    return judge(done.stdout, done.stderr)


def judge(answer: str, complaint: str = "") -> Verdict:
    """What pip-audit's JSON says; what it printed besides tells why there is none."""
    try:
        packages = json.loads(answer)["dependencies"]
    except (ValueError, KeyError, TypeError):
        lines = complaint.strip().splitlines() or ["pip-audit said nothing"]
        return Verdict(unknown=lines[-1][:160])
    vulnerable = tuple(
        f"{package['name']} {package['version']}: {found['id']}, mended in "
        f"{', '.join(found['fix_versions']) or 'no version yet'}"
        for package in packages
        for found in package.get("vulns", ())
    )
    # A service that was not reached in truth, such as a mirror's, knows no package at all.
    left = [package["name"] for package in packages if "skip_reason" in package]
    unknown = f"the service does not know {len(left)} of {len(packages)} packages" if left else None
    return Verdict(vulnerable, unknown)


def main(arguments: Sequence[str]) -> int:
    """Looks at each file; 1 where something is vulnerable, or, with --strict, not known."""
    if set(arguments) - {"--strict"}:
        print("usage: python -m tools.audit [--strict]", file=sys.stderr)
        return 2
    verdicts = {}
    for name in EXTRAS:
        verdicts[name] = ask(FOLDER / f"{name}.txt")
        for line in verdicts[name].vulnerable:
            print(f"{name}: {line}", file=sys.stderr)
        if verdicts[name].unknown is not None:
            print(f"{name}: not audited: {verdicts[name].unknown}", file=sys.stderr)
            break
    vulnerable = any(verdict.vulnerable for verdict in verdicts.values())
    unknown = any(verdict.unknown is not None for verdict in verdicts.values())
    if not vulnerable and not unknown:
        print("no known vulnerability in any pinned package")
    return int(vulnerable or (unknown and "--strict" in arguments))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
