"""The files by which a runtime's process gets its inputs and returns its outputs.

    inputs.json    [{"shape": [1, 128, 128, 1], "dtype": "uint8"}, …]
    input-0.bin    of that type, in C order
    results.json   [{"outputs": [{"name": "points", "shape": [1, 68, 2]}]}, {"error": "why"}, …]
    output-0-0.bin float32, C order: of the first input the first output

Plain bytes and JSON, because one of the processes is not in Python.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fkd_train.runtimes.base import ModelInput, Outputs

_INPUTS, _RESULTS = "inputs.json", "results.json"


@dataclass(frozen=True)
class Failure:
    """Why an input could not be run, in one line."""

    reason: str


def write_inputs(folder: Path, inputs: Sequence[ModelInput]) -> None:
    """Writes inputs, for `read_inputs`."""
    for number, each in enumerate(inputs):
        (folder / f"input-{number}.bin").write_bytes(each.tobytes())
    table = [{"shape": each.shape, "dtype": each.dtype.name} for each in inputs]
    (folder / _INPUTS).write_text(json.dumps(table))


def read_inputs(folder: Path) -> list[ModelInput]:
    """Reads what `write_inputs` wrote."""
    table = json.loads((folder / _INPUTS).read_text())
    return [
        np.fromfile(folder / f"input-{number}.bin", row["dtype"]).reshape(row["shape"])
        for number, row in enumerate(table)
    ]


def write_results(folder: Path, results: Sequence[Outputs | Failure]) -> None:
    """Writes the result of each input, for `read_results`."""
    table: list[dict[str, object]] = []
    for number, result in enumerate(results):
        if isinstance(result, Failure):
            table.append({"error": result.reason})
            continue
        rows = []
        for index, (name, output) in enumerate(result.items()):
            content = np.asarray(output, np.float32).tobytes()
            (folder / f"output-{number}-{index}.bin").write_bytes(content)
            rows.append({"name": name, "shape": output.shape})
        table.append({"outputs": rows})
    (folder / _RESULTS).write_text(json.dumps(table))


def read_results(folder: Path) -> list[Outputs | Failure] | None:
    """Reads what `write_results` wrote; None if the process ended before."""
    path = folder / _RESULTS
    if not path.exists():
        return None
    results: list[Outputs | Failure] = []
    for number, row in enumerate(json.loads(path.read_text())):
        if "error" in row:
            results.append(Failure(row["error"]))
            continue
        files = (folder / f"output-{number}-{index}.bin" for index in range(len(row["outputs"])))
        results.append(
            {
                output["name"]: np.fromfile(file, np.float32).reshape(output["shape"])
                for file, output in zip(files, row["outputs"], strict=True)
            }
        )
    return results
