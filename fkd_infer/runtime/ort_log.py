"""Keeps ONNX Runtime's own lines off the terminal: they go to Python's logger `onnxruntime`.

What they say about a failure is in fkd's error already. `--debug`, or a logger at the level DEBUG,
shows them.
"""

from __future__ import annotations

import logging
from typing import Any

_log = logging.getLogger("onnxruntime")
_FATAL, _WARNING = 4, 2
"""ONNX Runtime's levels."""


def severity() -> int:
    """Returns from which of ONNX Runtime's levels on its lines are shown."""
    return _WARNING if _log.isEnabledFor(logging.DEBUG) else _FATAL


def redirect(ort: Any) -> None:
    """Sets the level of ONNX Runtime's lines; since 1.32, they pass through the logger."""
    if not hasattr(ort, "set_default_logger_severity"):
        return
    ort.set_default_logger_severity(severity())
    if severity() == _WARNING and hasattr(ort, "set_default_logger_callback"):
        ort.set_default_logger_callback(_pass_on, severity())


def _pass_on(_: int, category: str, logid: str, location: str, message: str) -> None:
    _log.debug("%s %s %s: %s", category, logid, location, " ".join(message.split()))
