"""Runs a graph as it is, without a card and without the runtime's checks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from fkd_infer.runtime.install import import_onnxruntime


def cpu_session(model: onnx.ModelProto | Path) -> Any:
    """Starts an onnxruntime.InferenceSession on the CPU; its log has errors only."""
    ort = import_onnxruntime()
    options = ort.SessionOptions()
    options.log_severity_level = 3
    content = str(model) if isinstance(model, Path) else model.SerializeToString()
    return ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def run_batches(
    session: Any, names: Sequence[str], feed: tuple[str, NDArray[Any]], batch: int | None
) -> list[NDArray[Any]]:
    """Runs a graph on a named input (n, …) in parts of its batch size, None for any.

    The last part is filled up with zeros. Returns outputs of n rows.
    """
    name, values = feed
    size = batch or len(values)
    parts = []
    for start in range(0, len(values), size):
        part = values[start : start + size]
        if missing := size - len(part):
            part = np.pad(part, [(0, missing), *[(0, 0)] * (part.ndim - 1)])
        parts.append(session.run(list(names), {name: part}))
    return [np.concatenate(outputs)[: len(values)] for outputs in zip(*parts, strict=True)]
