"""The examples' folder, and how the tests in examples/ run a program of it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

from repo_paths import ROOT

EXAMPLES = ROOT / "examples"
RunExample = Callable[..., "subprocess.CompletedProcess[str]"]
"""Runs a program of examples/ with arguments, in the test's folder; `code` is its exit status."""
