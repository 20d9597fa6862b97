"""The process of a runtime: `python -m fkd_train.runtimes.worker NAME MODEL FOLDER`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from fkd_infer.tuning.interleaved import serve
from fkd_train.choices import RuntimeName
from fkd_train.runtimes.base import ModelInput, Outputs, PythonRuntime, Run
from fkd_train.runtimes.exchange import Failure, read_inputs, write_results
from fkd_train.runtimes.registry import python_runtime


def main(name: RuntimeName, model: str, folder: str) -> None:
    """Opens the model, writes its results, and serves timed calls."""
    runtime, inputs = python_runtime(name), read_inputs(Path(folder))
    run, results = run_all(runtime, Path(model), inputs)
    write_results(Path(folder), results)
    if run is not None:
        opened = run
        serve(lambda: opened(inputs[0]))


def run_all(
    runtime: PythonRuntime, model: Path, inputs: Sequence[ModelInput]
) -> tuple[Run | None, list[Outputs | Failure]]:
    """Opens a model and runs each input; None if it does not open."""
    # A runtime's errors are what is asked for, and share no base.
    try:
        run = runtime.open(model)
    except Exception as error:  # noqa: BLE001
        return None, [Failure(runtime.reason(error))] * len(inputs)
    results: list[Outputs | Failure] = []
    for each in inputs:
        try:
            results.append(run(each))
        except Exception as error:  # noqa: BLE001
            results.append(Failure(runtime.reason(error)))
    return run, results


if __name__ == "__main__":
    main(*sys.argv[1:])  # type: ignore[arg-type]
