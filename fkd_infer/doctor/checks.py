"""The checks of `fkd-infer doctor`, which run in broken installations too.

So no module of this folder imports at its head what may be missing.
"""

from __future__ import annotations

from collections.abc import Sequence

from fkd_infer.doctor import machine, networks, packages, plugins
from fkd_infer.doctor.finding import Check, Finding, error_text
from fkd_infer.doctor.providers import provider_checks
from fkd_infer.errors import InstallError
from fkd_infer.runtime.install import reinstall_command

CHECKS: tuple[Check, ...] = (
    Check("fkd", packages.fkd),
    Check("python", packages.python),
    Check("numpy", packages.numpy),
    Check("opencv", packages.opencv),
    Check("opencv threads", machine.opencv_threads),
    Check("pyav", packages.pyav),
    Check("onnx runtime", packages.onnx_runtime),
    *provider_checks(),
    Check("cpu", machine.cpu),
    Check("threads", machine.threads),
    Check("model", networks.model),
    Check("detector", networks.detector),
    Check("detectors", plugins.detectors),
    Check("cache", machine.cache),
    Check("tuning", machine.tuning),
)
"""All checks, each after those that it depends on."""


def examine(checks: Sequence[Check] | None = None) -> list[Finding]:
    """Returns the findings of all checks; a check that fails is one too, and ends no other."""
    findings: list[Finding] = []
    for check in CHECKS if checks is None else checks:
        try:
            finding = check.run()
        except Exception as error:  # noqa: BLE001 (anything may be broken: it becomes a finding)
            finding = _failed(check, error, findings)
        if finding is not None:
            findings.append(finding)
    return findings


def _failed(check: Check, error: Exception, before: Sequence[Finding]) -> Finding:
    """Returns the finding of a check that raised an error.

    A failed import is no second problem if an earlier check found one.
    """
    problem, repair = error_text(error), reinstall_command()
    if isinstance(error, InstallError):  # the only class whose fix is always a command
        problem, repair = error.without_fix, error.fix or repair
    if isinstance(error, ImportError) and any(finding.problem for finding in before):
        return Finding(check.name, f"not checked: {problem}")
    return Finding(check.name, "could not be checked", problem, repair)
